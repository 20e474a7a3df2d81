"""Whether a push starts a workflow: ``on``, branches, ``paths``, ``paths-ignore`` (GitHub's workflow syntax)."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.images.build_context import context_paths
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError, WorkflowText

_FOR_PEOPLE = re.compile(r"(?:^|/)(?:README|CHANGELOG|LICENSE)[^/]*$", re.IGNORECASE)
_OF_GITHUB = {"CodeQL", "Copilot", "Dependabot Updates", "Dependency Graph", "pages-build-deployment"}
"""Names of the workflows that GitHub runs without a file: a repository's settings switch them on."""


class PatternError(ValueError):
    """A pattern that GitHub refuses."""


def why_not_started(content: Mapping[Any, Any], branch: str) -> str:
    """Why a push to a branch does not start a workflow; empty if it does."""
    push = _push(content)
    if push is None:
        return f"a push to {branch} does not start this workflow"
    names = {"branches", "branches-ignore", "tags", "tags-ignore"} & push.keys()
    by_tags_alone = bool(names) and not names & {"branches", "branches-ignore"}
    if by_tags_alone or not passes(branch, push.get("branches"), push.get("branches-ignore")):
        return f"a push to {branch} does not start this workflow"
    return ""


def never_started(content: Mapping[Any, Any], root: Path) -> Iterator[str]:
    """What starts nothing although it should, a clause each: a change of an image, or a workflow of the project.

    Args:
        root: The checkout.
    """
    push = _push(content) or {}
    for file in _in_images(root) if push else ():
        if not passes(file, push.get("paths"), push.get("paths-ignore")):
            yield f"a push that changes only {file} does not start this workflow, by its paths"
            break
    yield from _waiting_in_vain(root / ".github" / "workflows")


def _in_images(root: Path) -> list[str]:
    """The files that images are built from, but for texts that are there for people."""
    services = [each.parent.name for each in sorted(root.glob("services/*/Dockerfile"))]
    files = context_paths(root / "services", services) if services else []
    return [f"services/{each}" for each in files if not _FOR_PEOPLE.search(each)]


def _waiting_in_vain(directory: Path) -> Iterator[str]:
    """Workflows that wait for one by a name that none has (GitHub: workflow_run); none if one is unreadable."""
    try:
        files = {each.name: WorkflowText(each, read_text(each)).content for each in sorted(directory.glob("*.y*ml"))}
    except (FileNotFoundError, UnreadableFileError, WorkflowError):
        return
    named = {str(content.get("name") or f".github/workflows/{file}") for file, content in files.items()}
    for file, content in files.items():
        on = content.get("on")
        waits = on.get("workflow_run") if isinstance(on, Mapping) else None
        for name in _listed(waits.get("workflows") or ()) if isinstance(waits, Mapping) else ():
            if name not in named | _OF_GITHUB:
                yield f"{file} starts after the workflow {name!r}, and none has that name, so it never starts"


def passes(name: str, wanted: object, ignored: object) -> bool:
    """Whether a name passes two filters: the last pattern that it matches decides, and ``!`` excludes."""
    if wanted is not None:
        found = False
        for pattern in _listed(wanted):
            if _matches(name, pattern.removeprefix("!")):
                found = not pattern.startswith("!")
        return found
    return not any(_matches(name, pattern) for pattern in _listed(ignored or ()))


def _push(content: Mapping[Any, Any]) -> Mapping[str, Any] | None:
    on = content.get("on")
    if not isinstance(on, Mapping):
        return {} if "push" in _listed(on or ()) else None
    return (on["push"] or {}) if "push" in on else None


def _listed(value: object) -> Sequence[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value] if isinstance(value, Iterable) else []


def _matches(name: str, pattern: str) -> bool:
    parts = re.split(r"(\*\*/?|\*|\[[^\]]*\])", pattern)
    glob = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*"}
    said = (glob.get(part) or (_one_of(part) if part.startswith("[") else _with_counts(part)) for part in parts)
    try:
        return re.fullmatch("".join(said), name) is not None
    except re.error as error:
        raise PatternError(f"{pattern!r} is not a pattern that GitHub takes ({error})") from None


def _one_of(text: str) -> str:
    """Characters and ranges in brackets; nothing else means anything there."""
    return "[" + re.sub(r"([^\w-])", r"\\\1", text[1:-1]) + "]" if text.endswith("]") else re.escape(text)


def _with_counts(text: str) -> str:
    """Literal text in which ``?`` and ``+`` count the character before them."""
    return re.escape(text).replace(r"\?", "?").replace(r"\+", "+")
