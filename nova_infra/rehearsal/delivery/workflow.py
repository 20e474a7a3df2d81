"""The delivery as a workflow of GitHub Actions states it: its jobs become stages that a rehearsal plays.

Commands are those of the workflow, in the order of ``needs``; what a job deploys is what the assembly says of that
environment. See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_infra.errors import RefusedError
from nova_infra.names import GATED_VARIABLE, LOADED_VARIABLE
from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.delivery.expressions import ExpressionError, fill, holds
from nova_infra.rehearsal.delivery.job import WorkflowJob, in_matrix, why_cut, why_doomed
from nova_infra.rehearsal.delivery.matrix import combinations

_DEPLOYS = re.compile(r"^\s*nova deploy (\S+)", re.MULTILINE)
_GATE = re.compile(r"^\s*make gate ENVIRONMENT=(\S+)", re.MULTILINE)
_IMAGES = re.compile(r"^\s*(make images?|nova image build)\b", re.MULTILINE)
# What needs AWS, GitHub or another machine: it is done before, or not at all, where the rehearsal runs.
_NOT_RUN = re.compile(r"^\s*(make (browser|audit|setup|coverage)|nova (github|registry|services)|npm|npx|pip|uv|cdk)\b")
# Places of GitHub's own machines, and how tests report there.
_RUNNER = "/home/runner/"
_REPORTS = ("PYTEST_ADDOPTS",)
_QUIET = {"GITHUB_OUTPUT": "/dev/null", "GITHUB_STEP_SUMMARY": "/dev/null", "GITHUB_ENV": "/dev/null"}


class WorkflowError(RefusedError):
    """A workflow cannot be read. The message names the file, the line, the fault and the remedy."""


@dataclass(frozen=True)
class DoomedAction(BuildAction):
    """A step that would fail on GitHub, for a reason that is known without playing it."""

    reason: str = ""


@dataclass(frozen=True)
class Workflow:
    """What a workflow comes to.

    Attributes:
        pipeline: Its jobs as stages.
        unsafe: What would reach users although something before it failed, in clauses.
        beside: Jobs that no deployment waits for and that wait for none: they are not played.
    """

    pipeline: Pipeline
    unsafe: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def read_workflow(
    path: Path,
    text: str,
    delivered: Pipeline,
    *,
    branch: str,
    engine: str,
    approved: Collection[str],
    bakes: Callable[[DeployAction], int] = lambda _: 0,
) -> Workflow:
    """The stages that a push starts.

    Args:
        delivered: A pipeline over the same environments: what deploying one of them means.
        engine: What ``nova github outputs`` says of the engine.
        approved: Environments that somebody has to approve.
        bakes: Minutes that what a deployment deploys bakes.

    Raises:
        WorkflowError: It is not a workflow, or says something that the rehearsal does not know.
    """
    return _WorkflowReader(path, text, delivered, branch, engine, approved, bakes).read()


class _WorkflowReader:
    def __init__(
        self,
        path: Path,
        text: str,
        delivered: Pipeline,
        branch: str,
        engine: str,
        approved: Collection[str],
        bakes: Callable[[DeployAction], int],
    ) -> None:
        self._bakes = bakes
        self._path, self._text, self._delivered, self._branch = path, text, delivered, branch
        self._engine, self._approved = engine, approved
        self._environments = {
            stage.name.lower(): stage
            for stage in delivered.stages
            if any(isinstance(action, DeployAction) for action in stage.actions)
        }
        self._github = {"event_name": "push", "ref": f"refs/heads/{branch}", "ref_name": branch, "workflow": "deploy"}
        self._outputs: dict[str, dict[str, str]] = {}
        self._skipped: dict[str, str] = {}

    def read(self) -> Workflow:
        self._content = self._parsed()
        self._jobs = self._ordered(self._read_jobs())
        self._base = {job.name: job.base for job in self._jobs}
        pushes = self._on_push()
        deploying = [job for job in self._jobs if job.deploys]
        relevant = {name for job in deploying for name in (job.name, *job.ancestors)}
        relevant |= {j.name for j in self._jobs if not j.gates and any(d.name in j.ancestors for d in deploying)}
        stages: dict[str, Stage] = {}
        for job in self._jobs:
            if job.name not in relevant:
                continue
            self._outputs[job.name] = self._outputs_of(job)
            for stage in self._stages_of(job, deploying):
                known = stages.get(stage.name)
                stages[stage.name] = stage if known is None else _joined(known, stage)
        found = list(stages.values())
        if not pushes and found:
            found[0] = replace(found[0], closed_because=f"a push to {self._branch} does not start this workflow")
        pipeline = Pipeline(str(self._content.get("name") or self._path.stem), tuple(found), {})
        beside = tuple(job.name for job in self._jobs if job.name not in relevant and not job.gates)
        return Workflow(pipeline, tuple(self._unsafe(deploying)), beside)

    def _parsed(self) -> dict[Any, Any]:
        import yaml

        try:
            content = yaml.safe_load(self._text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            problem = getattr(error, "problem", None) or "it is not YAML"
            raise WorkflowError(f"{self._path}:{line}: cannot be read ({problem}): correct it") from None
        if not isinstance(content, dict) or not isinstance(content.get("jobs"), dict):
            raise WorkflowError(f"{self._path}:1: has no jobs, so it is not a workflow: write jobs:")
        return content

    def _read_jobs(self) -> dict[str, WorkflowJob]:
        jobs = {}
        for name, content in self._content["jobs"].items():
            steps = content.get("steps") if isinstance(content, dict) else None
            if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
                raise self._error(name, f"job {name} has no list of steps", "write steps:")
            needs = content.get("needs", [])
            for ending, values in combinations(content):
                waits_for = [needs] if isinstance(needs, str) else list(needs)
                permissions = content.get("permissions", self._content.get("permissions", {}))
                job = WorkflowJob(f"{name}{ending}", content, waits_for, steps, permissions, str(name), values)
                found = [match.group(1) for script in job.scripts() for match in _DEPLOYS.finditer(script)]
                if len(found) > 1:
                    raise self._error(name, f"job {name} deploys {len(found)} times", "deploy once in a job")
                job.deploys = found[0] if found else ""
                job.gates = next((m[1] for script in job.scripts() for m in _GATE.finditer(script)), "")
                jobs[job.name] = job
        for job in jobs.values():
            for other in job.needs:
                if other not in self._content["jobs"]:
                    raise self._error(job.base, f"job {job.name} needs {other!r}, which is not a job", "correct needs")
            # Who needs a job with a matrix waits for all of its combinations.
            job.needs = [each.name for other in job.needs for each in jobs.values() if each.base == other]
        return jobs

    def _ordered(self, jobs: Mapping[str, WorkflowJob]) -> list[WorkflowJob]:
        """The jobs, each after those that it needs, otherwise as they are written."""
        waiting, done = dict(jobs), dict[str, WorkflowJob]()
        while waiting:
            free = [job for job in waiting.values() if all(other in done for other in job.needs)]
            if not free:
                raise self._error(next(iter(waiting)), f"{', '.join(waiting)} need each other", "correct needs")
            job = free[0]
            job.ancestors = {*job.needs, *(a for other in job.needs for a in done[other].ancestors)}
            done[job.name] = waiting.pop(job.name)
        return list(done.values())

    def _on_push(self) -> bool:
        # YAML 1.1 reads the key ``on`` as true.
        on = self._content.get("on", self._content.get(True))
        push = on.get("push", False) if isinstance(on, dict) else "push" in (on or ())
        branches = push.get("branches", [self._branch]) if isinstance(push, dict) else [self._branch]
        return push is not False and self._branch in branches

    def _contexts(self, job: WorkflowJob) -> dict[str, Any]:
        needs = {
            self._base[name]: {
                "result": "skipped" if name in self._skipped else "success",
                "outputs": self._outputs[name],
            }
            for name in job.needs
        }
        known = {"github": self._github, "needs": needs, "env": self._content.get("env", {}), "matrix": job.matrix}
        return {**known, "vars": {}, "secrets": {}}

    def _outputs_of(self, job: WorkflowJob) -> dict[str, str]:
        steps: dict[str, Any] = {}
        for step in job.steps:
            if "id" in step:
                script, outputs = in_matrix(str(step.get("run", "")), job.matrix), {}
                if "nova github outputs" in script:
                    outputs["engine"] = self._engine
                if "nova services" in script:
                    outputs["services"] = "the services"
                if (deploys := _DEPLOYS.search(script)) and "--outputs" in script:
                    outputs["url"] = f"#{{{deploys.group(1)}.Url}}"
                steps[str(step["id"])] = {"outputs": outputs}
        contexts = {**self._contexts(job), "steps": steps}
        return {
            key: self._filled(job, str(value), contexts) for key, value in (job.content.get("outputs") or {}).items()
        }

    def _stages_of(self, job: WorkflowJob, deploying: list[WorkflowJob]) -> Iterator[Stage]:
        why = self._why_skipped(job)
        if why:
            self._skipped[job.name] = why
        before = [other for other in deploying if other.name in job.ancestors]
        name = job.name
        if job.deploys and (known := self._environments.get(job.deploys.replace("-", ""))) is not None:
            name = known.name
        elif before and not job.deploys:
            owner = self._environments.get(before[-1].deploys.replace("-", ""))
            name = owner.name if owner is not None else name
        if job.deploys in self._approved and not why and "environment" in job.content:
            yield Stage(f"Approve {job.deploys}", (ApprovalAction(f"reviewers of {job.deploys}", 1),))
        if why and not job.deploys:
            return  # What needs it says so.
        actions = () if why else tuple(self._actions(job))
        yield Stage(name, actions, closed_because=f"job {job.name} is skipped: {why}" if why else None)

    def _why_skipped(self, job: WorkflowJob) -> str:
        condition = str(job.content.get("if", ""))
        skipped = [other for other in job.needs if other in self._skipped]
        try:
            if not holds(condition, self._contexts(job), failed=bool(skipped)):
                because = f"{skipped[0]}, which it needs, is skipped: {self._skipped[skipped[0]]}" if skipped else ""
                return because or f"its condition {condition!r} is false for a push to {self._branch}"
        except ExpressionError as error:
            raise self._error(job.base, f"job {job.name}: if: {error}", "write a simpler one") from None
        return ""

    def _actions(self, job: WorkflowJob) -> Iterator[StageAction]:
        contexts, order = self._contexts(job), 0
        for number, step in enumerate(job.steps, start=1):
            if not holds(str(step.get("if", "")), {**contexts, "env": {}}):
                continue
            name = f"{job.name}: {step.get('name') or step.get('id') or step.get('uses') or number}"
            script, uses = in_matrix(str(step.get("run", "")), job.matrix), str(step.get("uses", ""))
            order += 1
            if reason := why_doomed(job, step, uses, self._jobs, self._skipped):
                yield DoomedAction(name, order, (), (), {}, False, False, reason=reason)
            elif deploys := _DEPLOYS.search(script):
                if reason := self._why_cut(job, deploys.group(1)):
                    yield DoomedAction(name, order, (), (), {}, False, False, reason=reason)
                    return
                for action in self._deployments(job, name, deploys.group(1), order):
                    order = max(order, action.run_order)
                    yield action
            elif _IMAGES.search(script):
                for action in (a for s in self._delivered.stages if s.name == "Images" for a in s.actions):
                    yield replace(action, run_order=order)
            elif script and not _NOT_RUN.match(script):
                given = {
                    **(self._content.get("env") or {}),
                    **(job.content.get("env") or {}),
                    **(step.get("env") or {}),
                }
                values = {str(key): self._filled(job, str(value), contexts) for key, value in given.items()}
                values = {k: v for k, v in values.items() if not v.startswith(_RUNNER) and k not in _REPORTS}
                yield BuildAction(name, order, (), (script.strip(),), {**_QUIET, **values}, False, False)

    def _why_cut(self, job: WorkflowJob, environment: str) -> str:
        stage = self._environments.get(environment.replace("-", ""))
        return why_cut(job, stage, self._bakes) if stage is not None else ""

    def _deployments(self, job: WorkflowJob, name: str, environment: str, order: int) -> Iterator[StageAction]:
        stage = self._environments.get(environment.replace("-", ""))
        if stage is None:
            reason = f"{environment} is not an environment"
            yield DoomedAction(name, order, (), (), {}, False, False, reason=reason)
            return
        deployments = [action for action in stage.actions if isinstance(action, DeployAction)]
        first = min(action.run_order for action in deployments)
        for action in deployments:
            # `nova deploy --outputs` writes what the platform's stack says.
            namespace = job.deploys if action.stack_name.endswith("-platform") else None
            yield replace(action, run_order=order + action.run_order - first, namespace=namespace)
        # A job that answers gates, or is the load, waits for deployments: it goes beside those that it is for.
        for each in (a for gate in self._jobs if gate.gates == environment for a in self._actions(gate)):
            if isinstance(each, BuildAction) and (isinstance(each, DoomedAction) or _GATE.match(each.commands[0])):
                told = (each.environment.get(key, "") for key in (GATED_VARIABLE, LOADED_VARIABLE))
                names = tuple(f"-{name}" for name in " ".join(told).split())
                beside = [action.run_order for action in deployments if action.stack_name.endswith(names)]
                yield replace(each, run_order=order + min(beside, default=first) - first)

    def _unsafe(self, deploying: list[WorkflowJob]) -> Iterator[str]:
        """What reaches an environment although something that comes before it failed, or nobody was asked."""
        order = list(self._environments)
        for job in deploying:
            environment = job.deploys.replace("-", "")
            earlier = order[: order.index(environment)] if environment in order else []
            for other in deploying:
                if other.deploys.replace("-", "") in earlier and other.name not in job.ancestors:
                    yield f"{job.name} does not wait for {other.name}, so it deploys what fails there"
            for test in self._jobs:
                after = [other for other in deploying if other.name in test.ancestors]
                tested = [other.deploys.replace("-", "") in earlier for other in after]
                if not (test.deploys or test.gates) and tested and all(tested) and test.name not in job.ancestors:
                    yield f"{job.name} does not wait for {test.name}, so it deploys what fails its tests"
            condition = str(job.content.get("if", ""))
            if job.needs and not self._why_skipped(job) and holds(condition, self._contexts(job), failed=True):
                yield f"{job.name} runs even if {' or '.join(job.needs)} has failed, by its condition {condition!r}"
            if job.deploys in self._approved and "environment" not in job.content:
                yield f"{job.name} names no environment, so nobody has to approve before it deploys"
            concurrency = job.content.get("concurrency", self._content.get("concurrency"))
            if concurrency is None:
                yield f"{job.name} is in no concurrency group, so two pushes may deploy at once"
            if isinstance(concurrency, dict) and str(concurrency.get("cancel-in-progress")).lower() == "true":
                yield f"a newer push cancels {job.name} in the middle of a deployment (cancel-in-progress)"

    def _filled(self, job: WorkflowJob, text: str, contexts: Mapping[str, Any]) -> str:
        try:
            return fill(text, contexts)
        except ExpressionError as error:
            raise self._error(job.base, f"job {job.name}: {error}", "write a simpler one") from None

    def _error(self, job: str, fault: str, remedy: str) -> WorkflowError:
        match = re.search(rf"^\s+[\"']?{re.escape(str(job))}[\"']?\s*:", self._text, re.MULTILINE)
        line = self._text.count("\n", 0, match.end()) + 1 if match else 1
        return WorkflowError(f"{self._path}:{line}: {fault}: {remedy}")


def _joined(first: Stage, then: Stage) -> Stage:
    """A stage followed by the actions of a later job for the same environment."""
    last = max((action.run_order for action in first.actions), default=0)
    moved = tuple(replace(action, run_order=action.run_order + last) for action in then.actions)
    return replace(first, actions=first.actions + moved, closed_because=first.closed_because or then.closed_because)
