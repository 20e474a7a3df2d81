"""Turns a workflow of GitHub Actions into the stages that a rehearsal plays, one for each job.

Commands are those of the workflow, in the order of ``needs``; what a job deploys is what the assembly says of that
environment. See https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax.
"""

import re
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_infra.names import GATED_VARIABLE, LOADED_VARIABLE
from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.delivery.workflows.job import GATE, IMAGES, JobStep, WorkflowJob, deployed, shell_command
from nova_infra.rehearsal.delivery.workflows.jobs import jobs_of, ordered, why_no_combinations
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowText
from nova_infra.rehearsal.delivery.workflows.language.triggers import PatternError, never_started, why_not_started
from nova_infra.rehearsal.delivery.workflows.other_workflows import failing_beside
from nova_infra.rehearsal.delivery.workflows.risks import Risks
from nova_infra.rehearsal.delivery.workflows.run import PushedRun
from nova_infra.rehearsal.delivery.workflows.sure_failures import (
    why_cut,
    why_doomed,
    why_no_runner,
    why_no_service,
    why_not_set_up,
)
from nova_infra.rehearsal.delivery.workflows.uploads import outlived, second_uploads

# What needs AWS, GitHub or another machine: it is done before, or not at all, where the rehearsal runs.
_INSTALLS = (
    r"(?:python[\d.]* -m )?pip3? (?:install|download)|uv (?:pip|sync|venv|lock|tool)"
    r"|npm (?:ci|install|i)|cdk (?:synth|ls|diff)"
)
_TOOLS = "npm|npx|uvx?|cdk|poetry|pipenv|pdm|hatch|docker|aws|gh|terraform|kubectl|helm|sudo|apt-get"
_ELSEWHERE = rf"make (?:browser|audit|setup|coverage)|nova (?:github|registry|services)|{_INSTALLS}"
_NOT_RUN = re.compile(
    rf"(?P<start>^|&&|\|\||;)[ \t]*(?P<command>(?P<silent>{_ELSEWHERE})\b|(?:{_TOOLS})\b[^\n;&|\\]*)"
    r"(?:\\\n|(?!&&|\|\||;)[^\n])*",
    re.MULTILINE,
)
_PLAIN = re.compile(r"[\w ./:=@%+,\"$'{}-]+")
"""One command, which every shell understands alike."""

# Places of GitHub's own machines, and how tests report there.
_RUNNER = "/home/runner/"
_OURS = ("./.github/actions/setup", "./.github/actions/sign-in")
_ENGINE = re.compile("docker|podman|colima|wsl", re.IGNORECASE)
_REPORT = re.compile(r"--junit-?xml[= ]\S+ ?")
_QUIET = {"GITHUB_OUTPUT": "/dev/null", "GITHUB_STEP_SUMMARY": "/dev/null", "GITHUB_ENV": "/dev/null"}


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
        elsewhere: Workflows of other repositories that it calls: they are not played either.
        unplayed: Steps before or after a deployment that need GitHub, another machine, or a tool that is not here.
        assumed: What only a run on GitHub decides, and how it is played here, in clauses.
    """

    pipeline: Pipeline
    unsafe: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    unplayed: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()


def read_workflow(
    path: Path,
    text: str,
    delivered: Pipeline,
    *,
    branch: str,
    engine: str,
    approved: Collection[str],
    root: Path,
    bakes: Callable[[DeployAction], int] = lambda _: 0,
    services: Sequence[str] = (),
) -> Workflow:
    """The stages that a push starts.

    Args:
        path: The workflow's file, for messages.
        delivered: A pipeline over the same environments: what deploying one of them means.
        engine: What ``nova github outputs`` says of the engine.
        approved: Environments that somebody has to approve.
        root: The checkout: its directories, and workflows that this one calls.
        bakes: Minutes that what a deployment deploys bakes.
        services: What ``nova services`` lists; nothing where that is not known.

    Raises:
        WorkflowError: It is not a workflow, or says something that the rehearsal does not know.
    """
    source = WorkflowText(path, text)
    run = PushedRun(source, branch, engine, services)
    return _WorkflowReader(source, delivered, run, approved, bakes, root).read()


class _WorkflowReader:
    def __init__(
        self,
        source: WorkflowText,
        delivered: Pipeline,
        run: PushedRun,
        approved: Collection[str],
        bakes: Callable[[DeployAction], int],
        root: Path,
    ) -> None:
        self._source, self._content, self._run, self._root = source, source.content, run, root
        self._delivered, self._approved, self._bakes = delivered, approved, bakes
        self._unplayed: list[str] = []
        self._assumed: list[str] = []
        self._refused: dict[tuple[str, int], str] = {}
        self._environments = {
            stage.name.lower(): stage
            for stage in delivered.stages
            if any(isinstance(action, DeployAction) for action in stage.actions)
        }

    def read(self) -> Workflow:
        self._jobs = ordered(self._source, jobs_of(self._source, self._root))
        for job in self._jobs:
            self._run.enter(job)
            self._look_at(job)
        deploying = [job for job in self._jobs if job.deploys]
        relevant = {name for job in deploying for name in (job.name, *job.ancestors)}
        relevant |= {j.name for j in self._jobs if not j.gates and any(d.name in j.ancestors for d in deploying)}
        relevant |= {job.name for job in self._jobs if any(IMAGES.search(script) for script in job.scripts())}
        twice = list(second_uploads(self._jobs, self._run))
        played = relevant | {job.name for job in self._jobs if job.gates}
        refused = [each for each in twice if each.certain and {each.first.name, each.upload.job.name} <= played]
        self._refused = {(each.upload.job.name, each.upload.place): each.why for each in refused}
        stages: dict[str, Stage] = {}
        for job in self._jobs:
            if job.name not in relevant:
                continue
            if "container" in job.content or "services" in job.content:
                self._assumed.append(f"{job.name} runs on this machine, not in its containers, which are not played")
            if any(step.inputs.get("sparse-checkout") for step in self._run.steps_of(job) if "checkout@" in step.uses):
                self._assumed.append(f"{job.name} sees the whole checkout, not only what its sparse-checkout names")
            for stage in self._stages_of(job, deploying):
                known = stages.get(stage.name)
                stages[stage.name] = stage if known is None else _joined(known, stage)
        found = list(stages.values())
        try:
            if (why := why_not_started(self._content, self._run.branch)) and found:
                found[0] = replace(found[0], closed_because=why)
            unstarted_by = list(never_started(self._content, self._root))
        except PatternError as error:
            raise self._source.error("push", f"on: {error}", "correct it") from None
        unknown = [f"{n} runs, although only GitHub knows {c!r}" for n, c in self._run.assumed.items() if n in relevant]
        unknown += [each for name, said in self._run.withheld.items() if name in relevant for each in said]
        pipeline = Pipeline(str(self._content.get("name") or self._source.path.stem), tuple(found), {})
        return Workflow(
            pipeline,
            (
                *self._risks(),
                *dict.fromkeys(each.risk for each in twice if each not in refused),
                *outlived(self._jobs, self._run, self._approved),
                *self._undelivered(found),
                *unstarted_by,
                *failing_beside(self._source.path, self._run, self._root),
            ),
            tuple(job.name for job in self._jobs if job.name not in relevant and not job.gates and job.base),
            tuple(str(job.content["uses"]) for job in self._jobs if "uses" in job.content and job.base),
            tuple(dict.fromkeys(self._unplayed)),
            (*unknown, *dict.fromkeys(self._assumed)),
        )

    def _look_at(self, job: WorkflowJob) -> None:
        """Note what a job deploys."""
        if not any("deploy" in script for script in job.scripts()):
            return
        found = [name for step in self._run.steps_of(job) for name in deployed(step.commands)]
        known = [name for name in found if "$" not in name]
        if len(known) > 1:
            raise self._source.error(job.base, f"job {job.name} deploys {len(known)} times", "deploy once in a job")
        job.deploys = (*known, *found, "")[0]
        if len(found) > len(known):
            self._assumed.append(f"{job.name} deploys what only GitHub knows, which is not played")

    def _stages_of(self, job: WorkflowJob, deploying: list[WorkflowJob]) -> Iterator[Stage]:
        why = self._run.skipped.get(job.name)
        before = [other for other in deploying if other.name in job.ancestors]
        name = job.name
        if job.deploys and (known := self._environments.get(job.deploys.replace("-", ""))) is not None:
            name = known.name
        elif before and not job.deploys:
            owner = self._environments.get(before[-1].deploys.replace("-", ""))
            name = owner.name if owner is not None else name
        if job.deploys in self._approved and not why and self._run.environment_of(job) == job.deploys:
            yield Stage(f"Approve {job.deploys}", (ApprovalAction(f"reviewers of {job.deploys}", 1),))
        if (why and not job.deploys) or not (job.steps or why):
            return  # What needs it says so.
        actions = () if why else tuple(self._actions(job))
        yield Stage(name, actions, closed_because=f"job {job.name} is skipped: {why}" if why else None)

    def _actions(self, job: WorkflowJob) -> Iterator[StageAction]:
        if why := self._why_never(job):
            yield DoomedAction(f"{job.name}: its start", 1, (), (), {}, False, False, reason=why)
            return
        before: list[JobStep] = []
        order = 0
        uploads = self._run.uploads_before(job, self._jobs)
        for place, step in enumerate(self._run.steps_of(job)):
            order += 1
            name = f"{job.name}: {step.name}"
            environment = self._run.environment_of(job)
            reason = why_doomed(job, step, before, environment=environment, uploads=uploads, root=self._root)
            reason = reason or self._refused.get((job.name, place), "")
            reason = reason or (self._why_cut(job, step, job.deploys) if job.deploys in deployed(step.commands) else "")
            before.append(step)
            if reason and step.certain and not (step.tolerated or self._run.tolerates(job, job.content)):
                yield DoomedAction(name, order, (), (), {}, False, False, reason=reason)
                return
            if not reason:
                for action in self._played(job, step, name, order):
                    order = max(order, action.run_order)
                    yield action

    def _played(self, job: WorkflowJob, step: JobStep, name: str, order: int) -> Iterator[StageAction]:
        """What a step that may succeed does."""
        if deploys := deployed(step.commands):
            if not step.certain:
                self._assumed.append(f"{name} runs, although only GitHub knows its condition")
            yield from (
                self._deployments(job, job.deploys, order) if job.deploys in deploys and "$" not in job.deploys else ()
            )
        elif IMAGES.search(step.commands):
            for action in (a for s in self._delivered.stages if s.name == "Images" for a in s.actions):
                yield replace(action, run_order=order)
        elif (
            "actions/upload-artifact@" in step.uses and step.certain and step.inputs.get("if-no-files-found") == "error"
        ):
            paths = " ".join(shlex.quote(path) for path in step.inputs.get("path", "").split())
            yield BuildAction(name, order, (), (f"ls -d {paths} > /dev/null",), {}, False, False)
        elif not (script := self._playable(step.script, name)):
            if step.uses.startswith("./") and step.uses not in _OURS:
                self._unplayed.append(name)
        elif not step.certain or not step.is_known:
            self._unplayed.append(name)
        else:
            values = {k: _REPORT.sub("", v) for k, v in step.variables.items() if not v.startswith(_RUNNER)}
            if step.directory:
                script = f"cd {shlex.quote(step.directory)}\n{script}"
            tolerated = step.tolerated or self._run.tolerates(job, job.content)
            if tolerated or step.shell or not _PLAIN.fullmatch(script):
                script = f"{shell_command(step.shell)} {shlex.quote(script)}{' || true' if tolerated else ''}"
            yield BuildAction(name, order, (), (script,), {**_QUIET, **values}, False, False)

    def _playable(self, script: str, name: str) -> str:
        """A script without the commands that are not run here; empty if nothing is left."""

        def left_out(found: re.Match[str]) -> str:
            if found[0].count('"') % 2 or found[0].count("'") % 2:
                return "\0"
            if found["silent"] is None:
                self._unplayed.append(f"{name} ({found['command'].strip()})")
            return f"{found['start']} :"

        rest = _NOT_RUN.sub(left_out, script).strip()
        if "\0" in rest:  # The command goes on in the next lines, between quotes.
            self._unplayed.append(name)
            return ""
        return rest if re.sub(r"#.*|set -\w+|&&|\|\||[:;\s]", "", rest) else ""

    def _why_never(self, job: WorkflowJob) -> str:
        """Why GitHub never starts a job that it does not skip; empty if it does."""
        builds = any(IMAGES.search(each.commands) for each in self._run.steps_of(job))
        builds = builds and not _ENGINE.search(str(job.content))
        own, whole = (self._run.group(job, each.get("concurrency"), 1) for each in (job.content, self._content))
        if own and own == whole:
            return f"GitHub cancels it: its concurrency group {own!r} is the whole workflow's, which it would wait for"
        return (
            why_no_runner(self._run.labels(job), builds=builds)
            or why_not_set_up(job.steps)
            or why_no_service(job.content.get("services"))
            or why_no_combinations(job.content, lambda text: self._run.evaluated(job, text))
        )

    def _why_cut(self, job: WorkflowJob, step: JobStep, environment: str) -> str:
        stage = self._environments.get(environment.replace("-", ""))
        if stage is None:
            return "" if "$" in environment else f"{environment} is not an environment"
        limit = self._run.minutes(job, job.content)
        return why_cut(limit, stage, self._bakes, whole_job=True) or why_cut(
            step.minutes, stage, self._bakes, whole_job=False
        )

    def _deployments(self, job: WorkflowJob, environment: str, order: int) -> Iterator[StageAction]:
        stage = self._environments[environment.replace("-", "")]
        deployments = [action for action in stage.actions if isinstance(action, DeployAction)]
        first = min(action.run_order for action in deployments)
        for action in deployments:
            # `nova deploy --outputs` writes what the platform's stack says.
            namespace = job.deploys if action.stack_name.endswith("-platform") else None
            yield replace(action, run_order=order + action.run_order - first, namespace=namespace)
        # A job that answers gates, or is the load, waits for deployments: it goes beside those that it is for.
        for each in (a for gate in self._jobs if gate.gates == environment for a in self._actions(gate)):
            if isinstance(each, BuildAction) and (isinstance(each, DoomedAction) or GATE.search(each.commands[0])):
                told = (each.environment.get(key, "") for key in (GATED_VARIABLE, LOADED_VARIABLE))
                names = tuple(f"-{name}" for name in " ".join(told).split())
                beside = [action.run_order for action in deployments if action.stack_name.endswith(names)]
                yield replace(each, run_order=order + min(beside, default=first) - first)

    def _risks(self) -> Iterator[str]:
        """What reaches an environment although something that comes before it failed, or nobody was asked."""
        run, names = self._run, list(self._environments)
        more = (run.runs, run.group, run.cancels, run.tolerates, run.steps_of, run.pushed)
        yield from self._source.never_equal
        yield from Risks(self._jobs, names, self._approved, self._content, *more).found()

    def _undelivered(self, stages: list[Stage]) -> Iterator[str]:
        deployed = {s.name for s in stages if s.closed_because or any(isinstance(a, DeployAction) for a in s.actions)}
        doomed = {s.name for s in stages for a in s.actions if isinstance(a, DoomedAction)}
        for stage in () if any("$" in job.deploys for job in self._jobs) else self._environments.values():
            if stage.name not in deployed | doomed:
                yield f"no job deploys {stage.name}, so what ran there before stays"


def _joined(first: Stage, then: Stage) -> Stage:
    """A stage followed by the actions of a later job for the same environment."""
    last = max((action.run_order for action in first.actions), default=0)
    moved = tuple(replace(action, run_order=action.run_order + last) for action in then.actions)
    return replace(first, actions=first.actions + moved, closed_because=first.closed_because or then.closed_because)
