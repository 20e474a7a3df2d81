"""Whether the locks still are what the manifests ask for; every set-up checks it.

A lock has drifted when a manifest asks for something that it does not pin, or not in that version; when it pins
something for a manifest that no longer asks for it; or when what ships is pinned in another version than what was
tested. All of it shows in the files themselves, so neither the network nor a resolver is needed.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nova_infra.errors import NovaError

REMEDY = "run `make lock` and commit what it writes"


class LockDriftError(NovaError):
    """A lock is not what its manifest asks for: one line for each package."""


@dataclass(frozen=True)
class Lock:
    """A requirements file that uv has written.

    Attributes:
        pins: Package to its versions: there are several where they depend on the Python version.
        unhashed: Packages without a hash.
        asked_for: Packages that the file says a manifest asks for; empty where it does not say why a package is there.
    """

    pins: Mapping[str, frozenset[str]]
    unhashed: frozenset[str]
    asked_for: frozenset[str]


def read_lock(text: str) -> Lock:
    """The lock that a requirements file is."""
    pins: dict[str, set[str]] = {}
    unhashed, asked_for = set(), set()
    # An entry begins at the start of a line; its hashes and the reasons for it are indented.
    for entry in re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", text, flags=re.MULTILINE)[1:]:
        match = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", entry)
        assert match is not None, "an entry begins with name==version"
        name = canonicalize_name(match[1])
        pins.setdefault(name, set()).add(match[2])
        if "--hash=" not in entry:
            unhashed.add(name)
        if re.search(r"\(\S*pyproject\.toml(?::\w+)?\)|-r requirements-uv\.in", entry):
            asked_for.add(name)
    return Lock(
        {name: frozenset(versions) for name, versions in pins.items()}, frozenset(unhashed), frozenset(asked_for)
    )


def drift(name: str, lock: Lock, asked: Iterable[Requirement], *, tested: Lock | None = None) -> Iterator[str]:
    """Each difference between a lock and what is asked for, as a line without the remedy.

    Args:
        name: Path of the lock.
        lock: The lock.
        asked: What its manifests ask for.
        tested: The lock that the tests run with, whose versions this one must have.
    """
    wanted = list(asked)
    for requirement in wanted:
        versions = lock.pins.get(canonicalize_name(requirement.name), frozenset())
        if not versions:
            yield f"{name}: does not pin {requirement.name}, which is asked for"
        elif lock.asked_for and canonicalize_name(requirement.name) not in lock.asked_for:
            yield f"{name}: was written before {requirement.name} was asked for"
        wrong = sorted(v for v in versions if not requirement.specifier.contains(v, prereleases=True))
        if wrong:
            yield f"{name}: pins {requirement.name} {' and '.join(wrong)}, and {requirement} is asked for"
    for package in sorted(lock.asked_for - {canonicalize_name(requirement.name) for requirement in wanted}):
        yield f"{name}: pins {package} for a manifest that does not ask for it"
    for package in sorted(lock.unhashed):
        yield f"{name}: pins {package} without a hash"
    if tested is not None:
        for package, pinned in sorted(lock.pins.items()):
            if not pinned <= tested.pins.get(package, frozenset()):
                yield f"{name}: pins {package} {' and '.join(sorted(pinned))}, and the tests run with another version"


def npm_drift(
    manifest: Mapping[str, Mapping[str, str]], lock: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> Iterator[str]:
    """The same of package-lock.json: the versions in package.json are exact.

    Args:
        manifest: package.json.
        lock: package-lock.json.
    """
    asked = manifest.get("devDependencies", {})
    packages = lock.get("packages", {})
    if packages.get("", {}).get("devDependencies", {}) != asked:
        yield "package-lock.json: was written for other devDependencies than those of package.json"
    for name, version in asked.items():
        pinned = packages.get(f"node_modules/{name}", {}).get("version")
        if pinned != version:
            yield f"package-lock.json: pins {name} {pinned}, and {version} is asked for"


def check(root: Path) -> None:
    """Compare all locks of the project with their manifests.

    Raises:
        LockDriftError: A lock has drifted.
    """
    project = _manifest(root / "pyproject.toml")
    kit = _asked(root / "services" / "kit")
    services = sorted(path.parent.name for path in (root / "services").glob("*/Dockerfile"))
    tested = read_lock((root / "requirements-dev.txt").read_text(encoding="utf-8"))
    lines = list(
        drift(
            "requirements-dev.txt",
            tested,
            [
                *map(Requirement, project["project"]["dependencies"]),
                *map(Requirement, project["dependency-groups"]["dev"]),
                *kit,
                *(requirement for service in services for requirement in _asked(root / "services" / service)),
            ],
        )
    )
    for name, asked in {
        "requirements.txt": [*map(Requirement, project["project"]["dependencies"])],
        **{
            f"services/{service}/requirements.txt": [*kit, *_asked(root / "services" / service)] for service in services
        },
    }.items():
        lines += drift(name, read_lock((root / name).read_text(encoding="utf-8")), asked, tested=tested)
    uv_asked = map(Requirement, (root / "requirements-uv.in").read_text(encoding="utf-8").split())
    lines += drift(
        "requirements-uv.txt", read_lock((root / "requirements-uv.txt").read_text(encoding="utf-8")), uv_asked
    )
    lines += npm_drift(
        json.loads((root / "package.json").read_text(encoding="utf-8")),
        json.loads((root / "package-lock.json").read_text(encoding="utf-8")),
    )
    if lines:
        raise LockDriftError("\n".join(f"{line}: {REMEDY}" for line in lines))


def _manifest(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _asked(package: Path) -> list[Requirement]:
    return [*map(Requirement, _manifest(package / "pyproject.toml")["project"]["dependencies"])]


if __name__ == "__main__":
    try:
        check(Path(__file__).parents[1])
    except LockDriftError as error:
        sys.exit(str(error))
