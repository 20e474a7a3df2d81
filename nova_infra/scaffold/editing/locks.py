"""Changes a lock's entries for services as ``make lock`` would, without asking a registry.

A lock says of every package which others, and which manifests, it is there for. A service that goes takes the packages
with it that nothing else needs; a service that comes depends only on the kit, which is locked already; and another
name changes no version.
"""

import re
from collections.abc import Callable

from packaging.utils import canonicalize_name

_ENTRY = re.compile(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", re.MULTILINE)
_REASONS = re.compile(r"    # via(?: (\S.*)\n|\n((?:    #   \S.*\n)+))")
_MANIFEST = re.compile(r"\(\S*pyproject\.toml(?::\w+)?\)$")


def with_service(lock: str, name: str) -> str:
    """The lock once a service that depends only on the kit has been added."""
    return _with_manifests(lock, lambda manifests: [*manifests, _manifest(name)])


def without_service(lock: str, name: str) -> str:
    """The lock once a service has been removed, and with it whatever was there only for that service."""
    lock = _with_manifests(lock, lambda manifests: [each for each in manifests if each != _manifest(name)])
    head, *entries = _ENTRY.split(lock)
    reasons = [[each for each in _reasons(entry) if f"({_manifest(name)})" not in each] for entry in entries]
    names = [canonicalize_name(re.split(r"==|\[", entry, maxsplit=1)[0]) for entry in entries]
    kept = {each for each, why in zip(names, reasons, strict=True) if any(map(_MANIFEST.search, why))}
    while more := {
        each
        for each, why in zip(names, reasons, strict=True)
        if each not in kept and kept & {canonicalize_name(parent) for parent in why if " " not in parent}
    }:
        kept |= more
    return head + "".join(
        _with_reasons(entry, [one for one in why if _MANIFEST.search(one) or canonicalize_name(one) in kept])
        for entry, each, why in zip(entries, names, reasons, strict=True)
        if each in kept
    )


def with_renamed_service(lock: str, old: str, new: str) -> str:
    """The lock once a service has another name."""
    lock = _with_manifests(lock, lambda manifests: [_manifest(new) if m == _manifest(old) else m for m in manifests])
    head, *entries = _ENTRY.split(lock)
    before, after = f"{old} ({_manifest(old)})", f"{new} ({_manifest(new)})"
    return head + "".join(
        _with_reasons(entry, [after if each == before else each for each in _reasons(entry)]) for entry in entries
    )


def _manifest(name: str) -> str:
    return f"services/{name}/pyproject.toml"


def _with_manifests(lock: str, change: Callable[[list[str]], list[str]]) -> str:
    """The lock with other manifests in the command by which it was written."""

    def changed(line: re.Match[str]) -> str:
        return line[1] + " ".join(sorted(change(line[2].split()))) + line[3]

    return re.sub(
        r"^(#    uv pip compile .*?)((?:services/\S+/pyproject\.toml ?)+)( --.*)$", changed, lock, count=1, flags=re.M
    )


def _reasons(entry: str) -> list[str]:
    found = _REASONS.search(entry)
    if found is None:
        return []
    return [found[1]] if found[1] else [line.removeprefix("    #   ") for line in found[2].splitlines()]


def _with_reasons(entry: str, reasons: list[str]) -> str:
    """The entry with other reasons: manifests first, as uv sorts them."""
    ordered = sorted(reasons, key=lambda each: (_MANIFEST.search(each) is None, each))
    lines = f" {ordered[0]}\n" if len(ordered) == 1 else "\n" + "".join(f"    #   {each}\n" for each in ordered)
    return _REASONS.sub(lambda _: f"    # via{lines}", entry)
