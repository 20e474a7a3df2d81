"""A run that a push starts: which jobs and steps it runs, and what their expressions are worth in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.rehearsal.delivery.workflows.expressions import (
    UNKNOWN,
    ExpressionError,
    as_text,
    bare,
    evaluate,
    fill,
    holds,
)
from nova_infra.rehearsal.delivery.workflows.job import DEPLOYS, JobStep, WorkflowJob, in_matrix
from nova_infra.rehearsal.delivery.workflows.risks import tolerated
from nova_infra.rehearsal.delivery.workflows.syntax import WorkflowText

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)
_SAYS_OUTPUT = re.compile(r"echo\s+[\"']?([\w-]+)=(.*?)[\"']?\s*>>\s*[\"']?\$\{?GITHUB_OUTPUT")
_OF_A_CONDITION = ("github", "needs", "vars", "inputs")
"""What the condition of a job may name: https://docs.github.com/en/actions/reference/workflows-and-actions/contexts."""

_ONLY_GITHUB_KNOWS = (
    *("action", "action_path", "action_ref", "action_repository", "action_status", "actor", "actor_id", "api_url"),
    *("env", "event", "event_path", "graphql_url", "job", "path", "ref_protected", "repository", "repository_id"),
    *("repository_owner", "repository_owner_id", "repositoryUrl", "retention_days", "secret_source", "server_url"),
    *("token", "triggering_actor", "workflow_ref", "workflow_sha", "workspace"),
)


class _Open(dict[str, str]):
    """Outputs of a step of which only GitHub knows all: one that is not written is not empty, as expressions assume."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, UNKNOWN if default == "" else default)


class PushedRun:
    """What is known of a run before it is played.

    Attributes:
        skipped: Jobs that do not run, with the reason.
    """

    def __init__(self, source: WorkflowText, branch: str, engine: str) -> None:
        """Begin it.

        Args:
            engine: What ``nova github outputs`` says of the engine.
        """
        self._source, self.branch, self._engine = source, branch, engine
        self.skipped: dict[str, str] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._bases: dict[str, str] = {}

    def enter(self, job: WorkflowJob) -> None:
        """Decide whether a job runs, and what it hands on. Those that it needs come first."""
        self._bases[job.name] = job.base
        if why := self._why_skipped(job):
            self.skipped[job.name] = why
        contexts = {**self._contexts(job), "steps": self._step_outputs(job)}
        outputs = job.content.get("outputs") or {}
        self._outputs[job.name] = {key: self._value(job, str(value), contexts) for key, value in outputs.items()}

    def runs(self, job: WorkflowJob, results: Mapping[str, str]) -> bool:
        """Whether a job runs, given results of jobs before it other than success."""
        try:
            condition = str(job.content.get("if", ""))
            contexts = self._contexts(job, results)
            known = {name: contexts[name] for name in _OF_A_CONDITION}
            return holds(condition, known, failed=bool(results) or any(name in self.skipped for name in job.needs))
        except ExpressionError as error:
            raise self._source.error(job.base, f"job {job.name}: if: {error}", "correct or simplify it") from None

    def steps_of(self, job: WorkflowJob) -> Iterator[JobStep]:
        """The steps that run if none fails."""
        outputs = self._step_outputs(job)
        for number, step in enumerate(job.steps, start=1):
            known = self._contexts(job)
            variables = {key: self._text(job, value, known) for key, value in job.variables(step).items()}
            contexts = {**known, "env": variables, "steps": outputs}
            contexts |= {"job": {"status": "success"}, "runner": _Open(), "strategy": _Open()}
            try:
                if not holds(str(step.get("if", "")), {k: v for k, v in contexts.items() if k != "secrets"}):
                    continue
            except ExpressionError as error:
                said = f"step {number} of job {job.name}: if: {error}"
                raise self._source.error(job.base, said, "correct or simplify it") from None
            defaults = {**((self._source.content.get("defaults") or {}).get("run") or {})}
            defaults |= (job.content.get("defaults") or {}).get("run") or {}
            directory = str(step.get("working-directory", defaults.get("working-directory", "")))
            script, more = self._script(job, job.script(step), contexts)
            yield JobStep(
                name=str(step.get("name") or step.get("id") or step.get("uses") or number),
                uses=str(step.get("uses", "")),
                script=script,
                commands=job.commands(step),
                variables={**variables, **more},
                inputs={k: self._text(job, str(v), contexts) for k, v in (step.get("with") or {}).items()},
                directory=self._text(job, directory, contexts) if script else "",
                minutes=str(step.get("timeout-minutes", "")),
                tolerated=tolerated(step),
            )

    def environment_of(self, job: WorkflowJob) -> str:
        """The GitHub environment that a job runs in; empty for none."""
        return self._text(job, job.environment_name, self._contexts(job))

    def uploads_before(self, job: WorkflowJob, jobs: Sequence[WorkflowJob]) -> set[str]:
        """Names of the artifacts that jobs before it upload."""
        earlier = [each for each in jobs if each.name in job.ancestors and each.name not in self.skipped]
        steps = [step for each in (*earlier, job) for step in self.steps_of(each)]
        return {step.inputs.get("name", "artifact") for step in steps if "actions/upload-artifact@" in step.uses}

    def group(self, concurrency: object, push: int) -> str | None:
        """The name of a concurrency group for the push with a number; None for none."""
        written = concurrency.get("group") if isinstance(concurrency, Mapping) else concurrency
        return None if written is None else fill(str(written), self._known(push))

    def cancels(self, concurrency: object) -> bool:
        """Whether a newer push cancels what is in a concurrency group."""
        said = concurrency.get("cancel-in-progress", False) if isinstance(concurrency, Mapping) else False
        return holds(str(said).lower() if isinstance(said, bool) else str(said), self._known(1))

    def evaluated(self, job: WorkflowJob, expression: str) -> Any:
        """What an expression of a job is worth, before its steps run.

        Raises:
            ExpressionError: GitHub cannot evaluate it.
        """
        return evaluate(bare(expression), self._contexts(job))

    def _known(self, push: int) -> dict[str, Any]:
        github = {
            **dict.fromkeys(_ONLY_GITHUB_KNOWS, UNKNOWN),
            **{"event_name": "push", "ref": f"refs/heads/{self.branch}", "ref_name": self.branch, "ref_type": "branch"},
            **{"workflow": str(self._source.content.get("name") or self._source.path), "head_ref": "", "base_ref": ""},
            **{"sha": f"{push:040x}", "run_id": str(push), "run_number": str(push), "run_attempt": "1"},
        }
        return {"github": github, "vars": {}, "inputs": {}, "needs": {}, "matrix": {}, "secrets": {}, "env": {}}

    def _contexts(self, job: WorkflowJob, results: Mapping[str, str] | None = None) -> dict[str, Any]:
        usual = {name: "skipped" if name in self.skipped else "success" for name in job.needs}
        needs = {
            self._bases[name]: {"result": result, "outputs": self._outputs[name]}
            for name, result in {**usual, **(results or {})}.items()
            if name in usual and self._bases[name]
        }
        begins = job.called_by
        inputs = (
            {}
            if begins is None
            else {k: self._value(begins, str(v), self._contexts(begins)) for k, v in job.inputs.items()}
        )
        environment = {str(key): in_matrix(str(each), job.matrix) for key, each in job.variables({}).items()}
        known = {**self._known(1), "needs": needs, "matrix": job.matrix, "inputs": inputs, "env": environment}
        return {**known, "jobs": needs} if job.ends else known

    def _step_outputs(self, job: WorkflowJob) -> dict[str, Any]:
        found = {}
        for step in job.steps:
            if "id" in step:
                script, outputs = job.commands(step), _Open() if "uses" in step else dict[str, str]()
                for name, value in _SAYS_OUTPUT.findall(script):
                    outputs[name] = UNKNOWN if "$" in value or "`" in value else value
                if "nova github outputs" in script:
                    outputs |= {"engine": self._engine, "assembly": UNKNOWN if "--built" in script else ""}
                elif "nova registry --compare" in script:
                    outputs["changed"] = "false"
                elif (deploys := DEPLOYS.search(script)) and "--outputs" in script:
                    outputs["url"] = f"#{{{deploys[1]}.Url}}"
                elif "GITHUB_OUTPUT" in script and not outputs:
                    outputs = _Open()
                found[str(step["id"])] = {"outputs": outputs}
        return found

    def _why_skipped(self, job: WorkflowJob) -> str:
        if job.ends:
            return self.skipped.get(job.ends, "")
        skipped = [other for other in job.needs if other in self.skipped]
        if self.runs(job, {}):
            return ""
        condition = str(job.content.get("if", ""))
        because = f"{skipped[0]}, which it needs, is skipped: {self.skipped[skipped[0]]}" if skipped else ""
        return because or f"its condition {condition!r} is false for a push to {self.branch}"

    def _script(self, job: WorkflowJob, script: str, contexts: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """A script as GitHub hands it to the shell, and variables for what is known only while it is played."""
        later: dict[str, str] = {}

        def filled(found: re.Match[str]) -> str:
            value = self._text(job, found.group(), contexts)
            if "#{" not in value:
                return value
            later[f"GITHUB_VALUE_{len(later)}"] = value
            return f"${{GITHUB_VALUE_{len(later) - 1}}}"

        return _EXPRESSION.sub(filled, script), later

    def _value(self, job: WorkflowJob, text: str, contexts: Mapping[str, Any]) -> Any:
        try:
            inner = bare(text)
            return evaluate(inner, contexts) if inner is not text else fill(text, contexts)
        except ExpressionError as error:
            raise self._source.error(job.base, f"job {job.name}: {error}", "correct or simplify it") from None

    def _text(self, job: WorkflowJob, text: str, contexts: Mapping[str, Any]) -> str:
        value = self._value(job, text, contexts)
        return value if isinstance(value, str) else as_text(value)
