"""Whether a push starts a workflow.

See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


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


def unstarted(content: Mapping[Any, Any], files: Iterable[str]) -> list[str]:
    """Files whose change alone does not start a workflow, by the paths that it names."""
    push = _push(content) or {}
    return [file for file in files if not passes(file, push.get("paths"), push.get("paths-ignore"))]


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
