"""Reads a deployment under way from answers of ECS and the load balancer: stage, hooks, weights of a rule."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nova_infra.deployed.aws.answers import read_revision
from nova_infra.deployed.rollouts import LifecycleHook, RevisionState, ServiceDeployment


def read_deployment(
    deployment: Mapping[str, Any],
    service: Mapping[str, Any],
    revisions: Mapping[str, Mapping[str, Any]],
    *,
    prefix: str,
) -> ServiceDeployment:
    """A deployment from ECS's answers.

    Args:
        service: Its service, as DescribeServices has it; empty where that was not asked.
        revisions: Service revisions by their ARNs, as DescribeServiceRevisions has them.
        prefix: What the names of the environment's services begin with, without the hyphen.
    """
    configuration = deployment.get("deploymentConfiguration", {})
    shift = configuration.get("canaryConfiguration") or configuration.get("linearConfiguration") or {}
    alarms = deployment.get("alarms", {})
    shifts = configuration.get("strategy", "ROLLING") != "ROLLING"
    old = next(iter(deployment.get("sourceServiceRevisions", ())), None)
    name = deployment.get("serviceArn", "").rpartition("/")[2]
    balancer: Mapping[str, Any] = next(iter(service.get("loadBalancers", ())), {})
    return ServiceDeployment(
        service=name.removeprefix(f"{prefix}-"),
        arn=deployment["serviceDeploymentArn"],
        status=deployment.get("status", ""),
        reason=deployment.get("statusReason", ""),
        stage=deployment.get("lifecycleStage", ""),
        strategy=configuration.get("strategy", "ROLLING"),
        new=_revision(deployment.get("targetServiceRevision", {}), revisions, shifts),
        old=_revision(old, revisions, shifts) if old else None,
        hooks=tuple(_hook(each) for each in deployment.get("lifecycleHookDetails", ())),
        watched=tuple(configuration.get("alarms", {}).get("alarmNames", ())),
        triggered=tuple(alarms.get("triggeredAlarmNames", ())),
        watching=alarms.get("status", "MONITORING") != "DISABLED",
        percent=shift.get("canaryPercent", shift.get("stepPercent")),
        step_bake=int(shift.get("canaryBakeTimeInMinutes", shift.get("stepBakeTimeInMinutes", 0))),
        bake=int(configuration.get("bakeTimeInMinutes", 0)),
        started=deployment.get("startedAt") or deployment.get("createdAt"),
        finished=deployment.get("finishedAt") or deployment.get("stoppedAt"),
        rollback_reason=deployment.get("rollback", {}).get("reason", ""),
        event=next((event["message"] for event in service.get("events", ())), ""),
        rule=balancer.get("advancedConfiguration", {}).get("productionListenerRule", ""),
    )


def revision_arns(deployments: Iterable[Mapping[str, Any]]) -> list[str]:
    """ARNs of the service revisions that deployments lead to and come from, each once."""
    arns = (
        revision.get("arn", "")
        for deployment in deployments
        for revision in (deployment.get("targetServiceRevision", {}), *deployment.get("sourceServiceRevisions", ())[:1])
    )
    return list(dict.fromkeys(arn for arn in arns if arn))


def _revision(state: Mapping[str, Any], revisions: Mapping[str, Mapping[str, Any]], shifts: bool) -> RevisionState:
    arn = state.get("arn", "")
    known = revisions.get(arn, {})
    balancers = known.get("resolvedConfiguration", {}).get("loadBalancers", ())
    return RevisionState(
        arn=arn,
        revision=read_revision(known.get("taskDefinition", "")),
        wanted_tasks=int(state.get("requestedTaskCount", 0)),
        running=int(state.get("runningTaskCount", 0)),
        weight=float(state.get("requestedProductionTrafficWeight", 0)) if shifts else None,
        target_group=next((str(b["targetGroupArn"]) for b in balancers if "targetGroupArn" in b), ""),
    )


def _hook(detail: Mapping[str, Any]) -> LifecycleHook:
    return LifecycleHook(
        id=detail.get("hookId", ""),
        kind=detail.get("targetType", "AWS_LAMBDA"),
        status=detail.get("status", ""),
        expires=detail.get("expiresAt"),
        on_timeout=detail.get("timeoutAction", "ROLLBACK"),
        function=detail.get("targetArn", "").partition(":function:")[2],
    )


def listener_of(rule: str) -> str:
    """ARN of the listener that a rule belongs to: a rule's ARN is that one with a last part more."""
    return rule.replace(":listener-rule/", ":listener/").rpartition("/")[0]


def load_balancer_of(rule: str) -> str:
    """Name of the load balancer that a rule belongs to, as CloudWatch has it: ``app/<name>/<id>``."""
    return "/".join(rule.rpartition(":listener-rule/")[2].split("/")[:3])


def shares(rule: Mapping[str, Any]) -> dict[str, float]:
    """ARN of a target group to its share of what a rule forwards, in percent."""
    for action in rule.get("Actions", ()):
        groups = action.get("ForwardConfig", {}).get("TargetGroups", ())
        weights = {group["TargetGroupArn"]: float(group.get("Weight", 1)) for group in groups}
        if total := sum(weights.values()):
            return {group: 100 * weight / total for group, weight in weights.items()}
    return {}


def needed_requests(alarm: Mapping[str, Any]) -> int:
    """Requests a minute below which an alarm of Nova's says nothing: the guard in its expressions; 0 without one."""
    expressions = (metric.get("Expression", "") for metric in alarm.get("Metrics", ()))
    guards = (int(n) for each in expressions if "requests" in each for n in re.findall(r">=\s*(\d+)", each))
    return max(guards, default=0)


def needed_of_each(alarm: Mapping[str, Any]) -> int:
    """Requests a minute of one revision below which a percentile of Nova's leaves it out; 0 for any other alarm.

    A share of few requests still shows in the share over both revisions. A percentile has no such sum: that of a
    canary with fewer requests counts as 0, however slow they were.
    """
    metrics = alarm.get("Metrics", ())
    if not any(str(metric.get("MetricStat", {}).get("Stat", "")).startswith("p") for metric in metrics):
        return 0
    # One revision's guard names its requests alone, the guard over both names two sums of them.
    guards = (re.match(r"IF\(FILL\(requests_\w+,0\)>=(\d+),FILL\(", m.get("Expression", "")) for m in metrics)
    return max((int(guard[1]) for guard in guards if guard), default=0)
