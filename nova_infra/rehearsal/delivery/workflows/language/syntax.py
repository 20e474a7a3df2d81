"""Reads a workflow's file: what GitHub would refuse as a whole is an error with its line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any

from nova_infra.documents.yamls import MOST_VALUES, compose, is_boundless, safe_loader, values
from nova_infra.errors import RefusedError
from nova_infra.rehearsal.delivery.workflows.language.places import misplaced, never_equal

_TOP = {"name", "description", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"}
_CALLS = {"name", "uses", "with", "secrets", "needs", "if", "permissions", "concurrency", "strategy"}
_RUNS = (_CALLS - {"uses", "with", "secrets"}) | {
    *("runs-on", "environment", "outputs", "env", "defaults", "steps", "timeout-minutes", "continue-on-error"),
    *("container", "services", "cancel-timeout-minutes", "snapshot"),
}
_ANY_STEP = {"id", "if", "name", "env", "continue-on-error", "timeout-minutes", "background"}
_STEPS = {
    **{"run": _ANY_STEP | {"run", "working-directory", "shell"}, "uses": _ANY_STEP | {"uses", "with"}},
    **{key: {key, "id", "name", "continue-on-error"} for key in ("wait", "wait-all", "cancel", "parallel")},
}
"""The keys of https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax."""

_EVENTS = {
    *("branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment", "deployment_status"),
    *("discussion", "discussion_comment", "fork", "gollum", "image_version", "issue_comment", "issues", "label"),
    *("merge_group", "milestone", "page_build", "project", "project_card", "project_column", "public", "push"),
    *("pull_request", "pull_request_comment", "pull_request_review", "pull_request_review_comment", "status"),
    *("pull_request_target", "registry_package", "release", "repository_dispatch", "schedule", "watch"),
    *("workflow_call", "workflow_dispatch", "workflow_run"),
}
_LEVELS = re.compile("(read|write|none)$")
_SCOPES = {
    **dict.fromkeys(("actions", "artifact-metadata", "attestations", "checks", "contents", "deployments"), _LEVELS),
    **dict.fromkeys(("discussions", "issues", "packages", "pages", "pull-requests", "repository-projects"), _LEVELS),
    **dict.fromkeys(("security-events", "statuses"), _LEVELS),
    **dict.fromkeys(("id-token", "copilot-requests"), re.compile("(write|none)$")),
    **dict.fromkeys(("models", "vulnerability-alerts"), re.compile("(read|none)$")),
}
_NAME = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII)
"""What a workflow may come to with its aliases written out; GitHub refuses far smaller ones."""

_Scalar = str | int | float | date
_EXPRESSION = re.compile(r"\s*\$\{\{.*")
_TRUTH = (bool, re.compile(r"\s*(\$\{\{|(true|false)\s*$)"))
_NUMBER = (int, float, re.compile(r"\s*(\$\{\{|[\d.]+\s*$)"))
_VALUES = {"*": _Scalar}
_FILTERS = dict.fromkeys(("branches", "branches-ignore", "paths", "paths-ignore"), (_Scalar, [_Scalar]))
_IMAGE = (
    _Scalar,
    {
        **dict.fromkeys(("image", "options", "entrypoint", "command"), _Scalar),
        **{"credentials": (_EXPRESSION, {"username": _Scalar, "password": _Scalar}), "env": (_EXPRESSION, _VALUES)},
        **dict.fromkeys(("ports", "volumes"), (_EXPRESSION, [_Scalar])),
    },
)
_SAID = {"description": _Scalar, "required": _TRUTH, "deprecationMessage": _Scalar}
_ASKED = {**_SAID, "default": object, "type": re.compile("(string|boolean|number)$")}
_CHOSEN = {**_ASKED, "options": [_Scalar], "type": re.compile("(string|boolean|number|choice|environment)$")}


def _types(names: str) -> dict[str, Any]:
    """The activity types of an event: https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows."""
    known = re.compile(f"(?:{'|'.join(names.split())})$")
    return {"types": (known, [known])}


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


_SHAPES: dict[str, Any] = {
    "on": (
        str,
        [str],
        {
            "push": {**_FILTERS, **dict.fromkeys(("tags", "tags-ignore"), (_Scalar, [_Scalar]))},
            **{"pull_request": _PULL, "pull_request_target": _PULL},
            "schedule": [{"cron": _is_cron, "timezone": str}],
            "workflow_dispatch": {"inputs": {"*": _CHOSEN}},
            "workflow_call": {
                **{"inputs": {"*": _ASKED}, "outputs": {"*": {"value": _Scalar, "description": _Scalar}}},
                "secrets": {"*": _SAID},
            },
            **dict.fromkeys(("issue_comment", "label", "discussion_comment"), _types(_CHANGES)),
            **{"release": _types(f"published unpublished prereleased released {_CHANGES}"), "watch": _types("started")},
            "workflow_run": {
                **{key: _FILTERS[key] for key in ("branches", "branches-ignore")},
                **{"workflows": (_Scalar, [_Scalar]), **_types("completed requested in_progress")},
            },
            "*": object,
        },
    ),
    "needs": (str, [str]),
    "strategy": (
        _EXPRESSION,
        {
            **{"fail-fast": _TRUTH, "max-parallel": _NUMBER},
            "matrix": (_EXPRESSION, {"include": (_EXPRESSION, [dict]), "*": (_EXPRESSION, [object])}),
        },
    ),
    "concurrency": (_Scalar, {"group": _Scalar, "cancel-in-progress": _TRUTH, "queue": re.compile("(single|max)$")}),
    "environment": (_Scalar, {"name": _Scalar, "url": _Scalar, "deployment": _TRUTH}),
    "permissions": (re.compile("(read|write)-all$"), _SCOPES),
    "secrets": (re.compile("inherit$"), _VALUES),
    "defaults": {"run": (_EXPRESSION, dict.fromkeys(("shell", "working-directory"), _Scalar))},
    "uses": re.compile(r"[.$]/|\.\\|docker://\S|[^@/\s]+/[^@\s]+@([^@\s]+$|\$\{\{)"),
    **{"container": _IMAGE, "services": (_EXPRESSION, {"*": _IMAGE})},
    "parallel": [dict],
    **{"env": (_EXPRESSION, _VALUES), "with": (_EXPRESSION, _VALUES), "outputs": _VALUES},
    **dict.fromkeys(("id", "if", "name", "run-name", "run", "shell", "working-directory"), _Scalar),
    **dict.fromkeys(("timeout-minutes", "cancel-timeout-minutes"), _NUMBER),
    **dict.fromkeys(("continue-on-error", "background"), _TRUTH),
}
"""What each key holds: a kind, a list of one, a mapping (``*`` for all other keys), or one of several."""

_NEEDED = {"concurrency": "group", "environment": "name"}


class WorkflowError(RefusedError):
    """A workflow cannot be read. The message names the file, the line, the fault and the remedy."""


class WorkflowText:
    """A workflow's text, which knows where its parts stand.

    Attributes:
        path: Its file, for messages.
    """

    def __init__(self, path: Path, text: str) -> None:
        """Read it.

        Raises:
            WorkflowError: It is not YAML, or not a workflow.
        """
        import yaml

        self.path, self._text = path, text
        try:
            loader = _loader()
            root = compose(text, loader)
            if is_boundless(root):
                raise WorkflowError(
                    f"{path}:1: has more than {MOST_VALUES} values once its aliases are written out: use fewer"
                )
            for line, key in _repeated(root):
                fault = "<< merges" if key == "<<" else f"{key} is given twice"
                raise WorkflowError(f"{path}:{line}: {fault}, which GitHub refuses: leave one out")
            self.content: dict[Any, Any] = values(root, loader)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
            problem = str(error) if isinstance(error, RecursionError) else problem
            raise WorkflowError(f"{path}:{line}: cannot be read ({problem}): correct it") from None
        if not isinstance(self.content, dict) or not isinstance(self.content.get("jobs"), dict):
            raise WorkflowError(f"{path}:1: has no jobs, so it is not a workflow: write jobs:")
        self._check()
        for line, fault in sorted(misplaced(root)):
            raise WorkflowError(f"{path}:{line}: {fault}: correct or simplify it")
        self.never_equal = list(never_equal(root))

    def error(self, job: object, fault: str, remedy: str) -> WorkflowError:
        """An error at a job's line, or at the beginning if there is no such job."""
        match = re.search(rf"^\s+[\"']?{re.escape(str(job))}[\"']?\s*:", self._text, re.MULTILINE)
        line = self._text.count("\n", 0, match.end()) + 1 if match else 1
        return WorkflowError(f"{self.path}:{line}: {fault}: {remedy}")

    def _check(self) -> None:
        self._check_keys("", self.content, _TOP, "a workflow", "")
        on = self.content.get("on") or {}
        for event in on if isinstance(on, list | dict) else [on]:
            if event not in _EVENTS:
                raise self.error(event, f"on: {event} is no event that GitHub knows", "correct it")
            given = on[event] if isinstance(on, dict) else None
            inputs = (given or {}).get("inputs") or {} if event == "workflow_call" else {}
            if untyped := [key for key, each in inputs.items() if "type" not in (each or {})]:
                fault = f"on: workflow_call: its input {untyped[0]} has no type, which GitHub refuses"
                raise self.error(event, fault, "write type: string, boolean or number")
            if event == "workflow_run" and not (given or {}).get("workflows"):
                raise self.error(
                    event, "on: workflow_run needs workflows, or GitHub refuses it", "write workflows: [NAME]"
                )
            for key in (filters := given if isinstance(given, dict) else {}):
                if f"{key}-ignore" in filters:
                    fault = f"on: {event} has {key} and {key}-ignore, which GitHub refuses"
                    raise self.error(f"{key}-ignore", fault, "write one of them, with ! for what is left out")
        for name, job in self.content["jobs"].items():
            self._check_job(name, job)

    def _check_keys(self, job: str, found: Mapping[Any, Any], known: set[str], kind: str, said: str) -> None:
        where = f"{said}: " if said else ""
        if unknown := next((str(key) for key in found if key not in known), ""):
            raise self.error(
                job or unknown, f"{where}{unknown} is no key of {kind}, so GitHub refuses it", "correct it"
            )
        if odd := _odd(found):
            line = job or odd.removeprefix("on.").partition(".")[0]
            raise self.error(line, f"{where}{odd} holds what GitHub does not take there", "correct it")

    def _check_job(self, name: Any, job: Any) -> None:
        calls = isinstance(job, dict) and job.get("uses") is not None
        steps = [] if calls else job.get("steps") if isinstance(job, dict) else None
        if not isinstance(name, str) or not isinstance(job, dict) or not _fits(steps or None, [dict]) or steps is None:
            raise self.error(name, f"job {name} has no list of steps", "write steps:")
        if not _NAME.match(name):
            raise self.error(name, f"job {name}: GitHub takes letters, digits, - and _ in its name", "rename it")
        self._check_keys(name, job, _CALLS if calls else _RUNS, "a job", f"job {name}")
        if not calls and job.get("runs-on") is None:
            raise self.error(name, f"job {name} has no runs-on, so GitHub refuses it", "write runs-on:")
        if calls and isinstance(job.get("with"), str):  # A step may have all of them from an expression.
            raise self.error(name, f"job {name}: with holds what GitHub does not take there", "correct it")
        ids: set[str] = set()
        for number, step in enumerate(every_step(steps), start=1):
            said = f"step {number} of job {name}"
            kinds = [key for key in _STEPS if key in step and (step[key] is not None or key == "wait-all")]
            self._check_keys(name, step, {key for keys in _STEPS.values() for key in keys}, "a step", said)
            if len(kinds) != 1:
                raise self.error(name, f"{said}: it needs one of run and uses", "write one of them")
            self._check_keys(name, step, _STEPS[kinds[0]], f"a step with {kinds[0]}", said)
            known = str(step.get("id", "")).lower()
            if known in ids or (known and not _NAME.match(known)):
                raise self.error(
                    name, f"{said}: its id {step['id']} is {'given twice' if known in ids else 'no name'}", "rename it"
                )
            ids |= {known} - {""}


def every_step(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps of a job, each group of parallel ones followed by its members."""
    return [each for step in steps for each in (step, *(step.get("parallel") or ()))]


def _odd(found: Mapping[Any, Any]) -> str:
    """The first key whose value has another shape than GitHub takes, with the key below it; empty for none."""
    for key, value in found.items():
        shape = _SHAPES.get(key, object)
        if isinstance(value, dict) and (needed := _NEEDED.get(key)) and value.get(needed) is None:
            return f"{key} without {needed}"
        if not _fits(value, shape):
            shapes = shape if isinstance(shape, tuple) else (shape,)
            inner = next((each for each in shapes if isinstance(each, dict)), None) if isinstance(value, dict) else None
            below = [str(k) for k, v in value.items() if not _fits({k: v}, inner)] if inner is not None else []
            return ".".join([str(key), *below[:1]])
    return ""


def _fits(value: Any, shape: Any) -> bool:
    if value is None:
        return True
    if isinstance(shape, tuple):
        return any(_fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(each is not None and _fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            (key in shape or "*" in shape) and _fits(each, shape.get(key, shape.get("*")))
            for key, each in value.items()
        )
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.match(value) is not None
    return isinstance(value, shape) if isinstance(shape, type | UnionType) else bool(shape(value))


@cache
def _loader() -> Any:
    """YAML 1.2, which GitHub reads: ``on`` and ``yes`` are texts there, and 10:30 is no number."""
    loader: Any = type("_Loader", (safe_loader(),), {})
    other = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:timestamp")
    known = loader.yaml_implicit_resolvers.items()
    loader.yaml_implicit_resolvers = {at: [each for each in found if each[0] not in other] for at, found in known}
    loader.add_implicit_resolver(other[0], re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
    number = re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)\Z")
    loader.add_implicit_resolver(other[1], number, list("-+0123456789"))
    return loader


def _repeated(node: Any) -> Iterator[tuple[int, str]]:
    """Keys that stand in one mapping twice, each with its line."""
    waiting, seen = [node], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if each.id == "mapping":
            keys: set[str] = set()
            for key, value in each.value:
                if key.id == "scalar" and (key.value in keys or (key.value == "<<" and key.style not in ("'", '"'))):
                    yield key.start_mark.line + 1, key.value
                keys.add(str(key.value))
                waiting.append(value)
        elif each.id == "sequence":
            waiting += each.value
