"""``NOVA-R…``: a release of a service that fails can be taken back, and is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import Finding, Rule, Template, as_text, referenced, resource

_SERVICE = "AWS::ECS::Service"
_TASK_DEFINITION = "AWS::ECS::TaskDefinition"
_TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_DEPLOYMENT = "Properties.DeploymentConfiguration"
_WATCHED = ("HTTPCode_Target_5XX_Count", "TargetResponseTime", "CPUUtilization")


def _deployment(service: Mapping[str, Any]) -> Mapping[str, Any]:
    configuration: Mapping[str, Any] = service.get("DeploymentConfiguration", {})
    return configuration


def _circuit_breaker(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        breaker = _deployment(service).get("DeploymentCircuitBreaker", {})
        if breaker.get("Enable") is not True or breaker.get("Rollback") is not True:
            yield Finding(logical_id, f"{_DEPLOYMENT}.DeploymentCircuitBreaker")


def _keeps_capacity(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        if _deployment(service).get("MinimumHealthyPercent", 0) < 100:
            yield Finding(logical_id, f"{_DEPLOYMENT}.MinimumHealthyPercent")
        if _deployment(service).get("MaximumPercent", 0) < 200:
            yield Finding(logical_id, f"{_DEPLOYMENT}.MaximumPercent")


def _alarms_roll_back(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        alarms = _deployment(service).get("Alarms", {})
        if alarms.get("Enable") is not True or alarms.get("Rollback") is not True:
            yield Finding(logical_id, f"{_DEPLOYMENT}.Alarms")
            continue
        watched = {
            metric["MetricName"]
            for _, alarm in _deployment_alarms(template, service)
            for metric in _metrics(alarm).values()
        }
        for metric in _WATCHED:
            if metric not in watched:
                yield Finding(logical_id, f"{_DEPLOYMENT}.Alarms.AlarmNames", f"no alarm watches {metric}")


def _alarms_exist_first(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        location = f"{_DEPLOYMENT}.Alarms.AlarmNames"
        by_name = {
            as_text(alarm.get("AlarmName")): alarm_id for alarm_id, alarm in template.of_type("AWS::CloudWatch::Alarm")
        }
        depends_on = template.resources[logical_id].get("DependsOn", [])
        for name in _deployment(service).get("Alarms", {}).get("AlarmNames", []):
            if as_text(name) not in by_name:
                yield Finding(logical_id, location, f"there is no alarm {as_text(name)}")
            elif by_name[as_text(name)] not in depends_on:
                yield Finding(logical_id, "DependsOn", f"{as_text(name)} may be created after the deployment starts")


def _alarms_watch_both_colours(template: Template) -> Iterator[Finding]:
    for _, service in template.of_type(_SERVICE):
        colours = {
            text
            for balancer in service.get("LoadBalancers", [])
            for text in (
                referenced(balancer.get("TargetGroupArn")),
                referenced(balancer.get("AdvancedConfiguration", {}).get("AlternateTargetGroupArn")),
            )
            if text
        }
        for alarm_id, alarm in _deployment_alarms(template, service):
            watched = {
                key: group
                for key, metric in _metrics(alarm).items()
                for dimension in metric.get("Dimensions", [])
                if dimension["Name"] == "TargetGroup" and (group := referenced(dimension["Value"]))
            }
            names = {key: _metrics(alarm)[key]["MetricName"] for key in watched}
            for name in sorted(set(names.values())):
                for colour in sorted(colours - {group for key, group in watched.items() if names[key] == name}):
                    yield Finding(alarm_id, "Properties.Metrics", f"it does not watch {name} of {colour}")
            expressions = " ".join(query.get("Expression", "") for query in alarm.get("Metrics", []))
            for key in watched:
                if not re.search(rf"\bFILL\({re.escape(key)},", expressions):
                    yield Finding(alarm_id, "Properties.Metrics", f"{key} has no data while its colour is idle")


def _alarms_fire_in_time(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        configuration = _deployment(service)
        bakes = {
            f"{_DEPLOYMENT}.BakeTimeInMinutes": configuration.get("BakeTimeInMinutes", 0),
            **{
                f"{_DEPLOYMENT}.{kind}Configuration.{key}": configuration[f"{kind}Configuration"].get(key, 0)
                for kind, key in (("Canary", "CanaryBakeTimeInMinutes"), ("Linear", "StepBakeTimeInMinutes"))
                if f"{kind}Configuration" in configuration
            },
        }
        for _, alarm in _deployment_alarms(template, service):
            datapoints = alarm.get("DatapointsToAlarm", alarm.get("EvaluationPeriods", 1))
            minutes = datapoints * max(metric["Period"] for metric in _metrics(alarm).values()) / 60
            for location, bake in bakes.items():
                if minutes > bake:
                    yield Finding(
                        logical_id, location, f"{as_text(alarm.get('AlarmName'))} needs {minutes:g} minutes to fire"
                    )


def _alarms_state_missing_data(template: Template) -> Iterator[Finding]:
    for _, service in template.of_type(_SERVICE):
        for alarm_id, alarm in _deployment_alarms(template, service):
            if "TreatMissingData" not in alarm:
                yield Finding(alarm_id, "Properties.TreatMissingData")


def _alarms_notify(template: Template) -> Iterator[Finding]:
    for alarm_id, alarm in template.of_type("AWS::CloudWatch::Alarm"):
        if not alarm.get("AlarmActions") or alarm.get("ActionsEnabled") is False:
            yield Finding(alarm_id, "Properties.AlarmActions")


def _task_definitions_stay(template: Template) -> Iterator[Finding]:
    for logical_id, _ in template.of_type(_TASK_DEFINITION):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if template.resources[logical_id].get(policy) != "Retain":
                yield Finding(logical_id, policy)


def _no_desired_count(template: Template) -> Iterator[Finding]:
    scaled = " ".join(
        as_text(target.get("ResourceId"))
        for _, target in template.of_type("AWS::ApplicationAutoScaling::ScalableTarget")
    )
    for logical_id, service in template.of_type(_SERVICE):
        if "DesiredCount" in service and f"${{{logical_id}}}" in scaled:
            yield Finding(logical_id, "Properties.DesiredCount")


def _image_pinned(template: Template) -> Iterator[Finding]:
    for logical_id, definition in template.of_type(_TASK_DEFINITION):
        for index, container in enumerate(definition.get("ContainerDefinitions", [])):
            image = as_text(container.get("Image")).rpartition("/")[2]
            tag = image.partition(":")[2]
            if not tag or tag == "latest" or "${" in tag:
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.Image")


def _traffic_can_shift(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        if _deployment(service).get("Strategy", "ROLLING") == "ROLLING":
            continue
        for balancer in service.get("LoadBalancers", []):
            advanced = balancer.get("AdvancedConfiguration", {})
            rule_id = referenced(advanced.get("ProductionListenerRule"))
            rule = resource(template, rule_id)
            if rule_id is None or rule is None or "AlternateTargetGroupArn" not in advanced:
                yield Finding(logical_id, "Properties.LoadBalancers.AdvancedConfiguration")
                continue
            groups = [
                (referenced(group["TargetGroupArn"]), group.get("Weight"))
                for action in rule["Properties"]["Actions"]
                for group in action.get("ForwardConfig", {}).get("TargetGroups", [])
            ]
            expected = [
                (referenced(balancer["TargetGroupArn"]), 100),
                (referenced(advanced["AlternateTargetGroupArn"]), 0),
            ]
            if groups != expected:
                yield Finding(rule_id, "Properties.Actions", "it must forward 100 to one colour and 0 to the other")


def _requests_finish(template: Template) -> Iterator[Finding]:
    drains = [
        int(attribute["Value"])
        for _, group in template.of_type(_TARGET_GROUP)
        for attribute in group.get("TargetGroupAttributes", [])
        if attribute["Key"] == "deregistration_delay.timeout_seconds"
    ]
    if len(drains) < len(list(template.of_type(_TARGET_GROUP))):
        drains.append(300)  # what a target group waits that says nothing
    for logical_id, definition in template.of_type(_TASK_DEFINITION):
        for index, container in enumerate(definition.get("ContainerDefinitions", [])):
            if drains and container.get("StopTimeout", 30) <= max(drains):
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.StopTimeout")


def _deployment_alarms(template: Template, service: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    names = set(map(as_text, _deployment(service).get("Alarms", {}).get("AlarmNames", [])))
    for alarm_id, alarm in template.of_type("AWS::CloudWatch::Alarm"):
        if as_text(alarm.get("AlarmName")) in names:
            yield alarm_id, alarm


def _metrics(alarm: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The alarm's metrics by id, each with its name, dimensions and period in seconds."""
    if "Metrics" not in alarm:
        return {"": alarm}
    return {
        query["Id"]: {**query["MetricStat"]["Metric"], "Period": query["MetricStat"]["Period"]}
        for query in alarm["Metrics"]
        if "MetricStat" in query
    }


_FAILURE_DETECTION = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html"

SERVICE_RULES = (
    Rule(
        "NOVA-R01",
        "Every service has the circuit breaker on, with rollback",
        "pass circuit_breaker=DeploymentCircuitBreaker(enable=True, rollback=True)",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html",
        _circuit_breaker,
    ),
    Rule(
        "NOVA-R02",
        "No deployment takes a service below its capacity",
        "set min_healthy_percent=100 and max_healthy_percent=200",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_definition_parameters.html",
        _keeps_capacity,
    ),
    Rule(
        "NOVA-R03",
        "Alarms on errors, latency and CPU roll every deployment back",
        "pass all alarm names at once in deployment_alarms, with ROLLBACK_ON_ALARM",
        "aws/aws-cdk#36308: enable_deployment_alarms() keeps only the first list",
        _alarms_roll_back,
    ),
    Rule(
        "NOVA-R04",
        "Every deployment alarm exists before the deployment that it watches",
        "correct the name, and make the service depend on the alarm",
        _FAILURE_DETECTION,
        _alarms_exist_first,
    ),
    Rule(
        "NOVA-R05",
        "Every deployment alarm on a target group watches both colours, one of which is always idle",
        "add the other colour's metric, and FILL(…,0) around each",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html",
        _alarms_watch_both_colours,
    ),
    Rule(
        "NOVA-R06",
        "Every deployment alarm can fire within each bake",
        "lengthen the bake, or let the alarm fire on fewer or shorter periods",
        _FAILURE_DETECTION,
        _alarms_fire_in_time,
    ),
    Rule(
        "NOVA-R07",
        "Every deployment alarm states how it treats missing data",
        "set treat_missing_data",
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html",
        _alarms_state_missing_data,
    ),
    Rule(
        "NOVA-R08",
        "Every alarm notifies someone",
        "add an alarm action to the alert topic",
        "A deployment that rolled back unseen is tried again",
        _alarms_notify,
        "warning",
    ),
    Rule(
        "NOVA-R09",
        "Every task definition outlives its replacement",
        "apply_removal_policy(RemovalPolicy.RETAIN)",
        "aws/aws-cdk#24372: a rollback finds its revision inactive",
        _task_definitions_stay,
    ),
    Rule(
        "NOVA-R10",
        "No deployment resets what autoscaling has chosen",
        "leave desired_count out",
        "aws/aws-cdk#3919",
        _no_desired_count,
    ),
    Rule(
        "NOVA-R11",
        "Every image is pinned in the template",
        "name a tag or a digest, not latest and not a parameter",
        "What a moving tag named last week cannot be deployed again",
        _image_pinned,
    ),
    Rule(
        "NOVA-R12",
        "Every service that shifts traffic has two target groups on one listener rule, weighted 100 and 0",
        "pass an AlternateTarget with the production listener rule, and forward to both groups",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html",
        _traffic_can_shift,
    ),
    Rule(
        "NOVA-R13",
        "Every task outlives the last request that the load balancer may send it",
        "make the stop timeout longer than the target groups' deregistration delay",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html",
        _requests_finish,
        "warning",
    ),
)
