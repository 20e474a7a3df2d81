"""The tools that the release steps run: the deployed pipeline accepts only the approved ones, by their digest.

Brief, preflight, gate and verify run what the commit's ``Makefile`` calls. The pipeline's template holds the digest of
those files, and its steps refuse others before anything of the commit runs. So a commit that changes a tool changes the
pipeline, which waits for the approval of such a change (``update_approval.py``); any other commit runs the tools of the
release before it. Tools and ``nova.toml`` stay of one commit: earlier tools would not know the keys of a later one.
"""

import hashlib
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

_FILES = (
    *("Makefile", "GNUmakefile", "makefile"),
    *("requirements*.txt", "requirements-uv.in", "pyproject.toml", "uv.toml", ".python-version"),
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", ".npmrc"),
    *("scripts", "nova_infra"),
)
"""What a step runs, and what decides what it installs: also under the names that make, uv and npm look for first."""
_MADE = (".venv", "node_modules", "__pycache__")
"""What set-up and Python leave there. A commit that brings one of them would run what is in it, so there it counts."""
_DIGEST = (
    f"find -L {' '.join((*_FILES, *_MADE[:2]))} -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | "
    "sha256sum | cut -d' ' -f1"
)


def digest_of_tools(root: Path) -> str:
    """The digest of a project's release tools: 64 hexadecimal digits.

    Args:
        root: The project's directory.
    """
    lines = (b"%b  %b\n" % (hashlib.sha256(path.read_bytes()).hexdigest().encode(), name) for name, path in _all(root))
    return hashlib.sha256(b"".join(lines)).hexdigest()


def refuse_others(digest: str) -> str:
    """A step's command, the pipeline's own, which refuses a commit with other tools.

    Args:
        digest: What the tools are known by.
    """
    return (
        f'test "$({_DIGEST})" = {digest} || {{ echo "tools: what this step would run of the commit is not what was '
        "approved with the pipeline: start a new release, whose ApprovePipeline asks for it; an earlier release comes "
        'back by nova rollback"; false; }'
    )


def _all(root: Path) -> list[tuple[bytes, Path]]:
    # By the names as they are stored: a disk that tells no case apart would find the Makefile as makefile, too.
    places = (each for each in root.iterdir() if any(fnmatchcase(each.name, pattern) for pattern in _FILES))
    found = (path for place in places for path in _within(place))
    return sorted((path.relative_to(root).as_posix().encode(), path) for path in found)


def _within(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for directory, folders, files in os.walk(place, followlinks=True):
        folders[:] = [each for each in folders if each not in _MADE]
        yield from (Path(directory, each) for each in files if Path(directory, each).is_file())
