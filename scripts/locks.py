"""Checks that the locks still match the manifests; every setup runs it.

A lock has drifted when a manifest asks for something that it does not pin, or not in that version; when it pins
something for a manifest that no longer asks for it; or when what ships is pinned in another version than what was
tested. A lock is split when it installs something else on another Python or platform: what is tested on one then
ships on another untested. All of it shows in the files themselves, so neither the network nor a resolver is needed.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nova_infra.errors import NovaError
from nova_infra.machine.kit import on_kit, others
from nova_infra.machine.pythons import SUPPORTED

REMEDY = "run `make lock` and commit what it writes"

_LOCKS = ("requirements*.txt", "services/*/requirements.txt", "nova_infra/**/service_template/requirements.txt")

ENVIRONMENTS = tuple(
    {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": system,
        "python_full_version": f"{python}.{patch}",
        "python_version": python,
        "sys_platform": system.lower(),
    }
    for python in SUPPORTED
    for patch in (0, 99)
    for system, machine in (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64"), ("Darwin", "arm64"))
)
"""Where services and tests run: images and CI on Linux, laptops on Linux and macOS. Variables of PEP 508."""


class LockDriftError(NovaError):
    """A lock is not what its manifest asks for: one line for each package."""


@dataclass(frozen=True)
class Lock:
    """A requirements file that uv has written.

    Attributes:
        pins: Package to its versions, each with the marker under which it is installed; empty where it always is.
        asked_for: Packages that the file says a manifest asks for; empty where it does not say why a package is there.
    """

    pins: Mapping[str, Mapping[str, str]]
    unhashed: frozenset[str]
    asked_for: frozenset[str]


def read_lock(text: str) -> Lock:
    """The lock that a requirements file is."""
    pins: dict[str, dict[str, str]] = {}
    unhashed, asked_for = set(), set()
    # An entry begins at the start of a line; its hashes and the reasons for it are indented.
    for entry in re.split(r"^(?=[\w.-]+(?:\[[\w,-]+\])?==)", text, flags=re.MULTILINE)[1:]:
        match = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)(?:[^\S\n]*;[^\S\n]*([^\n\\#]+))?", entry)
        assert match is not None, "an entry begins with name==version"
        name, marker = canonicalize_name(match[1]), (match[3] or "").strip()
        versions = pins.setdefault(name, {})
        # The same version under two markers is installed under either.
        versions[match[2]] = f"({versions[match[2]]}) or ({marker})" if versions.get(match[2]) and marker else marker
        if "--hash=" not in entry:
            unhashed.add(name)
        if re.search(r"\(\S*pyproject\.toml(?::\w+)?\)|-r requirements-uv\.in", entry):
            asked_for.add(name)
    return Lock(pins, frozenset(unhashed), frozenset(asked_for))


def splits(name: str, lock: Lock) -> Iterator[str]:
    """Each package that a lock does not install in one version everywhere, as a line with the remedy.

    What only other platforms install, such as colorama on Windows, is not a split.
    """
    for package, versions in sorted(lock.pins.items()):
        if len(versions) > 1:
            several = " and ".join(
                f"{version}{f' ({marker})' if marker else ''}" for version, marker in versions.items()
            )
            yield (f"{name}: pins {package} {several}, so tests and images may run different ones: {REMEDY}")
            continue
        [marker] = versions.values()
        if marker and len({Marker(marker).evaluate(environment) for environment in ENVIRONMENTS}) > 1:
            yield (
                f"{name}: pins {package} only where {marker}, so tests and images may differ: add {package} to the "
                f"dependencies in the pyproject.toml that needs it, {REMEDY}"
            )


def drift(name: str, lock: Lock, asked: Iterable[Requirement], *, tested: Lock | None = None) -> Iterator[str]:
    """Each difference between a lock and what is asked for, as a line without the remedy.

    Args:
        tested: The lock that the tests run with, whose versions this one must have.
    """
    wanted = list(asked)
    for requirement in wanted:
        versions = lock.pins.get(canonicalize_name(requirement.name), {})
        if not versions:
            yield f"{name}: does not pin {requirement.name}, which is required"
        elif lock.asked_for and canonicalize_name(requirement.name) not in lock.asked_for:
            yield f"{name}: was written before {requirement.name} was required"
        wrong = sorted(v for v in versions if not requirement.specifier.contains(v, prereleases=True))
        if wrong:
            yield f"{name}: pins {requirement.name} {' and '.join(wrong)}, but {requirement} is required"
    for package in sorted(lock.asked_for - {canonicalize_name(requirement.name) for requirement in wanted}):
        yield f"{name}: pins {package} for a manifest that does not require it"
    for package in sorted(lock.unhashed):
        yield f"{name}: pins {package} without a hash"
    if tested is not None:
        for package, pinned in sorted(lock.pins.items()):
            if not pinned.keys() <= tested.pins.get(package, {}).keys():
                yield f"{name}: pins {package} {' and '.join(sorted(pinned))}, but the tests run with another version"


def split_packages(root: Path) -> list[str]:
    """Every package that some lock has in several versions.

    A resolver would keep them all, as it keeps any version that still does.
    """
    foreign = others(root)
    locks = [path for pattern in _LOCKS for path in root.glob(pattern) if path.parent.name not in foreign]
    pins = [read_lock(path.read_text(encoding="utf-8")).pins for path in locks]
    return sorted({package for each in pins for package, versions in each.items() if len(versions) > 1})


def npm_drift(
    manifest: Mapping[str, Mapping[str, str]], lock: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> Iterator[str]:
    """The same of package-lock.json: the versions in package.json are exact."""
    asked = manifest.get("devDependencies", {})
    packages = lock.get("packages", {})
    if packages.get("", {}).get("devDependencies", {}) != asked:
        yield "package-lock.json: was written for other devDependencies than package.json has"
    for name, version in asked.items():
        pinned = packages.get(f"node_modules/{name}", {}).get("version")
        if pinned != version:
            yield f"package-lock.json: pins {name} {pinned}, but {version} is required"


_REHEARSED = ("stand-ins",)
"""Extras that are only in the developers' lock."""


def check(root: Path) -> None:
    """Compare all locks of the project with their manifests.

    Raises:
        LockDriftError: A lock has drifted, or is split.
    """
    tested = _lock(root, "requirements-dev.txt")
    lines: list[str] = []
    for name, asked in _all_asked(root).items():
        lock = _lock(root, name)
        lines += splits(name, lock)
        found = drift(name, lock, asked, tested=None if name == "requirements-uv.txt" else tested)
        lines += dict.fromkeys(f"{line}: {REMEDY}" for line in found)
    npm = npm_drift(
        json.loads((root / "package.json").read_text(encoding="utf-8")),
        json.loads((root / "package-lock.json").read_text(encoding="utf-8")),
    )
    lines += (f"{line}: {REMEDY}" for line in npm)
    if lines:
        raise LockDriftError("\n".join(lines))


def _all_asked(root: Path) -> dict[str, list[Requirement]]:
    """Lock to what the manifests ask of it."""
    project = _manifest(root / "pyproject.toml")
    extras = project["project"].get("optional-dependencies", {})
    # Steps that hold credentials install what is delivered by, and nothing that only a rehearsal needs.
    infra = [
        *map(
            Requirement, chain(project["project"]["dependencies"], *(extras[e] for e in extras if e not in _REHEARSED))
        )
    ]
    rehearsed = [*map(Requirement, chain.from_iterable(extras.get(extra, ()) for extra in _REHEARSED))]
    kit = _asked(root / "services" / "kit")
    services = {
        path.parent.name: _asked(path.parent)
        for path in sorted((root / "services").glob("*/pyproject.toml"))
        if path.parent.name in on_kit(root)
    }
    groups = project["dependency-groups"]
    deployed = [*map(Requirement, groups["deployed"])]
    developers = [
        *(Requirement(each) for each in groups["dev"] if isinstance(each, str)),
        *deployed,
        *chain.from_iterable(services.values()),
    ]
    return {
        "requirements-dev.txt": [*infra, *rehearsed, *kit, *developers],
        "requirements.txt": infra,
        "requirements-tests.txt": [*infra, *kit, *chain.from_iterable(services.values()), *deployed],
        **{f"services/{service}/requirements.txt": [*kit, *asked] for service, asked in services.items()},
        **{str(path.relative_to(root)): kit for path in root.glob("nova_infra/**/service_template/requirements.txt")},
        "requirements-uv.txt": [*map(Requirement, (root / "requirements-uv.in").read_text(encoding="utf-8").split())],
    }


def _lock(root: Path, name: str) -> Lock:
    try:
        return read_lock((root / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LockDriftError(f"{name}: does not exist: {REMEDY}") from None


def _manifest(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _asked(package: Path) -> list[Requirement]:
    return [*map(Requirement, _manifest(package / "pyproject.toml")["project"]["dependencies"])]


def main(arguments: list[str]) -> int:
    """Check the locks, or with ``--unsplit`` print the resolver's options that make one version of several."""
    root = Path(__file__).parents[1]
    if arguments == ["--unsplit"]:
        print(*(f"--upgrade-package {package}" for package in split_packages(root)))
        return 0
    try:
        check(root)
    except LockDriftError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
