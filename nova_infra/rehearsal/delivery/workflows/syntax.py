"""Reads a workflow's file: what GitHub would refuse as a whole is an error with its line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nova_infra.errors import RefusedError

_TOP = {"name", "run-name", "on", True, "permissions", "env", "defaults", "concurrency", "jobs"}
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
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            root = yaml.compose(text, loader)
            for line, key in _repeated(root):
                raise WorkflowError(f"{path}:{line}: {key} is given twice, which GitHub refuses: leave one out")
            self.content: dict[Any, Any] = yaml.load(text, loader)  # noqa: S506 either loader is a safe one
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
        for name, job in self.content["jobs"].items():
            calls = isinstance(job, dict) and "uses" in job
            known = _CALLS if calls else _RUNS
            steps: Any = [] if calls else job.get("steps") if isinstance(job, dict) else None
            if not isinstance(job, dict) or not isinstance(steps, list) or not all(isinstance(s, dict) for s in steps):
                raise self.error(name, f"job {name} has no list of steps", "write steps:")
            if unknown := _strangers(job, known):
                raise self.error(name, f"job {name}: {unknown} is no key of a job, so GitHub refuses it", "correct it")
            if not calls and "runs-on" not in job:
                raise self.error(name, f"job {name} has no runs-on, so GitHub refuses it", "write runs-on:")
            for number, step in enumerate(steps, start=1):
                said = f"step {number} of job {name}"
                if unknown := _strangers(step, _STEP):
                    raise self.error(name, f"{said}: {unknown} is no key of a step, so GitHub refuses it", "correct it")
                if ("run" in step) is ("uses" in step):
                    raise self.error(name, f"{said}: it needs one of run and uses", "write one of them")


def _strangers(found: dict[Any, Any], known: set[Any]) -> str:
    return next((str(key) for key in found if key not in known), "")


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
