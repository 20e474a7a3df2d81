"""Reports health checks of target groups that change for tasks that already run.

A target group is changed in place, before the service gets its new revision, and its targets are checked by the new
settings at once: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ModifyTargetGroup.html. ECS
replaces a task that its load balancer finds unhealthy:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-load-balancing.html.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.documents.text import listed
from nova_infra.operations.changes.stated_values import as_given
from nova_infra.operations.changes.template_values import properties, same, shown
from nova_infra.operations.planner.model import Action, Consequence
from nova_infra.operations.planner.step import Step

_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_ASKED = {
    "HealthCheckPath": "path",
    "HealthCheckPort": "port",
    "HealthCheckProtocol": "protocol",
    "Matcher": "expected answer",
}
"""Properties whose change may turn a healthy task unhealthy."""


def changed_health_checks(step: Step) -> Iterator[Consequence]:
    """Warn that running tasks get the new health check before the new tasks are there."""
    for logical_id, changed in _changed(step).items():
        path = shown(_check(step.after.resources[logical_id])["HealthCheckPath"])
        yield step.note(
            logical_id,
            f"its health check gets another {listed(changed, 4)} before the new revision starts: if the running one "
            f"does not answer at {path} as expected, ECS replaces its tasks, which never become healthy; deliver an "
            "image that answers both checks first",
        )


def _changed(step: Step) -> dict[str, list[str]]:
    """What changes in each group's check; of a service's two colours, which change alike, only the first."""
    found: dict[str, list[str]] = {}
    for action in step.actions:
        if step.before is None or action.type != _GROUP or action.action is not Action.UPDATE:
            continue
        before, after = (_check(each.resources[action.logical_id]) for each in (step.before, step.after))
        changed = [word for name, word in _ASKED.items() if not same(before[name], after[name])]
        if changed and changed not in found.values():
            found[action.logical_id] = changed
    return found


def _check(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """A group's health check, with defaults filled in (API_CreateTargetGroup, API_Matcher)."""
    given = as_given(properties(group))
    grpc, http = given.get("ProtocolVersion") == "GRPC", given.get("Protocol") in ("HTTP", "HTTPS", None)
    defaults = {
        "HealthCheckPath": "/AWS.ALB/healthcheck" if grpc else "/",
        "HealthCheckPort": "traffic-port",
        "HealthCheckProtocol": "HTTP" if http else "TCP",
        "Matcher": {"GrpcCode": "12"} if grpc else {"HttpCode": "200" if http else "200-399"},
    }
    return defaults | {name: given[name] for name in defaults if name in given}
