"""Each rule on the project's own template, which it must pass, and on the smallest change that it must refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.checks.rollback.alarms import ALARM_RULES
from nova_infra.checks.rollback.services import SERVICE_RULES
from nova_infra.checks.rule import Template
from nova_infra.checks.rules import findings

STACK = "nova-prod-carts-service"


def of(template: dict[str, Any], resource_type: str) -> dict[str, Any]:
    return next(r for r in template["Resources"].values() if r["Type"] == resource_type)


def service(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of(template, "AWS::ECS::Service")["Properties"]
    return found


def deployment(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service(template)["DeploymentConfiguration"]
    return found


def alarm(template: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(
        r["Properties"]
        for r in template["Resources"].values()
        if r["Type"] == "AWS::CloudWatch::Alarm" and r["Properties"]["AlarmName"].endswith(f"-{kind}")
    )


def set_(node: dict[str, Any], key: str, value: Any) -> None:
    node[key] = value


def without_metric(alarm_: dict[str, Any], key: str) -> None:
    alarm_["Metrics"] = [query for query in alarm_["Metrics"] if query["Id"] != key]


def unfilled(alarm_: dict[str, Any], key: str) -> None:
    for query in alarm_["Metrics"]:
        if "Expression" in query:
            query["Expression"] = query["Expression"].replace(f"FILL({key},0)", key)


def with_math(alarm_: dict[str, Any], expression: str) -> None:
    [returned] = [query for query in alarm_["Metrics"] if query["ReturnData"]]
    returned["Expression"] = expression


def statistics(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [query["MetricStat"] for query in alarm(template, kind)["Metrics"] if "MetricStat" in query]


def drain(template: dict[str, Any], seconds: int) -> None:
    for attribute in target_group(template)["TargetGroupAttributes"]:
        if attribute["Key"] == "deregistration_delay.timeout_seconds":
            attribute["Value"] = str(seconds)


def drain_as_long_as_by_default(template: dict[str, Any]) -> None:
    del container(template)["StopTimeout"]
    drain(template, 30)


def canary(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment(template)["CanaryConfiguration"]
    return found


def breaker(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment(template)["DeploymentCircuitBreaker"]
    return found


def rollback_names(template: dict[str, Any]) -> list[str]:
    found: list[str] = deployment(template)["Alarms"]["AlarmNames"]
    return found


def container(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of(template, "AWS::ECS::TaskDefinition")["Properties"]["ContainerDefinitions"][0]
    return found


def target_group(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = of(template, "AWS::ElasticLoadBalancingV2::TargetGroup")["Properties"]
    return found


def advanced(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service(template)["LoadBalancers"][0]["AdvancedConfiguration"]
    return found


def weighted(template: dict[str, Any], colour: int) -> dict[str, Any]:
    rule = of(template, "AWS::ElasticLoadBalancingV2::ListenerRule")["Properties"]
    found: dict[str, Any] = rule["Actions"][0]["ForwardConfig"]["TargetGroups"][colour]
    return found


_PARAMETER = {"Fn::Join": ["", ["registry/app:", {"Ref": "Tag"}]]}


def scaled_by_reference(template: dict[str, Any]) -> None:
    [logical_id] = [key for key, r in template["Resources"].items() if r["Type"] == "AWS::ECS::Service"]
    parts = ["service/cluster/", {"Fn::GetAtt": [logical_id, "Name"]}]
    set_(
        of(template, "AWS::ApplicationAutoScaling::ScalableTarget")["Properties"],
        "ResourceId",
        {"Fn::Join": ["", parts]},
    )
    set_(service(template), "DesiredCount", 2)


CHANGES = [
    ("NOVA-R01", "no circuit breaker", lambda t: deployment(t).pop("DeploymentCircuitBreaker")),
    ("NOVA-R01", "breaker off", lambda t: set_(breaker(t), "Enable", False)),
    ("NOVA-R01", "breaker without rollback", lambda t: set_(breaker(t), "Rollback", False)),
    ("NOVA-R02", "fewer healthy tasks", lambda t: set_(deployment(t), "MinimumHealthyPercent", 99)),
    ("NOVA-R02", "no room for the new tasks", lambda t: set_(deployment(t), "MaximumPercent", 150)),
    ("NOVA-R02", "room for all new tasks but one percent", lambda t: set_(deployment(t), "MaximumPercent", 199)),
    ("NOVA-R03", "no deployment alarms", lambda t: deployment(t).pop("Alarms")),
    ("NOVA-R03", "alarms off", lambda t: set_(deployment(t)["Alarms"], "Enable", False)),
    ("NOVA-R03", "alarms without rollback", lambda t: set_(deployment(t)["Alarms"], "Rollback", False)),
    ("NOVA-R03", "errors not in the list", lambda t: rollback_names(t).remove(f"{STACK}-errors")),
    ("NOVA-R03", "unanswered not in the list", lambda t: rollback_names(t).remove(f"{STACK}-unanswered")),
    ("NOVA-R03", "latency not in the list", lambda t: rollback_names(t).remove(f"{STACK}-latency")),
    ("NOVA-R03", "CPU not in the list", lambda t: rollback_names(t).remove(f"{STACK}-cpu")),
    ("NOVA-R04", "a name without alarm", lambda t: rollback_names(t).append("typo")),
    ("NOVA-R04", "alarms created any time", lambda t: of(t, "AWS::ECS::Service").pop("DependsOn")),
    ("NOVA-R05", "blue errors unwatched", lambda t: without_metric(alarm(t, "errors"), "errors_blue")),
    ("NOVA-R05", "green latency unwatched", lambda t: without_metric(alarm(t, "latency"), "seconds_green")),
    ("NOVA-R05", "an idle colour silences", lambda t: unfilled(alarm(t, "latency"), "requests_green")),
    ("NOVA-R06", "no bake", lambda t: deployment(t).pop("BakeTimeInMinutes")),
    ("NOVA-R06", "bake too short", lambda t: set_(deployment(t), "BakeTimeInMinutes", 4)),
    (
        "NOVA-R06",
        "canary too short",
        lambda t: set_(canary(t), "CanaryBakeTimeInMinutes", 4),
    ),
    ("NOVA-R06", "period too long", lambda t: set_(alarm(t, "cpu"), "Period", 300)),
    ("NOVA-R06", "one metric's period too long", lambda t: set_(statistics(t, "errors")[0], "Period", 600)),
    ("NOVA-R06", "too many datapoints", lambda t: alarm(t, "cpu").update(DatapointsToAlarm=6, EvaluationPeriods=6)),
    (
        "NOVA-R06",
        "half a minute too long",
        lambda t: alarm(t, "cpu").update(Period=30, DatapointsToAlarm=7, EvaluationPeriods=7),
    ),
    ("NOVA-R06", "too long for a timeout", lambda t: set_(alarm(t, "unanswered"), "DatapointsToAlarm", 3)),
    ("NOVA-R07", "missing data not stated", lambda t: alarm(t, "errors").pop("TreatMissingData")),
    ("NOVA-R08", "nobody told", lambda t: alarm(t, "memory").pop("AlarmActions")),
    ("NOVA-R08", "actions off", lambda t: set_(alarm(t, "running"), "ActionsEnabled", False)),
    ("NOVA-R09", "deleted with its stack", lambda t: of(t, "AWS::ECS::TaskDefinition").pop("DeletionPolicy")),
    ("NOVA-R09", "deregistered when replaced", lambda t: of(t, "AWS::ECS::TaskDefinition").pop("UpdateReplacePolicy")),
    ("NOVA-R10", "fixed desired count", lambda t: set_(service(t), "DesiredCount", 2)),
    ("NOVA-R10", "fixed desired count, the target by reference", scaled_by_reference),
    ("NOVA-R11", "latest", lambda t: set_(container(t), "Image", "registry/app:latest")),
    ("NOVA-R11", "no tag", lambda t: set_(container(t), "Image", "registry/app")),
    ("NOVA-R11", "a parameter", lambda t: set_(container(t), "Image", _PARAMETER)),
    ("NOVA-R12", "no rule to shift by", lambda t: advanced(t).pop("ProductionListenerRule")),
    ("NOVA-R12", "a rule that is not there", lambda t: set_(advanced(t), "ProductionListenerRule", {"Ref": "None"})),
    ("NOVA-R12", "no second colour", lambda t: advanced(t).pop("AlternateTargetGroupArn")),
    ("NOVA-R12", "both colours get traffic", lambda t: set_(weighted(t, 1), "Weight", 50)),
    ("NOVA-R12", "a part of the traffic is lost", lambda t: set_(weighted(t, 0), "Weight", 50)),
    ("NOVA-R13", "stopped before drained", lambda t: set_(container(t), "StopTimeout", 20)),
    (
        "NOVA-R13",
        "drains as long as a task stops by default",
        drain_as_long_as_by_default,
    ),
    ("NOVA-R13", "drains for five minutes", lambda t: target_group(t).pop("TargetGroupAttributes")),
    ("NOVA-R14", "errors need the newest minute", lambda t: set_(alarm(t, "errors"), "EvaluationPeriods", 1)),
    ("NOVA-R14", "unhealthy needs all minutes", lambda t: alarm(t, "unhealthy").pop("DatapointsToAlarm")),
    ("NOVA-R15", "MAX over both colours", lambda t: with_math(alarm(t, "errors"), "MAX([rate_blue,rate_green])")),
    ("NOVA-R16", "an average CPU over all tasks", lambda t: set_(alarm(t, "cpu"), "Statistic", "Average")),
    ("NOVA-R16", "an average memory over all tasks", lambda t: set_(alarm(t, "memory"), "Statistic", "Average")),
]


@pytest.mark.exhaustive(
    "constructs/pipeline/test_asset_publishing.py::test_a_role_that_may_publish_behind_the_approval_is_a_finding"
)
def test_every_template_passes(assembly: Assembly, variant: Assembly) -> None:
    """With the account of the pipeline, which a synthesis knows: in the variant, production shares it."""
    for each in (assembly, variant):
        for name, template in each.templates.items():
            account = "444444444444" if name.startswith("Nova") else None
            assert findings(template, account=account) == [], name


@pytest.mark.parametrize(("rule", "what", "change"), CHANGES, ids=[f"{rule}: {what}" for rule, what, _ in CHANGES])
def test_the_smallest_change_is_refused_by_its_rule_and_no_other(
    assembly: Assembly, rule: str, what: str, change: Callable[..., Any]
) -> None:
    template = assembly.template(STACK)
    change(template)
    assert {broken.id for broken, _ in findings(template)} == {rule}


def test_no_alarms_at_all_are_one_finding_and_not_one_for_each_metric(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    del deployment(template)["Alarms"]
    assert [broken.id for broken, _ in findings(template)] == ["NOVA-R03"]


def test_a_finding_about_a_colour_names_the_metric_and_the_colour(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    without_metric(alarm(template, "errors"), "errors_blue")
    [blue] = [key for key in assembly.resources(STACK, "AWS::ElasticLoadBalancingV2::TargetGroup") if "Blue" in key]
    [rule] = [rule for rule in ALARM_RULES if rule.id == "NOVA-R05"]
    details = [finding.detail for finding in rule.check(Template(template["Resources"]))]
    assert f"it does not watch HTTPCode_Target_5XX_Count of {blue}" in details


def test_a_load_balancer_in_the_same_stack_is_no_colour(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    for stat in (*statistics(template, "errors"), *statistics(template, "latency")):
        dimensions = stat["Metric"]["Dimensions"]
        [balancer] = [dimension for dimension in dimensions if dimension["Name"] == "LoadBalancer"]
        balancer["Value"] = {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}
        dimensions.sort(key=lambda dimension: dimension["Name"], reverse=True)
    assert findings(template) == []


def test_a_rolling_service_needs_no_second_colour(assembly: Assembly) -> None:
    template = assembly.template("nova-dev-carts-service")
    del advanced(template)["AlternateTargetGroupArn"], advanced(template)["ProductionListenerRule"]
    assert findings(template) == []


def test_a_task_that_says_nothing_has_thirty_seconds_to_stop(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    del container(template)["StopTimeout"]
    drain(template, 29)
    assert findings(template) == []


def test_a_task_without_a_load_balancer_may_stop_when_it_likes(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    template["Resources"] = {"Task": of(template, "AWS::ECS::TaskDefinition")}
    container(template)["StopTimeout"] = 2
    assert findings(template) == []


def test_a_linear_rollout_needs_a_step_that_alarms_can_fire_in(variant: Assembly) -> None:
    template = variant.template("acme-test-eu-search")
    deployment(template)["LinearConfiguration"]["StepBakeTimeInMinutes"] = 4
    assert {broken.id for broken, _ in findings(template)} == {"NOVA-R06"}


def test_a_service_without_autoscaling_may_fix_its_count(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    service(template)["DesiredCount"] = 2
    template["Resources"] = {
        key: resource
        for key, resource in template["Resources"].items()
        if resource["Type"] != "AWS::ApplicationAutoScaling::ScalableTarget"
    }
    assert findings(template) == []


def test_an_alarm_of_a_users_own_in_promql_is_none_of_these_rules_business() -> None:
    promql = {"EvaluationCriteria": {"PromQLCriteria": {"Query": "up == 0"}}, "AlarmActions": ["topic"]}
    assert findings({"Resources": {"Own": {"Type": "AWS::CloudWatch::Alarm", "Properties": promql}}}) == []


def test_an_image_pinned_by_digest_passes(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    container(template)["Image"] = f"registry/app@sha256:{'0' * 64}"
    assert findings(template) == []


def test_every_rule_has_a_change_that_it_refuses() -> None:
    assert {rule.id for rule in (*SERVICE_RULES, *ALARM_RULES)} == {rule for rule, _, _ in CHANGES}
