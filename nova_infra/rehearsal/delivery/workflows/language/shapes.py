"""The shape of each key's value in a workflow, as GitHub's workflow syntax demands."""

import re
from collections.abc import Mapping
from datetime import date
from types import UnionType
from typing import Any

_LEVELS = re.compile("(read|write|none)$")
_SCOPES = {
    **dict.fromkeys(("actions", "artifact-metadata", "attestations", "checks", "contents", "deployments"), _LEVELS),
    **dict.fromkeys(("discussions", "issues", "packages", "pages", "pull-requests", "repository-projects"), _LEVELS),
    **dict.fromkeys(("security-events", "statuses"), _LEVELS),
    **dict.fromkeys(("id-token", "copilot-requests"), re.compile("(write|none)$")),
    **dict.fromkeys(("models", "vulnerability-alerts"), re.compile("(read|none)$")),
}

_Scalar = str | int | float | date
_TEXT = (_Scalar, None)
"""What may be left empty; GitHub refuses everything else that is ("Unexpected value ''")."""

_EXPRESSION = re.compile(r"\s*\$\{\{.*")
_TRUTH = (bool, _EXPRESSION)
_NUMBER = (int, float, _EXPRESSION)
_VALUES = {"*": _TEXT}
_FILTERS = dict.fromkeys(("branches", "branches-ignore", "paths", "paths-ignore"), (_Scalar, [_Scalar]))
_IMAGE = (
    _Scalar,
    {
        **{"image!": _Scalar, **dict.fromkeys(("options", "entrypoint", "command"), _TEXT)},
        **{"credentials": (_EXPRESSION, {"username": _Scalar, "password": _Scalar}), "env": (_EXPRESSION, _VALUES)},
        **dict.fromkeys(("ports", "volumes"), (_EXPRESSION, [_Scalar])),
    },
)
_SAID = {"description": _TEXT, "required": _TRUTH, "deprecationMessage": _TEXT}
_ASKED = {**_SAID, "default": object, "type": re.compile("(string|boolean|number)$")}
_CHOSEN = {**_ASKED, "options": [_TEXT], "type": re.compile("(string|boolean|number|choice|environment)$")}


def _types(names: str) -> dict[str, Any]:
    """The activity types of an event: https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows."""
    known = re.compile(f"(?:{'|'.join(names.split())})$")
    return {"types": (known, [known])}


def _or_nothing(events: Mapping[str, Any]) -> dict[str, Any]:
    """Events that may stand alone, as in ``push:``."""
    return {event: (None, shape) for event, shape in events.items()}


_CHANGES = "created edited deleted"
_PULL = _FILTERS | _types(
    "assigned unassigned labeled unlabeled opened edited closed reopened synchronize converted_to_draft locked unlocked"
    " enqueued dequeued milestoned demilestoned ready_for_review review_requested review_request_removed"
    " auto_merge_enabled auto_merge_disabled"
)


_CRON: tuple[tuple[int, int, str], ...] = (
    *((0, 59, ""), (0, 23, ""), (1, 31, "")),
    (1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    (0, 7, "sun mon tue wed thu fri sat"),
)
"""Least and greatest number, and the names, of each field of cron."""


def _is_cron(text: Any) -> bool:
    """Whether it is cron as https://pubs.opengroup.org/onlinepubs/9799919799/utilities/crontab.html with steps."""
    fields = text.lower().split() if isinstance(text, str) else []
    each_part = ((part, known) for field, known in zip(fields, _CRON, strict=False) for part in field.split(","))
    return len(fields) == len(_CRON) and all(_is_part(part, *known) for part, known in each_part)


def _is_part(part: str, least: int, most: int, names: str) -> bool:
    span, slash, step = part.partition("/")
    if slash and (not re.fullmatch("[0-9]{1,2}", step) or not 1 <= int(step) <= most):
        return False
    known = {name: str(number) for number, name in enumerate(names.split(), start=least)}
    ends = [known.get(end, end) for end in span.split("-")]
    if span == "*" or len(ends) > 2 or not all(re.fullmatch("[0-9]{1,2}", end) for end in ends):
        return span == "*"
    return least <= int(ends[0]) <= int(ends[-1]) <= most


SHAPES: dict[str, Any] = {
    "on": (
        str,
        [str],
        {
            "schedule": [{"cron!": _is_cron, "timezone": str}],
            **_or_nothing(
                {
                    "push": {**_FILTERS, **dict.fromkeys(("tags", "tags-ignore"), (_Scalar, [_Scalar]))},
                    **{"pull_request": _PULL, "pull_request_target": _PULL},
                    "workflow_dispatch": {"inputs": {"*": _CHOSEN}},
                    "workflow_call": {
                        **{"inputs": {"*": _ASKED}, "outputs": {"*": {"value!": _TEXT, "description": _TEXT}}},
                        "secrets": {"*": (None, _SAID)},
                    },
                    **dict.fromkeys(("issue_comment", "label", "discussion_comment"), _types(_CHANGES)),
                    "release": _types(f"published unpublished prereleased released {_CHANGES}"),
                    "watch": _types("started"),
                    "workflow_run": {
                        **{key: _FILTERS[key] for key in ("branches", "branches-ignore")},
                        **{"workflows": (_Scalar, [_Scalar]), **_types("completed requested in_progress")},
                    },
                    "*": dict.fromkeys(("types", "branches", "branches-ignore"), (_Scalar, [_Scalar])),
                }
            ),
        },
    ),
    "needs": (str, [str]),
    "runs-on": (_Scalar, [_Scalar], {"group": _Scalar, "labels": (_Scalar, [_Scalar])}),
    "strategy": (
        _EXPRESSION,
        {
            **{"fail-fast": _TRUTH, "max-parallel": _NUMBER},
            "matrix": (_EXPRESSION, {"include": (_EXPRESSION, [(_EXPRESSION, dict)]), "*": (_EXPRESSION, [object])}),
        },
    ),
    "concurrency": (_Scalar, {"group!": _Scalar, "cancel-in-progress": _TRUTH, "queue": re.compile("(single|max)$")}),
    "environment": (_Scalar, None, {"name!": _Scalar, "url": _TEXT, "deployment": _TRUTH}),
    "permissions": (re.compile("(read|write)-all$"), _SCOPES),
    "secrets": (re.compile("inherit$"), _VALUES),
    "defaults": {"run": (_EXPRESSION, dict.fromkeys(("shell", "working-directory"), _Scalar))},
    "uses": re.compile(r"[.$]/|\.\\|docker://\S|[^@/\s]+/[^@\s]+@([^@\s]+$|\$\{\{)"),
    **{"container": (None, *_IMAGE), "services": (_EXPRESSION, {"*": _IMAGE})},
    "parallel": [dict],
    **{"env": (_EXPRESSION, _VALUES), "with": (_EXPRESSION, _VALUES), "outputs": _VALUES},
    **{**dict.fromkeys(("if", "name", "run-name", "run", "working-directory"), _TEXT), "id": _Scalar, "shell": _Scalar},
    **dict.fromkeys(("timeout-minutes", "cancel-timeout-minutes"), _NUMBER),
    **dict.fromkeys(("continue-on-error", "background"), _TRUTH),
}
"""What each key holds: a kind, a list of one, one of several, or a mapping, where ``*`` is for all other keys and ``!``
behind one that it needs."""


def odd(value: Any, shape: Any, path: str) -> str:
    """Where a value first has another shape than GitHub takes; empty for nowhere."""
    if isinstance(shape, tuple):
        found = [odd(value, each, path) for each in shape]
        return "" if "" in found else max(found, key=len)
    if isinstance(shape, list) and isinstance(value, list):
        return next(filter(None, (odd(each, shape[0], path) for each in value)), "")
    if isinstance(shape, dict) and isinstance(value, dict):
        known = {key.removesuffix("!"): each for key, each in shape.items()}
        missing = [f"{path} without {key[:-1]}" for key in shape if key.endswith("!") and key[:-1] not in value]
        strange = [f"{path}.{key}" for key in value if key not in known and "*" not in known]
        below = (odd(each, known.get(key, known.get("*")), f"{path}.{key}") for key, each in value.items())
        return next(filter(None, (*missing, *strange, *below)), "")
    if isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.match(value) is not None
    elif isinstance(shape, type | UnionType):
        fits = isinstance(value, shape)
    else:
        fits = value is None if shape is None else callable(shape) and shape(value)
    return "" if fits else path
