"""``nova plan`` of a rehearsal: the candidate over the baseline: refusals and replacements."""

from collections.abc import Iterable

from nova_infra.assembly import AssembledStack, Assembly, resources_of_type
from nova_infra.operations.planner import Plan, Refusal, StackKey, StackTemplate, plan
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Pipeline, StageAction
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.record import Record


def forecast(candidate: Release, baseline: Release) -> Plan:
    """Plan the candidate's stacks over those of the baseline.

    All stacks of the baseline count as deployed: its pipeline deploys those of the environments, and a person has
    deployed the others once. Those of an app that stands in for an earlier release do not: they have to come up, too.
    """
    before = deployed_stacks(baseline)
    if baseline.stands_in:
        own = {a.stack_name for s in baseline.pipeline().stages for a in s.actions if isinstance(a, DeployAction)}
        before = [each for each in before if each.key.name not in own]
    return plan(before, *_release(candidate))


def deployed_stacks(release: Release) -> list[StackTemplate]:
    """All stacks of a release, as they are when it has been deployed."""
    waves, others = _release(release)
    return [*(stack for wave in waves for stack in wave), *others]


def _release(release: Release) -> tuple[list[list[StackTemplate]], list[StackTemplate]]:
    """The stacks that a release deploys, wave by wave, and those that it does not."""
    assembled = release.assembly.stacks()
    by_path = {stack.template_path: stack for stack in assembled}
    waves: list[list[StackTemplate]] = []
    pipeline = release.pipeline()
    paths = {
        each.template_path for stage in pipeline.stages for each in stage.actions if isinstance(each, DeployAction)
    }
    for stage in pipeline.stages:
        for actions in stage.waves():
            if any(isinstance(action, BuildAction) and action.updates_pipeline for action in actions):
                waves += _self_update(release.assembly, [e for e in assembled if e.template_path not in paths])
            wave = [
                StackTemplate(_key(by_path.get(action.template_path), action.stack_name), release.deployed(action))
                for action in actions
                if isinstance(action, DeployAction)
            ]
            if wave:
                waves.append(wave)
    deployed = {stack.key for wave in waves for stack in wave}
    others = [each for each in assembled if _key(each, each.name) not in deployed]
    return waves, [_template(release.assembly, each) for each in others]


def _self_update(assembly: Assembly, assembled: Iterable[AssembledStack]) -> list[list[StackTemplate]]:
    """The pipeline's stack after those that it depends on, as `cdk deploy` deploys them.

    Args:
        assembled: The stacks that the pipeline itself does not deploy.
    """
    by_id = {stack.artifact_id: stack for stack in assembled}
    waves: list[list[StackTemplate]] = []
    done: set[str] = set()

    def add(stack: AssembledStack) -> None:
        for dependency in stack.dependencies:
            if dependency in by_id and dependency not in done:
                add(by_id[dependency])
        done.add(stack.artifact_id)
        waves.append([_template(assembly, stack)])

    for stack in by_id.values():
        if resources_of_type(assembly.template(stack.template_path), "AWS::CodePipeline::Pipeline"):
            add(stack)
    return waves


def _template(assembly: Assembly, stack: AssembledStack) -> StackTemplate:
    return StackTemplate(_key(stack, stack.name), assembly.template(stack.template_path))


def _key(stack: AssembledStack | None, name: str) -> StackKey:
    """The stack's place; one that only the pipeline knows is where the manifest does not say."""
    return StackKey(stack.account, stack.region, name) if stack is not None else StackKey("", "", name)


def note_refusals(planned: Plan, pipeline: Pipeline, record: Record) -> bool:
    """Record what AWS would refuse and what else is foreseen.

    Returns:
        Whether something is refused in a stage that is to be played: playing it would show what AWS does not do.
    """
    refused: dict[str, list[Refusal]] = {}
    for refusal in planned.refusals:
        refused.setdefault(refusal.stack, []).append(refusal)
    stopped = None
    for stage, stage_record in zip(pipeline.stages, record.stages, strict=True):
        for action, action_record in zip(stage.actions, stage_record.actions, strict=True):
            faults = [fault for stack in _stacks_of(action, planned, pipeline) for fault in refused.pop(stack, [])]
            if faults and stopped in (None, stage.name):
                stopped, stage_record.status = stage.name, "failed"
                action_record.status, action_record.played = "failed", "simulated"
                action_record.note = f"{faults[0].verdict}: " + "; ".join(map(str, faults))
            else:
                record.foreseen += map(str, faults)
    record.foreseen += [str(fault) for faults in refused.values() for fault in faults]
    known = [*(each for stack in planned.stacks for each in stack.consequences), *planned.consequences]
    record.foreseen = [str(each) for each in known if each.loses] + record.foreseen
    record.foreseen += [str(each) for each in known if not each.loses]
    record.unsafe += [str(consequence) for consequence in known if consequence.hurts]
    return stopped is not None


def _stacks_of(action: StageAction, planned: Plan, pipeline: Pipeline) -> list[str]:
    """Names of the stacks that an action deploys."""
    if isinstance(action, DeployAction):
        return [action.stack_name]
    if isinstance(action, BuildAction) and action.updates_pipeline:
        others = {a.stack_name for stage in pipeline.stages for a in stage.actions if isinstance(a, DeployAction)}
        return [each.stack.key.name for each in planned.stacks if each.stack.key.name not in others]
    return []
