"""A run that a push starts: jobs and steps by ``needs`` and ``if``, and what ``failure()`` counts."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nova_infra.documents.text import listed
from nova_infra.rehearsal.delivery.workflows.job import (
    VARIABLE,
    JobStep,
    WorkflowJob,
    deployed,
    in_checkout,
    in_matrix,
    known_parts,
)
from nova_infra.rehearsal.delivery.workflows.language.expressions import (
    EMBEDDED,
    ExpressionError,
    bare,
    embedded,
    evaluate,
    fill,
    weighed,
)
from nova_infra.rehearsal.delivery.workflows.language.outputs import exported, in_lines, masked, outputs
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowText
from nova_infra.rehearsal.delivery.workflows.language.values import UNKNOWN, Open, as_text, is_unknown
from nova_infra.rehearsal.delivery.workflows.sources import anything_may_be_done

_SECRET = re.compile(r"\$\{\{[^}=]*\bsecrets\s*[.\[][^}=]*\}\}", re.IGNORECASE)
_WORST_FIRST = ("failure", "cancelled", "skipped", "success")
_OF_A_CONDITION = ("github", "needs", "vars", "inputs")
"""What the condition of a job may name: https://docs.github.com/en/actions/reference/workflows-and-actions/contexts."""

_ONLY_GITHUB_KNOWS = (
    *("action", "action_path", "action_ref", "action_repository", "action_status", "actor", "actor_id", "api_url"),
    *("env", "event_path", "graphql_url", "job", "path", "ref_protected", "repository", "repository_id"),
    *("repository_owner", "repository_owner_id", "repositoryUrl", "retention_days", "secret_source", "server_url"),
    *("token", "triggering_actor", "workflow_ref", "workflow_sha", "workspace"),
)


class PushedRun:
    """What is known of a run before it is played.

    Attributes:
        skipped: Jobs that do not run, with the reason.
        assumed: Jobs that run by a condition that only GitHub knows, with the condition.
        withheld: Job to the outputs that it does not hand on, a sentence each.
    """

    def __init__(self, source: WorkflowText, branch: str, engine: str, services: Sequence[str] = ()) -> None:
        """Begin it.

        Args:
            engine: What ``nova github outputs`` says of the engine.
            services: What ``nova services`` lists; nothing where that is not known.
        """
        self._source, self.branch, self._engine, self._event = source, branch, engine, "push"
        self._of_branch = True
        self._services = json.dumps([{"name": each} for each in services]) if services else UNKNOWN
        self.skipped: dict[str, str] = {}
        self.assumed: dict[str, str] = {}
        self.withheld: dict[str, list[str]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._entered: dict[str, WorkflowJob] = {}
        self._known_steps: dict[str, tuple[list[JobStep], dict[str, Any], set[str]]] = {}
        self._given: dict[str, dict[str, Any]] = {}

    def of(self, source: WorkflowText) -> "PushedRun":
        """The run that the same push, or else something of which little is known, starts of another workflow."""
        other = PushedRun(source, self.branch, self._engine)
        other._services = self._services
        on = source.content.get("on") or ()
        events = [on] if isinstance(on, str) else list(on)
        other._event = "push" if "push" in events else events[0] if len(events) == 1 else UNKNOWN
        push = on.get("push") if isinstance(on, Mapping) else None
        of_tags = isinstance(push, Mapping) and "tags" in push and "branches" not in push
        other._of_branch = other._event == "push" and not of_tags
        return other

    @property
    def pushed(self) -> set[str]:
        """What names the commit that was pushed."""
        return {self.branch, f"refs/heads/{self.branch}", f"{1:040x}"}

    def enter(self, job: WorkflowJob) -> None:
        """Decide whether a job runs, and what it hands on. Those that it needs come first."""
        self._entered[job.name] = job
        if why := self._why_skipped(job):
            self.skipped[job.name] = why
        elif self._weighed(job, {}) is None:
            self.assumed[job.name] = as_text(job.content.get("if"))
        wanted = {} if why else {key: as_text(value) for key, value in (job.content.get("outputs") or {}).items()}
        _, steps, hidden = self._played(job) if wanted else ([], {}, set[str]())
        contexts = {**self._open(job), "steps": steps, "runner": self._runner(job)} if wanted else {}
        found = {key: self._text(job, text, contexts) for key, text in wanted.items()}
        # The runner hands no output on that holds a secret, or what a step masks.
        is_hidden = {key for key, text in wanted.items() if hidden & {each.strip() for each in embedded(text)}}
        texts = [self._text(job, f"${{{{ {each} }}}}", contexts) for each in sorted(hidden - {"account"})]
        masks = [each for each in texts if each and not is_unknown(each)]
        is_hidden |= {key for key, value in found.items() if any(each in value for each in masks)}
        open_keys = [key for key, value in found.items() if is_unknown(value) or "#{" in value] if masks else []
        found |= {key: "" for key, text in wanted.items() if key in is_hidden or _SECRET.search(text)}
        unless = (
            f"only GitHub knows whether {job.name} hands on {{}}: not if it holds {listed(masks, 3)}, which is masked"
        )
        self.withheld[job.name] = [
            *(f"{job.name} hands on no {key}: a step of it masks that" for key in sorted(is_hidden)),
            *(unless.format(key) for key in open_keys if key not in is_hidden),
        ]
        self._outputs[job.name] = Open() if "uses" in job.content else found

    def runs(self, job: WorkflowJob, results: Mapping[str, str]) -> bool:
        """Whether a job runs, given results of jobs before it other than success."""
        return self._weighed(job, results) is not False

    def _weighed(self, job: WorkflowJob, results: Mapping[str, str]) -> bool | None:
        """Whether a job runs; None if only GitHub knows. A failure or a skip concerns all that come after it."""
        if job.called_by is not None and job.called_by.name in self.skipped:
            return False
        beside = [name for name in job.ancestors if self._entered[name].called_by is job.called_by]
        before = {**{name: "skipped" for name in beside if name in self.skipped}, **results}.values()
        try:
            contexts = self._contexts(job, results)
            known = {name: contexts[name] for name in _OF_A_CONDITION}
            condition = as_text(job.content.get("if"))
            return weighed(condition, known, failed="failure" in before, skipped="skipped" in before)
        except ExpressionError as error:
            raise self._source.error(job.base, f"job {job.name}: if: {error}", "correct or simplify it") from None

    def steps_of(self, job: WorkflowJob) -> list[JobStep]:
        """The steps that run if none fails."""
        return self._played(job)[0]

    def _played(self, job: WorkflowJob) -> tuple[list[JobStep], dict[str, Any], set[str]]:
        """The steps of a job that run if none fails, what its context ``steps`` then holds, and what they mask."""
        if job.name not in self._known_steps:
            self._known_steps[job.name] = self._steps_and_outputs(job)
        return self._known_steps[job.name]

    def _steps_and_outputs(self, job: WorkflowJob) -> tuple[list[JobStep], dict[str, Any], set[str]]:
        known = self._contexts(job) | {"job": Open({"status": "success"}), "runner": self._runner(job)}
        outcomes: dict[str, Any] = {}
        known |= {"steps": outcomes, "env": {k: self._text(job, v, known) for k, v in job.variables({}).items()}}
        found, hidden, sets_variables = [], set[str](), False
        for number, step in enumerate(job.steps, start=1):
            own = step.get("env") if isinstance(step.get("env"), Mapping) else {}
            variables = known["env"] | {str(k): self._text(job, as_text(v), known) for k, v in (own or {}).items()}
            contexts = {**known, "env": Open(variables) if sets_variables or job.sets_more(step) else variables}
            sets_variables = sets_variables or "GITHUB_ENV" in str(step.get("run")) or step.get("uses") is not None
            try:
                condition = {name: value for name, value in contexts.items() if name != "secrets"}
                runs = weighed(as_text(step.get("if")), condition)
            except ExpressionError as error:
                said = f"step {number} of job {job.name}: if: {error}"
                raise self._source.error(job.base, said, "correct or simplify it") from None
            if runs is not False:
                found.append(self._step(job, step, number, contexts, certain=bool(runs)))
                known["env"] = exported(found[-1].commands, known["env"], certain=bool(runs))
            hidden |= masked(step, job.variables(step), account="account" in hidden) if runs else set()
            if "id" in step:
                result = "skipped" if runs is False else "success" if runs else UNKNOWN
                said_by = {} if runs is False else self._said_by(found[-1]) if runs else Open()
                outcomes[str(step["id"])] = {"outputs": said_by, "outcome": result, "conclusion": result}
        return found, outcomes, hidden

    def _step(
        self, job: WorkflowJob, step: Mapping[str, Any], number: int, contexts: Mapping[str, Any], *, certain: bool
    ) -> JobStep:
        variables = contexts["env"]
        directory = as_text(step.get("working-directory", job.defaults.get("working-directory")))
        script, more = self._script(job, job.script(step), contexts)
        commands = known_parts(job.commands(step), lambda text: self._text(job, text, contexts))
        known = {key: value for key, value in variables.items() if not is_unknown(value)}
        given = step.get("with") or {}
        given = given.items() if isinstance(given, Mapping) else ()
        inputs = {str(k): self._text(job, as_text(v), contexts) for k, v in given}
        inputs = Open(inputs) if isinstance(step.get("with"), str) else inputs
        windows = "" if contexts["runner"].get("os") != "Windows" else "pwsh"
        return JobStep(
            name=str(step.get("name") or step.get("id") or step.get("uses") or number),
            uses=in_checkout(as_text(step.get("uses"))),
            comes_along=as_text(step.get("uses")).startswith("$/"),
            script=script,
            commands=VARIABLE.sub(lambda found: known.get(found[1] or found[2], found.group()), commands),
            variables={**variables, **more},
            inputs=inputs,
            directory=self._text(job, directory, contexts) if script else "",
            minutes=self.minutes(job, step),
            tolerated=self.tolerates(job, step, contexts),
            certain=certain and step.get("background") is not True,
            shell=as_text(step.get("shell", job.defaults.get("shell"))) or windows,
        )

    def tolerates(
        self, job: WorkflowJob, content: Mapping[str, Any], contexts: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether what follows a job, or a step of it, surely goes on if it fails."""
        known = contexts or self._open(job)
        return self._text(job, as_text(content.get("continue-on-error")), known) == "true"

    def _open(self, job: WorkflowJob) -> dict[str, Any]:
        """The contexts of a job's steps, as far as they are known before it runs."""
        return {**self._contexts(job), **dict.fromkeys(("steps", "runner", "job"), Open())}

    def labels(self, job: WorkflowJob) -> list[str]:
        """The labels that a job asks its runner for."""
        asked = job.content.get("runs-on")
        asked = asked.get("labels") if isinstance(asked, Mapping) else asked
        contexts = self._contexts(job)
        return [self._text(job, as_text(each), contexts) for each in (asked if isinstance(asked, list) else [asked])]

    def minutes(self, job: WorkflowJob, content: Mapping[str, Any]) -> str:
        """What GitHub gives a job or a step; empty for no limit of its own, or one that is not known."""
        limit = self._text(job, as_text(content.get("timeout-minutes")), self._open(job))
        return "" if is_unknown(limit) else limit

    def _runner(self, job: WorkflowJob) -> Open:
        """What is known of the machine that a job runs on, by the label that it asks for."""
        labels = self.labels(job)
        systems = {"windows": "Windows", "macos": "macOS", "ubuntu": "Linux", "linux": "Linux"}
        found = [system for name, system in systems.items() if name in str(labels).lower() and not is_unknown(labels)]
        return Open({"os": found[0]} if found else {})

    def environment_of(self, job: WorkflowJob) -> str:
        """The GitHub environment that a job runs in; empty for none."""
        return self._text(job, job.environment_name, self._contexts(job))

    def uploads_before(self, job: WorkflowJob, jobs: Sequence[WorkflowJob]) -> set[str] | None:
        """Names of the artifacts that jobs before it upload; None if some are not known."""
        earlier = [each for each in jobs if each.name in job.ancestors and each.name not in self.skipped]
        steps = [step for each in (*earlier, job) for step in self.steps_of(each)]
        uploads = [step.inputs.get("name", "artifact") for step in steps if "actions/upload-artifact@" in step.uses]
        remote = any("uses" in each.content and each.base for each in earlier)
        return None if remote or anything_may_be_done(steps) or is_unknown(uploads) else set(uploads)

    def group(self, job: WorkflowJob, concurrency: object, push: int) -> str | None:
        """The name of a concurrency group for the push with a number; None for none."""
        written = concurrency.get("group") if isinstance(concurrency, Mapping) else concurrency
        contexts = {**self._contexts(job), **self._github(push)}
        return None if written is None else self._text(job, as_text(written), contexts).lower()

    def cancels(self, job: WorkflowJob, concurrency: object) -> bool:
        """Whether a newer push surely cancels what is in a concurrency group."""
        said = concurrency.get("cancel-in-progress") if isinstance(concurrency, Mapping) else False
        return self._text(job, as_text(said), self._contexts(job)) == "true"

    def evaluated(self, job: WorkflowJob, expression: str) -> Any:
        """What an expression of a job is worth, before its steps run.

        Raises:
            ExpressionError: GitHub cannot evaluate it.
        """
        return evaluate(bare(expression), self._contexts(job))

    def _github(self, push: int) -> dict[str, Any]:
        sha = f"{push:040x}"
        event = {
            **dict.fromkeys(("before", "compare", "forced", "pusher", "sender", "base_ref"), UNKNOWN),
            **{"ref": f"refs/heads/{self.branch}", "after": sha, "created": False, "deleted": False},
            **{"head_commit": Open({"id": sha}), "commits": UNKNOWN, "repository": Open(), "organization": Open()},
        }
        github = {
            **dict.fromkeys(_ONLY_GITHUB_KNOWS, UNKNOWN),
            **{"event_name": "push", "ref": f"refs/heads/{self.branch}", "ref_name": self.branch, "ref_type": "branch"},
            **{"workflow": str(self._source.content.get("name") or self._source.path), "head_ref": "", "base_ref": ""},
            **{"event": event, "sha": sha, "run_id": str(push), "run_number": str(push), "run_attempt": "1"},
        }
        if not self._of_branch:
            said = ("event", "ref", "ref_name", "ref_type", "head_ref", "base_ref", "sha")
            github |= {**dict.fromkeys(said, UNKNOWN), "event_name": self._event}
        return {"github": github, "vars": Open(), "secrets": Open()}

    def _contexts(self, job: WorkflowJob, results: Mapping[str, str] | None = None) -> dict[str, Any]:
        needs: dict[str, Any] = {}
        for name in job.needs:
            result = (results or {}).get(name, "skipped" if name in self.skipped else "success")
            said = self._outputs[name]
            if base := self._entered[name].base:
                # The combinations of a matrix have one result, the worst, and share their outputs.
                other = needs.get(base, {"result": result, "outputs": {}})
                shared = {k: v for k, v in other["outputs"].items() if v}
                clash = {k: UNKNOWN for k, v in said.items() if v and shared.get(k, v) != v}
                said = said if not shared else {**said, **shared, **clash}
                needs[base] = {"result": min(result, other["result"], key=_WORST_FIRST.index), "outputs": said}
        if job.name not in self._given:
            self._given[job.name] = self._own_contexts(job)
        known = {**self._given[job.name], "needs": needs}
        return {**known, "jobs": needs} if job.ends else known

    def _own_contexts(self, job: WorkflowJob) -> dict[str, Any]:
        """What the results of other jobs change nothing of."""
        begins = job.called_by
        given = self._contexts(begins) if begins is not None else {}
        inputs = {
            str(k): self._value(begins, v, given) if begins is not None and isinstance(v, str) else v
            for k, v in job.inputs.items()
        }
        inputs = inputs if begins is not None or self._of_branch else Open()
        environment = {key: in_matrix(each, job.matrix) for key, each in job.variables({}).items()}
        environment = Open(environment) if job.sets_more({}) else environment
        return {**self._github(1), "matrix": job.matrix, "inputs": inputs, "env": environment, "strategy": Open()}

    def _said_by(self, step: JobStep) -> dict[str, Any]:
        """The outputs of a step: open, unless all that writes them is known."""
        script, known = in_lines(step.commands), dict[str, Any]()
        if "nova github outputs" in script:
            known = {"engine": self._engine, "assembly": UNKNOWN if "--built" in script else ""}
        elif "nova registry --compare" in script:
            known = {"changed": "false"}
        elif (deploys := deployed(script)) and "--outputs" in script:
            known = {"url": f"#{{{deploys[0]}.Url}}"}
        return outputs(script, known, self._services)

    def _why_skipped(self, job: WorkflowJob) -> str:
        if job.ends:
            return self.skipped.get(job.ends, "")
        skipped = [other for other in (*job.needs, *sorted(job.ancestors)) if other in self.skipped]
        if self.runs(job, {}):
            return ""
        condition = as_text(job.content.get("if"))
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

        return EMBEDDED.sub(filled, script), later

    def _value(self, job: WorkflowJob, text: str, contexts: Mapping[str, Any]) -> Any:
        try:
            inner = bare(text)
            return evaluate(inner, contexts) if inner is not text else fill(text, contexts)
        except ExpressionError as error:
            raise self._source.error(job.base, f"job {job.name}: {error}", "correct or simplify it") from None

    def _text(self, job: WorkflowJob, text: str, contexts: Mapping[str, Any]) -> str:
        value = self._value(job, text, contexts)
        return value if isinstance(value, str) else as_text(value)
