"""Keeps the tests of the platform from reading what is the user's: an audit hook, on while it is asked for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

_OWN = os.path.join(ROOT, "nova.toml"), os.path.join(ROOT, "services")  # noqa: PTH118 - compared with what is opened
_PLATFORMS = tuple(os.path.join(_OWN[1], name) for name in ("kit", "tests", "conftest.py", ".dockerignore"))  # noqa: PTH118
_EVENTS = frozenset({"open", "os.listdir", "os.scandir"})
_guard = {"on": False}


def refuse_what_is_the_users(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to read the project's own nova.toml and services: a test that does fails when somebody edits them."""
    if event not in _EVENTS or not _guard["on"]:  # of millions of events, few are these
        return
    path = arguments[0]
    if isinstance(path, (str, bytes, os.PathLike)):
        path = os.fsdecode(path)
        if event == "open" and arguments[1] is None and not os.path.isabs(path):  # noqa: PTH117
            return  # `os.open`, relative to a directory that the event does not name
        path = os.path.abspath(path)  # noqa: PTH100 - not resolved: a link to it is another file
        if path.startswith(_OWN) and not path.startswith(_PLATFORMS):
            raise RuntimeError(f"{path}: is the user's: a test of the platform reads tests/unit/nova.toml, `example`")


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Refuse it meanwhile."""
    _guard["on"] = True
    try:
        yield
    finally:
        _guard["on"] = False
