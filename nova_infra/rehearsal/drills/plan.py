"""Chooses the stages and services that a drill plays: only what its fault can reach.

The candidate is released with the fault over the candidate itself, so that nothing but the fault differs, and in
production over the one service that has the fault, unless the drill is about its neighbours.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from nova_infra.assembly import Assembly, Template, resources_of_type
from nova_infra.errors import NovaError
from nova_infra.names import BEFORE_DEPLOY, GATED_VARIABLE, LOADED_VARIABLE
from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.drills.drill import Drill, Reach, ServiceKind
from nova_infra.rehearsal.drills.steering import GATE_MINUTES
from nova_infra.rehearsal.environment.background.queues import messages_of
from nova_infra.rehearsal.jobs.schedule import SCHEDULE
from nova_infra.rehearsal.pipeline.builds import left_to_suite
from nova_infra.rehearsal.pipeline.edits import (
    Edit,
    alone,
    fault_in,
    function_that,
    gate,
    goes_together,
    previous_images,
    repositories,
    tests_before_traffic,
    without_smoke,
)
from nova_infra.rehearsal.pipeline.release import Release

_SUITES = {"hangs": "sleep 600", "elsewhere": "true"}
"""Commands in place of a suite: one never ends, the other sends the new revision no request."""


@dataclass(frozen=True)
class DrillPlan:
    """What is played in a drill."""

    pipeline: Pipeline
    candidate: Release
    baseline: Release
    service: str


def plan(drill: Drill, candidate: Release) -> DrillPlan:
    """What to play for a drill."""
    pipeline = candidate.pipeline()
    service = _first_service(pipeline, candidate, drill)
    if service is None:
        raise NovaError(f"--drill: {drill.name}: the pipeline deploys no {drill.kind}: leave that drill out")
    stages = _stages(pipeline, drill.reach)
    if drill.reach == "production":
        stages = [only(stages[0], service, candidate.assembly)]
    edits: tuple[Edit, ...] = candidate.edits
    if drill.reach == "production":
        edits = (*edits, alone)
    if drill.gated or drill.suite == "hangs":
        edits = (*edits, gate(GATE_MINUTES))
    if drill.suite in ("answers", "elsewhere"):
        edits = (*edits, without_smoke)  # They would be red first.
    if drill.suite in _SUITES:
        suite = partial(_with_suite, _SUITES[drill.suite])
        stages = [replace(stage, actions=tuple(map(suite, stage.actions))) for stage in stages]
    whose = None if drill.everywhere else service
    faulty = (*edits, fault_in(whose, drill.fault)) if drill.fault else edits
    if drill.function:
        faulty = (*faulty, function_that(drill.function, GATE_MINUTES))
    before = (*edits, fault_in(whose, drill.baseline_fault)) if drill.baseline_fault else edits
    return DrillPlan(
        replace(pipeline, stages=tuple(stages)),
        replace(candidate, name=f"a release in which {drill.title}", edits=faulty),
        replace(candidate, name="the same release without the fault", edits=(*before, previous_images)),
        service,
    )


def lacking(drill: Drill, candidate: Release) -> str:
    """What a release lacks for a drill, in a clause; empty if nothing."""
    pipeline = candidate.pipeline()
    service = _first_service(pipeline, candidate, drill)
    if service is None:
        return f"no {drill.kind} {_WITH[drill.has]}is delivered"
    places = _places(pipeline.stages, drill.reach)
    if not places:
        return _without(drill.reach)
    if drill.kind == "worker" and not messages_of(candidate.sources, service):
        return f"services/{service}/messages has no examples of messages"
    if not (drill.gated or drill.tested or drill.group or drill.suite):
        return ""
    *_, template = [
        candidate.template(action)
        for stage in pipeline.stages
        for action in stage.actions
        if isinstance(action, DeployAction)
        and service in repositories(candidate.assembly.template(action.template_path))
    ]
    if drill.group and (drill.group == "together") != goes_together(template):
        return f"the services of a release {'do not wait' if drill.group == 'together' else 'wait'} for one another"
    if drill.gated and gate(GATE_MINUTES)(template) == template:
        return "a rolling deployment has no gate"
    if drill.suite and not any(each.endswith(f"-{service}") for each in left_to_suite(pipeline.stages[places[0]])):
        return "no test suite answers its gate where it is played"
    return "no smoke paths are configured" if drill.tested and not tests_before_traffic(template) else ""


def _stages(pipeline: Pipeline, reach: Reach) -> list[Stage]:
    places = _places(pipeline.stages, reach)
    if not places:
        raise NovaError(f"--drill: {_without(reach)}: leave that drill out")
    return list(pipeline.stages[places[0] :])


def _without(reach: Reach) -> str:
    return f"the pipeline has no stage for a drill about its {reach}"


def _places(stages: Sequence[Stage], reach: Reach) -> list[int]:
    """The number of the stage that a drill begins with, if the pipeline has one."""
    deployed = [number for number, stage in enumerate(stages) if _has(stage, DeployAction)]
    tested = [number for number in deployed if _is_tested(stages[number])]
    approvals = [number for number, stage in enumerate(stages) if _has(stage, ApprovalAction)]
    return {
        "first tests": tested[:1],
        "last tests": tested[-1:],
        "approval": approvals[-1:],  # Production's: the first may be that of the pipeline's own update.
        "production": deployed[-1:],
        "all of production": deployed[-1:],
    }[reach]


def _is_tested(stage: Stage) -> bool:
    """Whether a stage has tests: actions, other than release tools, that get the address of the deployment."""
    values = (
        value for action in stage.actions if isinstance(action, BuildAction) for value in action.environment.values()
    )
    return any("#{" in value for value in values)


def _has(stage: Stage, kind: type[StageAction]) -> bool:
    return any(isinstance(action, kind) for action in stage.actions)


def only(stage: Stage, service: str, assembly: Assembly) -> Stage:
    """The stage with one of the services, what that needs, and the test suite that it waits for."""
    names = {a: repositories(assembly.template(a.template_path)) for a in stage.actions if isinstance(a, DeployAction)}
    order = max(action.run_order for action, services in names.items() if service in services)
    kept = [a for a, services in names.items() if a.run_order <= order and (not services or service in services)]
    suites = [a for a in stage.actions if isinstance(a, BuildAction) and service in _waiting_for(a)]
    return replace(stage, actions=(*kept, *(_answering_for(each, service) for each in suites)))


def _waiting_for(action: BuildAction) -> list[str]:
    """The services whose gates an action answers."""
    return action.environment.get(GATED_VARIABLE, "").split()


def _answering_for(action: BuildAction, service: str) -> BuildAction:
    kept = {key: value for key, value in action.environment.items() if key != LOADED_VARIABLE}
    return replace(action, environment={**kept, GATED_VARIABLE: service})


def _with_suite(command: str, action: StageAction) -> StageAction:
    if not isinstance(action, BuildAction) or not _waiting_for(action):
        return action
    return replace(action, environment={**action.environment, "SUITE": command})


_WITH = {
    "": "",
    "before_deploy": "with a before_deploy ",
    "schedule": "that nothing but its schedule starts ",
    "one run": "that runs once at a time ",
    "tests": "with tests of its own ",
}


def _first_service(pipeline: Pipeline, candidate: Release, drill: Drill) -> str | None:
    """The first service of a drill's kind that production deploys; None where there is none.

    One without a ``before_deploy`` comes first: what keeps a container from starting stops that command, and nothing
    would be seen of a deployment.
    """
    found: dict[bool, str] = {}
    for stage in reversed(pipeline.stages):
        for action in stage.actions:
            if isinstance(action, DeployAction):
                template = candidate.assembly.template(action.template_path)
                fits = _kind_of(template) == drill.kind and _has_what(template, drill)
                for service in repositories(template) if fits else ():
                    if drill.has != "tests" or _is_asked(service, template, pipeline, candidate, drill):
                        found.setdefault(_migrates(template), service)
    return found.get(False, found.get(True))


def _is_asked(service: str, template: Template, pipeline: Pipeline, candidate: Release, drill: Drill) -> bool:
    """Whether the tests in a drill's first stage request what a service on the kit, or with tests, promises."""
    suites = [
        suite
        for place in _places(pipeline.stages, drill.reach)
        for action in pipeline.stages[place].actions
        for suite in ("integration", "e2e")
        if isinstance(action, BuildAction) and any(f"make {suite}" in command for command in action.commands)
    ]
    if not suites or "nova_kit" in json.dumps(template):
        return True
    return any((candidate.sources / "services" / service / "tests" / suite).is_dir() for suite in suites)


def _has_what(template: Template, drill: Drill) -> bool:
    migrates, scheduled = _migrates(template), bool(resources_of_type(template, SCHEDULE))
    match drill.has:
        case "before_deploy":
            return migrates
        case "schedule":
            return scheduled and not migrates  # otherwise the release itself would run it first
        case "one run":  # It looks for tasks that are still running.
            return scheduled and "DesiredStatus" in json.dumps(template)
    return True


def _migrates(template: Template) -> bool:
    return bool(resources_of_type(template, BEFORE_DEPLOY))


def _kind_of(template: Template) -> ServiceKind:
    services = [template["Resources"][each] for each in resources_of_type(template, "AWS::ECS::Service")]
    if services:
        return "web" if any(each["Properties"].get("LoadBalancers") for each in services) else "worker"
    return "job" if list(resources_of_type(template, "AWS::StepFunctions::StateMachine")) else "web"
