"""Reads a workflow's file: what GitHub would refuse as a whole is an error with its line."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from nova_infra.documents.yamls import MOST_VALUES, compose, is_boundless, safe_loader, values
from nova_infra.errors import RefusedError
from nova_infra.rehearsal.delivery.workflows.language.contexts import misplaced, never_equal
from nova_infra.rehearsal.delivery.workflows.language.shapes import SHAPES, odd

_MAY_BE_EMPTY = ("env", "concurrency")
"""In a workflow, not in a job."""

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
_NAME = re.compile(r"(?!__)[A-Za-z_][\w-]{0,98}\Z", re.ASCII)
_WORKFLOW = re.compile(r"(?:[.$]/|[^@/\s]+/[^@/\s]+/)\.github/workflows/[^@/]+\.ya?ml(?:@|$)")
_OF_A_STEP = re.compile(r"[^@/\s]+/[^@/\s]+/\.github/workflows/")


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
        if not isinstance(self.content, dict) or not isinstance(self.content.get("jobs") or None, dict):
            raise WorkflowError(f"{path}:1: has no jobs, so it is not a workflow: write jobs:")
        if self.content.get("on") is None:
            raise WorkflowError(f"{path}:1: says nothing of what starts it, so GitHub refuses it: write on:")
        self._check()
        for line, fault in sorted(misplaced(root)):
            raise WorkflowError(f"{path}:{line}: {fault}: correct or simplify it")
        self.never_equal = list(never_equal(root))

    def error(self, job: object, fault: str, remedy: str) -> WorkflowError:
        """An error at a job's line, or at the beginning if there is no such job."""
        places = (rf"^{before}[\"']?{re.escape(str(job))}[\"']?\s*:" for before in (r"[ \t]+", ""))
        match = next(filter(None, (re.search(each, self._text, re.MULTILINE) for each in places)), None)
        line = self._text.count("\n", 0, match.end()) + 1 if match else 1
        return WorkflowError(f"{self.path}:{line}: {fault}: {remedy}")

    def _check(self) -> None:
        said = {key: value for key, value in self.content.items() if value is not None or key not in _MAY_BE_EMPTY}
        self._check_keys("", said, _TOP, "a workflow", "")
        on = self.content["on"]
        for event in on if isinstance(on, list | dict) else [on]:
            if event not in _EVENTS:
                raise self.error(event, f"on: {event} is no event that GitHub knows", "correct it")
            given = on[event] if isinstance(on, dict) else None
            self._check_event(event, given if isinstance(given, dict) else {})
        for name, job in self.content["jobs"].items():
            self._check_job(name, job)

    def _check_event(self, event: str, given: Mapping[str, Any]) -> None:
        if "inputs" in given and event not in ("workflow_call", "workflow_dispatch"):
            raise self.error(event, f"on: {event} has no inputs, so GitHub refuses it", "take them out")
        for key, each in (given.get("inputs") or {}).items() if event in ("workflow_call", "workflow_dispatch") else ():
            if event == "workflow_call" and "type" not in each:
                fault = f"on: workflow_call: its input {key} has no type, which GitHub refuses"
                raise self.error(event, fault, "write type: string, boolean or number")
            if (each.get("type") == "choice") != bool(each.get("options")):
                fault = f"on: {event}: its input {key} needs both type: choice and options, or GitHub refuses it"
                raise self.error(key, fault, "write both or none")
        if event == "workflow_run" and not given.get("workflows"):
            fault = "on: workflow_run needs workflows, or GitHub refuses it"
            raise self.error(event, fault, "write workflows: [NAME]")
        for key in given:
            if f"{key}-ignore" in given:
                fault = f"on: {event} has {key} and {key}-ignore, which GitHub refuses"
                raise self.error(f"{key}-ignore", fault, "write one of them, with ! for what is left out")

    def _check_keys(self, job: str, found: Mapping[Any, Any], known: set[str], kind: str, said: str) -> None:
        where = f"{said}: " if said else ""
        if unknown := next((str(key) for key in found if key not in known), ""):
            raise self.error(
                job or unknown, f"{where}{unknown} is no key of {kind}, so GitHub refuses it", "correct it"
            )
        for place in filter(None, (odd(value, SHAPES.get(key, object), str(key)) for key, value in found.items())):
            line = job or place.removeprefix("on.").partition(".")[0]
            fault = ", so GitHub refuses it" if " without " in place else " holds what GitHub does not take there"
            raise self.error(line, f"{where}{place}{fault}", "correct it")

    def _check_job(self, name: Any, job: Any) -> None:
        calls = isinstance(job, dict) and job.get("uses") is not None
        steps = job.get("steps") if isinstance(job, dict) and not calls else []
        if not isinstance(name, str) or odd(steps, [dict], "steps") or not (calls or steps):
            raise self.error(name, f"job {name} has no list of steps", "write steps:")
        if not _NAME.match(name):
            raise self.error(name, f"job {name}: GitHub takes letters, digits, - and _ in its name", "rename it")
        self._check_keys(name, job, _CALLS if calls else _RUNS, "a job", f"job {name}")
        if not calls and job.get("runs-on") is None:
            raise self.error(name, f"job {name} has no runs-on, so GitHub refuses it", "write runs-on:")
        if calls and not _WORKFLOW.match(str(job["uses"])):
            fault = f"job {name} uses {job['uses']}, which is no workflow in .github/workflows, so GitHub refuses it"
            raise self.error(name, fault, "use an action in a step instead")
        if calls and isinstance(job.get("with"), str):  # A step may have all of them from an expression.
            raise self.error(name, f"job {name}: with holds what GitHub does not take there", "correct it")
        ids: set[str] = set()
        for number, step in enumerate(every_step(steps or ()), start=1):
            said = f"step {number} of job {name}"
            kinds = [key for key in _STEPS if key in step and (step[key] is not None or key in ("run", "wait-all"))]
            self._check_keys(name, step, {key for keys in _STEPS.values() for key in keys}, "a step", said)
            if len(kinds) != 1:
                raise self.error(name, f"{said}: it needs one of run and uses", "write one of them")
            self._check_keys(name, step, _STEPS[kinds[0]], f"a step with {kinds[0]}", said)
            if _OF_A_STEP.match(str(step.get("uses"))):
                raise self.error(
                    name, f"{said}: it uses a workflow, which only a whole job may", "move it to uses: of a job"
                )
            known = str(step.get("id", "")).lower()
            if known in ids or (known and not _NAME.match(known)):
                raise self.error(
                    name, f"{said}: its id {step['id']} is {'given twice' if known in ids else 'no name'}", "rename it"
                )
            ids |= {known} - {""}


def every_step(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps of a job, each group of parallel ones followed by its members."""
    return [each for step in steps for each in (step, *(step.get("parallel") or ()))]


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
