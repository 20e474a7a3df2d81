"""What CloudFormation would do with a release, and refuse, from the templates before and after. Pure."""

from nova_infra.operations.planner.blockers.network.closed_ports import Ways
from nova_infra.operations.planner.model import (
    Action,
    Consequence,
    PlannedStack,
    Refusal,
    ResourceAction,
    StackKey,
    StackTemplate,
)
from nova_infra.operations.planner.plan import Plan, plan
from nova_infra.operations.planner.world import World

__all__ = [
    "Action",
    "Consequence",
    "Plan",
    "PlannedStack",
    "Refusal",
    "ResourceAction",
    "StackKey",
    "StackTemplate",
    "Ways",
    "World",
    "plan",
]
