"""Adds a service from a template, renames (``nova service rename``) or removes one: all of its files or none."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path, PurePosixPath

from nova_infra.config import CONFIG_FILE, Config, load_config
from nova_infra.documents.text import listed
from nova_infra.errors import NovaError
from nova_infra.machine import git
from nova_infra.scaffold.changes import Changes, uninterrupted
from nova_infra.scaffold.editing import locks, owners
from nova_infra.scaffold.editing.configuration import with_entry, with_renamed_entry, without_entry
from nova_infra.scaffold.editing.names import module_name, require_name
from nova_infra.scaffold.editing.renaming import Renaming, renaming_of, service_tree, text_of

LOCKS = ("requirements-dev.txt", "requirements-tests.txt")
"""Those that say what they hold for which service."""
DEFAULT_SUMMARY = "Counts the characters, words and lines of a text."

_MAX_SUMMARY = 100

# Where each file of the template goes, relative to the service's directory.
_FILES = {
    "Dockerfile.template": "Dockerfile",
    "pyproject.toml.template": "pyproject.toml",
    "requirements.txt": "requirements.txt",
    "src/__init__.py.template": "src/@module@/__init__.py",
    "src/main.py.template": "src/@module@/main.py",
    "tests/test_main.py.template": "tests/test_@module@.py",
}


# Path in the template to path in the service, of templates that are not built on the kit.
_OTHERS = {
    "node": {name: name for name in ("Dockerfile", "package.json", "server.js", "server.test.js")},
    "go": {name: name for name in ("Dockerfile", "go.mod", "main.go", "main_test.go")},
    "dockerfile": {
        "Dockerfile": "Dockerfile",
        "pages/health": "pages/health",
        "pages/index.html": "pages/@name@/index.html",
    },
}
TEMPLATES = ("python", *_OTHERS)
"""What a new service may begin as: on the kit, or with nothing but an image."""


def add_service(root: Path, name: str, summary: str, template: str = "python") -> list[str]:
    """Add a service to a project.

    Args:
        template: One of ``TEMPLATES``. Default: a service built on the kit.

    Returns:
        What was written, as paths relative to ``root``.

    Raises:
        NovaError: The name or the summary cannot be used, or a file cannot be written. Nothing has changed then.
    """
    load_config(root)
    kit = template == "python"
    require_name(root, name, package=kit)
    require_summary(summary)
    made = service_files(name, summary) if kit else other_files(template, name, summary)
    files = {f"services/{name}/{path}": text for path, text in made.items()}
    files[CONFIG_FILE] = with_entry(_read(root, CONFIG_FILE), name, "kit = true" if kit else "")
    if kit:
        files |= _locks(root, lambda text: locks.with_service(text, name))
    Changes(root, written=files).apply()
    return sorted(files)


def remove_service(root: Path, name: str, *, force: bool = False) -> list[str]:
    """Remove a service from a project: its directory, and what ``nova.toml``, the locks and CODEOWNERS say of it.

    Args:
        force: Whether work that git does not have may be lost.

    Returns:
        What was changed, as paths relative to ``root``.

    Raises:
        NovaError: There is no such service, it is the last one, something refers to it, or git does not have all of its
            files. Nothing has changed then.
    """
    config = load_config(root)
    config.service(name)
    if len(config.services) == 1:
        raise NovaError(f"service: {name!r} is the last one, but a platform needs one: add another one first")
    _require_unshared(config, name)
    if not force:
        _require_committed(root, name)
    files = {CONFIG_FILE: without_entry(_read(root, CONFIG_FILE), name)}
    files |= _locks(root, lambda text: locks.without_service(text, name))
    files |= _if_there(root, owners.CODEOWNERS, lambda text: owners.without_service(text, name))
    Changes(root, written=files, removed={f"services/{name}"}).apply()
    return sorted([*files, f"services/{name}"])


def rename_service(root: Path, old: str, new: str) -> list[str]:
    """Give a service another name: its directory, package, routes and entry, the locks and CODEOWNERS.

    Raises:
        NovaError: There is no such service, or the new name cannot be used. Nothing has changed then.
    """
    kit = load_config(root).service(old).kit
    directory = root / "services" / old
    require_name(root, new, package=kit or (directory / "src" / module_name(old)).is_dir())
    renaming = renaming_of(directory, old, new, kit=kit)
    files = {CONFIG_FILE: with_renamed_entry(_read(root, CONFIG_FILE), old, new)}
    files |= _locks(root, lambda text: locks.with_renamed_service(text, old, new))
    files |= _if_there(root, owners.CODEOWNERS, lambda text: owners.with_renamed_service(text, old, new))
    copied: dict[str, Path] = {}
    for path in service_tree(directory):
        target = f"services/{new}/{renaming.of_path(path.relative_to(directory).as_posix())}"
        copied[target] = path
        if (text := text_of(path)) is not None:
            files |= {target: renamed} if (renamed := renaming.of_text(text)) != text else {}
    with uninterrupted():
        Changes(root, written=files, copied=copied, removed={f"services/{old}"}).apply()
        if kit:
            _tidy(root / "services" / new)
    return sorted({*files, *copied})


def mentions(root: Path, name: str) -> Iterator[str]:
    """Where else a project still names a service, as ``path:line``: what only a person can change."""
    renaming = Renaming(name, name)
    places = [root / CONFIG_FILE, root / "accepted-vulnerabilities.toml", root / "README.md"]
    for directory in (root / "services", root / "tests" / "deployed"):
        places += service_tree(directory)
    for path in places:
        if path.is_file() and (text := text_of(path)) is not None:
            yield from (f"{path.relative_to(root)}:{line}" for line in renaming.lines(text))


def service_files(name: str, summary: str) -> dict[str, str]:
    """What a new service consists of: each file's content by its path in the service's directory."""
    template = resources.files("nova_infra.scaffold") / "service_template"
    return {
        _filled(path, name, summary): _filled((template / source).read_text(encoding="utf-8"), name, summary)
        for source, path in _FILES.items()
    } | {_filled("src/@module@/py.typed", name, summary): ""}


def other_files(template: str, name: str, summary: str) -> dict[str, str]:
    """What a new service that is not built on the kit consists of, as :func:`service_files` gives it."""
    directory = resources.files("nova_infra.scaffold") / "other_templates" / template
    return {
        _filled(path, name, summary): _filled((directory / f"{source}.template").read_text("utf-8"), name, summary)
        for source, path in _OTHERS[template].items()
    }


def require_summary(summary: str) -> None:
    """Make sure that a summary can stand in a Dockerfile, a manifest and a docstring."""
    if not re.fullmatch(r"[A-Z][A-Za-z0-9 ,;:()'/+-]+\.", summary) or len(summary) > _MAX_SUMMARY:
        raise NovaError(
            f"--summary {summary!r} is not one plain sentence: start with a capital, use up to {_MAX_SUMMARY} letters, "
            "digits and simple punctuation, and end with a full stop"
        )


def _filled(text: str, name: str, summary: str) -> str:
    values = {"@name@": name, "@module@": module_name(name), "@summary@": summary}
    return re.sub("|".join(values), lambda match: values[match.group()], text)


def _read(root: Path, path: str) -> str:
    return (root / path).read_bytes().decode("utf-8-sig")


def _if_there(root: Path, path: str, change: Callable[[str], str]) -> dict[str, str]:
    """The file's new content by its path, where there is such a file and the change makes a difference."""
    if not (root / path).exists():
        return {}
    before = _read(root, path)
    after = change(before)
    return {} if after == before else {path: after}


def _locks(root: Path, change: Callable[[str], str]) -> dict[str, str]:
    """The locks' new content, as :func:`_if_there` gives it."""
    return {path: text for lock in LOCKS for path, text in _if_there(root, lock, change).items()}


def _tidy(directory: Path) -> None:
    """Sort imports and wrap lines as ``make lint`` wants them: another name has another place and another length."""
    for command in (["check", "--fix-only", "--select", "I"], ["format"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", str(directory)],
            cwd=directory,
            check=False,
        )


def _require_unshared(config: Config, name: str) -> None:
    """Make sure that nothing else is built from a service's directory."""
    directory = f"services/{name}"
    services = (
        (f"services: {each.name!r}", (each.context, each.dockerfile)) for each in config.services if each.name != name
    )
    dependencies = ((f"rehearsal.dependencies: {each.name!r}", (each.build,)) for each in config.rehearsal.dependencies)
    for user, paths in (*services, *dependencies):
        if any(path is not None and PurePosixPath(path).is_relative_to(directory) for path in paths):
            raise NovaError(f"{user} is built from {directory}: remove that first, or move what it needs")


def _require_committed(root: Path, name: str) -> None:
    """Make sure that git could bring a service's directory back."""
    directory = f"services/{name}"
    answer = git.run(root, "status", "--porcelain", "-z", "--untracked-files=all", "--", directory)
    if answer.code:
        why = git.why_silent(root) or f"git status: {answer.fault}"
        raise NovaError(f"{directory}: git could not restore it: copy it, then use --force: {why}")
    changed = [
        line[3:].removeprefix(f"{directory}/") for line in answer.out.decode(errors="replace").split("\0") if line
    ]
    if changed:
        raise NovaError(
            f"{directory}: has uncommitted work ({listed(changed, 1)}): commit it, or discard it with --force"
        )
