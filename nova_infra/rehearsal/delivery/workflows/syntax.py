"""Reads a workflow's file: what GitHub would refuse as a whole is an error with its line."""

import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from nova_infra.errors import RefusedError
from nova_infra.yamls import MOST_VALUES, is_boundless

_TOP = {"name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"}
_CALLS = {"name", "uses", "with", "secrets", "needs", "if", "permissions", "concurrency", "strategy"}
_RUNS = (_CALLS - {"uses", "with", "secrets"}) | {
    *("runs-on", "environment", "outputs", "env", "defaults", "steps", "timeout-minutes", "continue-on-error"),
    *("container", "services", "cancel-timeout-minutes", "snapshot"),
}
_STEP = {
    *("id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error"),
    "timeout-minutes",
}
"""The keys of https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax."""

_Scalar = str | int | float | date
_EXPRESSION = re.compile(r"\s*\$\{\{.*")
_VALUES = {"*": _Scalar}
_LISTS = {"*": (_Scalar, [_Scalar])}
_SHAPES: dict[str, Any] = {
    "on": (str, [str], {"push": _LISTS, "workflow_call": {"inputs": {"*": dict}, "outputs": {"*": _VALUES}}}),
    "needs": (str, [str]),
    "strategy": (
        _EXPRESSION,
        {"matrix": (_EXPRESSION, {"include": (_EXPRESSION, [dict]), "*": (_EXPRESSION, [object])})},
    ),
    "concurrency": (_Scalar, _VALUES),
    "environment": (_Scalar, {"name": _Scalar}),
    "permissions": (str, dict),
    "secrets": (str, dict),
    "defaults": {"run": _VALUES},
    "uses": str,
    **dict.fromkeys(("env", "with", "outputs"), _VALUES),
    **dict.fromkeys(("id", "if", "name", "run-name", "run", "shell", "working-directory"), _Scalar),
    **dict.fromkeys(("timeout-minutes", "continue-on-error"), _Scalar),
}
"""What each key holds: a kind, a list of one, a mapping (``*`` for all other keys), or one of several."""


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
            root = yaml.compose(text, loader)
            if is_boundless(root):
                fault = f"its aliases stand for more than {MOST_VALUES} values, or for themselves"
                raise WorkflowError(f"{path}:1: {fault}: write fewer")
            for line, key in _repeated(root):
                raise WorkflowError(f"{path}:{line}: {key} is given twice, which GitHub refuses: leave one out")
            self.content: dict[Any, Any] = yaml.load(text, loader)  # noqa: S506 it is a safe one
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
            raise WorkflowError(f"{path}:{line}: cannot be read ({problem}): correct it") from None
        if not isinstance(self.content, dict) or not isinstance(self.content.get("jobs"), dict):
            raise WorkflowError(f"{path}:1: has no jobs, so it is not a workflow: write jobs:")
        self._check()

    def error(self, job: object, fault: str, remedy: str) -> WorkflowError:
        """An error at a job's line, or at the beginning if there is no such job."""
        match = re.search(rf"^\s+[\"']?{re.escape(str(job))}[\"']?\s*:", self._text, re.MULTILINE)
        line = self._text.count("\n", 0, match.end()) + 1 if match else 1
        return WorkflowError(f"{self.path}:{line}: {fault}: {remedy}")

    def _check(self) -> None:
        if unknown := _strangers(self.content, _TOP):
            raise self.error(unknown, f"{unknown} is no key of a workflow, so GitHub refuses it", "correct it")
        if odd := _odd(self.content):
            raise self.error(odd, f"{odd} holds what GitHub does not take there", "correct it")
        for name, job in self.content["jobs"].items():
            calls = isinstance(job, dict) and job.get("uses") is not None
            known = _CALLS if calls else _RUNS
            steps: Any = [] if calls else job.get("steps") if isinstance(job, dict) else None
            if (
                not isinstance(name, str)
                or not isinstance(job, dict)
                or not isinstance(steps, list)
                or not all(isinstance(s, dict) for s in steps)
            ):
                raise self.error(name, f"job {name} has no list of steps", "write steps:")
            if unknown := _strangers(job, known):
                raise self.error(name, f"job {name}: {unknown} is no key of a job, so GitHub refuses it", "correct it")
            if odd := _odd(job):
                raise self.error(name, f"job {name}: {odd} holds what GitHub does not take there", "correct it")
            if not calls and "runs-on" not in job:
                raise self.error(name, f"job {name} has no runs-on, so GitHub refuses it", "write runs-on:")
            for number, step in enumerate(steps, start=1):
                said = f"step {number} of job {name}"
                if unknown := _strangers(step, _STEP):
                    raise self.error(name, f"{said}: {unknown} is no key of a step, so GitHub refuses it", "correct it")
                if odd := _odd(step):
                    raise self.error(name, f"{said}: {odd} holds what GitHub does not take there", "correct it")
                if (step.get("run") is None) is (step.get("uses") is None):
                    raise self.error(name, f"{said}: it needs one of run and uses", "write one of them")


def _strangers(found: dict[Any, Any], known: set[Any]) -> str:
    return next((str(key) for key in found if key not in known), "")


def _odd(found: dict[Any, Any]) -> str:
    """The first key whose value has another shape than GitHub takes; empty for none."""
    return next((str(key) for key, value in found.items() if not _fits(value, _SHAPES.get(key, object))), "")


def _fits(value: Any, shape: Any) -> bool:
    if value is None:
        return True
    if isinstance(shape, tuple):
        return any(_fits(value, each) for each in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(each is not None and _fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        rest = shape.get("*", object)
        return isinstance(value, dict) and all(_fits(each, shape.get(key, rest)) for key, each in value.items())
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and shape.match(value) is not None
    return isinstance(value, shape)


@cache
def _loader() -> Any:
    """YAML 1.2, which GitHub reads: ``on`` and ``yes`` are texts there, and 10:30 is no number."""
    import yaml

    loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
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
                if key.id == "scalar" and key.value in keys:
                    yield key.start_mark.line + 1, key.value
                keys.add(str(key.value))
                waiting.append(value)
        elif each.id == "sequence":
            waiting += each.value
