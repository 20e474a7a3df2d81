"""The plan of a release: its stacks in order, each checked against what is deployed at that moment."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from nova_infra.operations.planner.actions import resource_actions
from nova_infra.operations.planner.blockers.cloudformation.exports import (
    capacity_providers_in_use,
    locked_exports,
    missing_exports,
    taken_exports,
)
from nova_infra.operations.planner.blockers.cloudformation.images import missing_repositories
from nova_infra.operations.planner.blockers.cloudformation.links import circular_references, dangling_references
from nova_infra.operations.planner.blockers.cloudformation.names import (
    kept_names,
    names_from_outside,
    names_that_may_be_needed_twice,
    names_without_a_way_back,
    taken_names,
    taken_roles_of_services,
)
from nova_infra.operations.planner.blockers.cloudformation.regions import of_another_region
from nova_infra.operations.planner.blockers.cloudformation.states import left_behind, moved_stack, stuck_stack
from nova_infra.operations.planner.blockers.cloudformation.templates import refused_templates
from nova_infra.operations.planner.blockers.cloudformation.waiting import waits_in_vain
from nova_infra.operations.planner.blockers.network import properties
from nova_infra.operations.planner.blockers.network.closed_ports import closed_stores
from nova_infra.operations.planner.blockers.network.dead_addresses import (
    closed_addresses,
    emptied_groups,
    lone_subnets,
    lost_ways_out,
    replaced_services,
    unreachable_siblings,
)
from nova_infra.operations.planner.blockers.network.health import changed_health_checks
from nova_infra.operations.planner.blockers.network.listener_rules import (
    back_to_rolling,
    groups_of_another_load_balancer,
    hidden_rules,
    narrowed_rules,
    reset_weights,
    rules_that_nobody_moves,
)
from nova_infra.operations.planner.blockers.network.load_balancers import rule_quotas, too_many_groups
from nova_infra.operations.planner.blockers.network.networks import overlapping_subnets, unsuited_zones
from nova_infra.operations.planner.blockers.network.registry_access import impassable
from nova_infra.operations.planner.blockers.network.security_groups import closed_ways, repeated_rules
from nova_infra.operations.planner.blockers.resources.conditions import broken_conditions
from nova_infra.operations.planner.blockers.resources.ecs_services import refused_services
from nova_infra.operations.planner.blockers.resources.limits import beyond_limits, unknown_words
from nova_infra.operations.planner.blockers.resources.losses import (
    alarms_in_use,
    lost_data,
    protected_leftovers,
    shortened,
)
from nova_infra.operations.planner.blockers.resources.permissions import missing_permissions, withdrawn_permissions
from nova_infra.operations.planner.blockers.resources.quotas import (
    account_quotas,
    beyond_rollback,
    resource_quotas,
    template_limits,
)
from nova_infra.operations.planner.blockers.resources.rows import refused_rows
from nova_infra.operations.planner.blockers.resources.secrets import missing_secret_keys, unseen_secret_keys
from nova_infra.operations.planner.blockers.resources.tasks import impossible_sizes, refused_task_definitions
from nova_infra.operations.planner.blockers.services import monitoring, stores
from nova_infra.operations.planner.blockers.services.databases import refused_databases, restarted_databases
from nova_infra.operations.planner.blockers.services.deliveries import lost_deliveries, refused_deliveries, unconfirmed
from nova_infra.operations.planner.blockers.services.edge_services import refused_edges, unfiltered
from nova_infra.operations.planner.blockers.services.functions import refused_functions
from nova_infra.operations.planner.blockers.services.messages import crowded_schedules, refused_messages
from nova_infra.operations.planner.blockers.services.policies import refused_policies
from nova_infra.operations.planner.blockers.services.updates import left_to_code_deploy, other_branches, refused_updates
from nova_infra.operations.planner.model import Consequence, PlannedStack, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step
from nova_infra.operations.planner.world import Owner, World

_JUDGES: Sequence[Callable[[Step], Iterator[Refusal]]] = (
    stuck_stack,
    moved_stack,
    template_limits,
    refused_templates,
    missing_exports,
    taken_exports,
    locked_exports,
    capacity_providers_in_use,
    taken_names,
    taken_roles_of_services,
    groups_of_another_load_balancer,
    overlapping_subnets,
    unsuited_zones,
    too_many_groups,
    missing_repositories,
    missing_permissions,
    missing_secret_keys,
    impossible_sizes,
    dangling_references,
    circular_references,
    refused_task_definitions,
    refused_services,
    refused_updates,
    refused_rows,
    refused_messages,
    *(partial(Step.judged_by, judges=each.JUDGES) for each in (monitoring, stores, properties)),
    refused_policies,
    refused_databases,
    refused_edges,
    refused_functions,
    refused_deliveries,
    waits_in_vain,
    of_another_region,
    closed_ways,
    impassable,
    repeated_rules,
)
_OBSERVERS: Sequence[Callable[[Step], Iterator[Consequence]]] = (
    lost_data,
    shortened,
    protected_leftovers,
    alarms_in_use,
    unseen_secret_keys,
    unconfirmed,
    restarted_databases,
    lost_deliveries,
    reset_weights,
    narrowed_rules,
    hidden_rules,
    back_to_rolling,
    rules_that_nobody_moves,
    names_that_may_be_needed_twice,
    kept_names,
    names_from_outside,
    names_without_a_way_back,
    closed_addresses,
    unfiltered,
    emptied_groups,
    lone_subnets,
    lost_ways_out,
    replaced_services,
    closed_stores,
    changed_health_checks,
    withdrawn_permissions,
    resource_quotas,
    beyond_rollback,
    unknown_words,
    other_branches,
    left_to_code_deploy,
    crowded_schedules,
    stores.closed_directories,
)


@dataclass(frozen=True)
class Plan:
    """What a release would do.

    Attributes:
        stacks: Its stacks, in the order of their deployment; those that do not change are left out.
    """

    stacks: tuple[PlannedStack, ...]
    consequences: tuple[Consequence, ...]

    @property
    def refusals(self) -> list[Refusal]:
        """Everything that AWS would refuse, in that order."""
        return [refusal for stack in self.stacks for refusal in stack.refusals]


def plan(
    deployed: Iterable[StackTemplate],
    waves: Sequence[Sequence[StackTemplate]],
    never_deployed: Sequence[StackTemplate] = (),
) -> Plan:
    """Plan a release.

    A stack that would be refused counts as deployed for those after it, so that all refusals are found at once.

    Args:
        waves: The stacks of the release. Those of one wave are deployed side by side, after the wave before.
        never_deployed: Stacks that the release describes and its pipeline does not deploy.
    """
    had = list(deployed)
    world = World(had)
    release = {stack.key: stack for stack in (*(each for wave in waves for each in wave), *never_deployed)}
    planned = []
    for number, wave in enumerate(waves):
        changing = [stack for stack in wave if not _same(world, stack)]
        claims = _claims(world, wave)
        for stack in changing:
            before = world.stacks.get(stack.key)
            step = Step(
                world, before, stack, resource_actions(before, stack), claims, never_deployed, changing, release
            )
            consequences = tuple(consequence for observe in _OBSERVERS for consequence in observe(step))
            planned.append(
                PlannedStack(stack, number, before is None, tuple(step.actions), _refusals(step), consequences)
            )
        for stack in changing:
            world.put(stack)
    wanted = [stack for wave in waves for stack in wave]
    consequences = (
        *left_behind(had, wanted, never_deployed),
        *account_quotas(had, world),
        *rule_quotas(had, world),
        *unreachable_siblings(wanted),
    )
    return Plan(tuple(planned), consequences)


def _refusals(step: Step) -> tuple[Refusal, ...]:
    """What AWS would refuse of a stack, each place once: what knows more of it than its limit comes first."""
    refusals = dict.fromkeys(refusal for judge in _JUDGES for refusal in judge(step))
    said = {refusal.where.replace("[]", "") for refusal in refusals}
    others = (*beyond_limits(step), *broken_conditions(step))
    return (*refusals, *dict.fromkeys(each for each in others if each.where.replace("[]", "") not in said))


def _same(world: World, stack: StackTemplate) -> bool:
    """Whether nothing would happen, not even a check of the stack's state."""
    before = world.stacks.get(stack.key)
    return before is not None and before.template == stack.template


def _claims(world: World, wave: Iterable[StackTemplate]) -> dict[str, list[Owner]]:
    claims: dict[str, list[Owner]] = {}
    for stack in wave:
        for name, logical_id in world.identities(stack):
            claims.setdefault(name, []).append((stack.key, logical_id))
    return claims
