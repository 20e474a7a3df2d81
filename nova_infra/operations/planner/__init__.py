"""What CloudFormation would do with a release, and what it would refuse, before anything is deployed.

Pure: it reads the templates that are deployed and those that would be, in the order in which they would be deployed.
"""

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
