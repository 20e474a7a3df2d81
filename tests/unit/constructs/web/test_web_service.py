import json
from typing import Any
from unittest.mock import ANY

import pytest

from helpers.assembly import Assembly
from nova_infra.config import Rollout
from nova_infra.constructs.hooks.gates import gate_hooks

STACK = "nova-prod-carts-service"


def service(assembly: Assembly, stack: str = STACK) -> dict[str, Any]:
    return assembly.only(stack, "AWS::ECS::Service")


def deployment(assembly: Assembly, stack: str = STACK) -> dict[str, Any]:
    found: dict[str, Any] = service(assembly, stack)["DeploymentConfiguration"]
    return found


def test_dev_is_rolling(assembly: Assembly) -> None:
    configuration = deployment(assembly, "nova-dev-carts-service")
    assert configuration["Strategy"] == "ROLLING"
    assert configuration["BakeTimeInMinutes"] == 11


@pytest.mark.parametrize(
    ("stack", "percent", "canary_bake", "bake"), [("nova-staging-carts-service", 15, 6, 7), (STACK, 10, 5, 9)]
)
def test_a_canary_has_the_share_and_the_bakes_of_its_environment(
    assembly: Assembly, stack: str, percent: int, canary_bake: int, bake: int
) -> None:
    configuration = deployment(assembly, stack)
    assert configuration["Strategy"] == "CANARY"
    assert configuration["CanaryConfiguration"] == {"CanaryPercent": percent, "CanaryBakeTimeInMinutes": canary_bake}
    assert configuration["BakeTimeInMinutes"] == bake


def test_a_linear_rollout_takes_the_configured_steps(variant: Assembly) -> None:
    configuration = deployment(variant, "acme-test-eu-search")
    assert configuration["Strategy"] == "LINEAR"
    assert configuration["LinearConfiguration"] == {"StepPercent": 20, "StepBakeTimeInMinutes": 5}


def test_a_blue_green_rollout_only_bakes(variant: Assembly) -> None:
    configuration = deployment(variant, "acme-live-search")
    assert configuration["Strategy"] == "BLUE_GREEN"
    assert not {"CanaryConfiguration", "LinearConfiguration"} & set(configuration)


@pytest.mark.parametrize(
    ("stack", "stage", "minutes"),
    [("acme-test-eu-search", "POST_TEST_TRAFFIC_SHIFT", 60), ("acme-live-search", "PRE_PRODUCTION_TRAFFIC_SHIFT", 70)],
)
def test_a_gate_pauses_after_the_tests_and_rolls_back_where_nobody_answers(
    variant: Assembly, stack: str, stage: str, minutes: int
) -> None:
    _, pause, _ = deployment(variant, stack)["LifecycleHooks"]
    assert pause == {
        "TargetType": "PAUSE",
        "LifecycleStages": [stage],
        "TimeoutConfiguration": {"TimeoutInMinutes": minutes, "Action": "ROLLBACK"},
    }


def test_a_gate_pauses_once_new_tasks_run_where_nothing_is_tested() -> None:
    rollout = Rollout(strategy="canary", gate="person", gate_minutes=3)
    [hook] = gate_hooks(rollout, after_tests=False)
    assert hook["LifecycleStages"] == ["POST_SCALE_UP"]


def test_a_function_asks_the_smoke_paths_before_any_user_meets_the_new_revision(variant: Assembly) -> None:
    test, *_ = deployment(variant, "acme-live-search")["LifecycleHooks"]
    assert isinstance(test["HookDetails"], str)
    assert json.loads(test["HookDetails"]) == {
        "header": "x-nova-test",
        "value": "new-revision",
        "urls": ["https://acme.example.com/search?q=a", "https://acme.example.com/find/b"],
    }
    assert {**test, "HookDetails": ANY} == {
        "TargetType": "AWS_LAMBDA",
        "HookTargetArn": "arn:aws:lambda:us-east-1:444444444444:function:acme-live-smoke",
        "RoleArn": "arn:aws:iam::444444444444:role/acme-live-smoke-hook",
        "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
        "HookDetails": ANY,
        "TimeoutConfiguration": {"TimeoutInMinutes": 10, "Action": "ROLLBACK"},
    }
    functions = variant.properties("acme-live-platform", "AWS::Lambda::Function")
    assert "acme-live-smoke" in {each["FunctionName"] for each in functions}
    roles = {role.get("RoleName"): role for role in variant.properties("acme-live-platform", "AWS::IAM::Role")}
    [statement] = roles["acme-live-smoke-hook"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "ecs.amazonaws.com"}


def test_a_service_waits_for_the_others_of_its_release_before_every_step(variant: Assembly) -> None:
    *_, together = deployment(variant, "acme-live-search")["LifecycleHooks"]
    assert together == {
        "TargetType": "AWS_LAMBDA",
        "HookTargetArn": "arn:aws:lambda:us-east-1:444444444444:function:acme-live-together",
        "RoleArn": "arn:aws:iam::444444444444:role/acme-live-together-hook",
        "LifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
        "TimeoutConfiguration": {"TimeoutInMinutes": 35 + 70, "Action": "ROLLBACK"},
    }


def test_the_function_of_a_group_knows_the_images_of_its_release(variant: Assembly) -> None:
    functions = variant.properties("acme-live-platform", "AWS::Lambda::Function")
    [function] = [each for each in functions if each["FunctionName"] == "acme-live-together"]
    told = function["Code"]["ZipFile"].rpartition("RELEASE.update(")[2]
    variables = variant.only("acme-live-search", "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]["Environment"]
    [tag] = [each["Value"] for each in variables if each["Name"] == "NOVA_RELEASE"]
    assert json.loads(told.strip().removesuffix(")")) == {"acme-live-search": tag}


def test_every_hooks_function_and_role_are_there_before_the_service(variant: Assembly) -> None:
    """They are named, not referred to: so they are in the stack that is deployed before."""
    platform = "acme-live-platform"
    functions = {each["FunctionName"] for each in variant.properties(platform, "AWS::Lambda::Function")}
    roles = {each.get("RoleName") for each in variant.properties(platform, "AWS::IAM::Role")}
    hooks = [each for each in deployment(variant, "acme-live-search")["LifecycleHooks"] if "RoleArn" in each]
    assert len(hooks) == 2
    for hook in hooks:
        name = hook["HookTargetArn"].rpartition(":")[2]
        assert name in functions
        assert hook["RoleArn"].rpartition("/")[2] == f"{name}-hook"
        assert f"{name}-hook" in roles


def test_the_rule_for_tests_stands_right_before_the_services_own_and_asks_for_a_header(variant: Assembly) -> None:
    rules = variant.properties("acme-live-search", "AWS::ElasticLoadBalancingV2::ListenerRule")
    test, own = sorted(rules, key=lambda rule: rule["Priority"])
    assert (test["Priority"], own["Priority"]) == (6, 7)
    assert test["Conditions"] == [
        *own["Conditions"],
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-nova-test", "Values": ["new-revision"]}},
    ]
    [balancer] = service(variant, "acme-live-search")["LoadBalancers"]
    assert "TestListenerRule" in balancer["AdvancedConfiguration"]


def test_where_nothing_is_tested_there_is_no_function_and_no_rule_for_tests(assembly: Assembly) -> None:
    assert not list(assembly.properties("nova-staging-platform", "AWS::Lambda::Function"))
    stack = "nova-staging-carts-service"
    assert len(list(assembly.properties(stack, "AWS::ElasticLoadBalancingV2::ListenerRule"))) == 1
    assert "LifecycleHooks" not in deployment(assembly, stack)


def test_where_an_approval_is_taken_services_of_the_kit_are_tested_by_default(assembly: Assembly) -> None:
    [hook] = deployment(assembly)["LifecycleHooks"]
    base = "https://nova.example.com/carts-service"
    assert json.loads(hook["HookDetails"])["urls"] == [f"{base}/version", f"{base}/openapi.json"]


def test_nothing_pauses_without_a_gate(assembly: Assembly) -> None:
    assert {hook["TargetType"] for hook in deployment(assembly)["LifecycleHooks"]} == {"AWS_LAMBDA"}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_deployment_rolls_back_by_circuit_breaker_and_by_exactly_these_alarms(
    assembly: Assembly, environment: str
) -> None:
    name = f"nova-{environment}-store-service"
    configuration = deployment(assembly, name)
    assert configuration["DeploymentCircuitBreaker"] == {
        "Enable": True,
        "Rollback": True,
        "ResetOnHealthyTask": False,
    }
    assert configuration["Alarms"] == {
        "AlarmNames": [f"{name}-{kind}" for kind in ("errors", "unanswered", "latency", "cpu", "memory")],
        "Enable": True,
        "Rollback": True,
    }
    assert (configuration["MinimumHealthyPercent"], configuration["MaximumPercent"]) == (100, 200)


def test_the_controller_is_that_of_ecs(assembly: Assembly) -> None:
    assert service(assembly)["DeploymentController"] == {"Type": "ECS"}


def test_only_the_service_waits_for_its_alarms(assembly: Assembly) -> None:
    alarms = set(assembly.resources(STACK, "AWS::CloudWatch::Alarm"))
    waiting = {
        key
        for key, resource in assembly.templates[STACK]["Resources"].items()
        if alarms & set(resource.get("DependsOn", []))
    }
    assert waiting == set(assembly.resources(STACK, "AWS::ECS::Service"))


def test_there_is_no_desired_count(assembly: Assembly) -> None:
    assert "DesiredCount" not in service(assembly)


def test_tasks_have_no_public_address_and_run_in_private_subnets(assembly: Assembly) -> None:
    network = service(assembly)["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert all("PrivateSubnet" in str(subnet) for subnet in network["Subnets"])


def test_tasks_are_reached_by_the_load_balancer_on_their_port_only(variant: Assembly) -> None:
    stack = "acme-live-search"
    [group] = variant.properties(stack, "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    [rule] = variant.properties(stack, "AWS::EC2::SecurityGroupIngress")
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (9000, 9000, "tcp")
    assert "IngressGroup" in str(rule["SourceSecurityGroupId"])
    assert {(rule["FromPort"], rule["ToPort"]) for rule in group["SecurityGroupEgress"]} == {(80, 80), (443, 443)}


def test_the_rule_forwards_all_to_blue_and_nothing_to_green(assembly: Assembly) -> None:
    for rule in assembly.properties(STACK, "AWS::ElasticLoadBalancingV2::ListenerRule"):
        [action] = rule["Actions"]
        weights = [group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]]
        groups = ["Blue" in str(group["TargetGroupArn"]) for group in action["ForwardConfig"]["TargetGroups"]]
        assert (weights, groups) == ([100, 0], [True, False])


def test_the_rule_has_the_configured_paths_and_priority(variant: Assembly) -> None:
    rules = variant.properties("acme-live-search", "AWS::ElasticLoadBalancingV2::ListenerRule")
    [rule] = [rule for rule in rules if rule["Priority"] == 7]
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/search", "/find/*"]


def test_ecs_moves_traffic_between_the_two_groups_of_the_rule(assembly: Assembly) -> None:
    [balancer] = service(assembly)["LoadBalancers"]
    rules = assembly.resources(STACK, "AWS::ElasticLoadBalancingV2::ListenerRule")
    [rule] = [each for each, found in rules.items() if len(found["Properties"]["Conditions"]) == 1]
    assert balancer["AdvancedConfiguration"]["ProductionListenerRule"] == {"Ref": rule}
    assert "Green" in str(balancer["AdvancedConfiguration"]["AlternateTargetGroupArn"])
    assert "Blue" in str(balancer["TargetGroupArn"])


def test_nothing_about_a_target_group_makes_it_be_replaced(assembly: Assembly, variant: Assembly) -> None:
    for each, stack in ((assembly, STACK), (variant, "acme-live-search")):
        for group in each.properties(stack, "AWS::ElasticLoadBalancingV2::TargetGroup"):
            assert (group["Port"], group["Protocol"], group["TargetType"]) == (80, "HTTP", "ip")
            assert "Name" not in group


def test_a_target_is_in_service_within_half_a_minute_and_out_of_it_as_soon(assembly: Assembly) -> None:
    for group in assembly.properties(STACK, "AWS::ElasticLoadBalancingV2::TargetGroup"):
        assert group["HealthCheckPath"] == "/health"
        assert (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (2, 3)
        assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]) == (10, 5)
        for threshold in ("HealthyThresholdCount", "UnhealthyThresholdCount"):
            assert group[threshold] * group["HealthCheckIntervalSeconds"] <= 30


def test_a_task_that_starts_is_not_killed_for_a_health_check_that_fails_meanwhile(assembly: Assembly) -> None:
    assert service(assembly)["HealthCheckGracePeriodSeconds"] == 60


def test_tasks_scale_between_the_bounds_of_their_environment(assembly: Assembly) -> None:
    target = assembly.only(STACK, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 10)


def _scaling_policies(variant: Assembly) -> dict[str, dict[str, Any]]:
    return {
        policy["PolicyName"].removeprefix("acme-live-search-"): policy["TargetTrackingScalingPolicyConfiguration"]
        for policy in variant.properties("acme-live-search", "AWS::ApplicationAutoScaling::ScalingPolicy")
    }


def test_tasks_scale_in_when_nobody_asks_any_more(variant: Assembly) -> None:
    """Tracking what has no data never scales in, and tracking what is filled with 0 never scales out."""
    idle = _scaling_policies(variant)["idle"]
    assert idle == {"TargetValue": 300, "CustomizedMetricSpecification": ANY}
    assert idle["CustomizedMetricSpecification"]["Metrics"][-1]["Expression"] == "SUM([FILL(blue,0),FILL(green,0)])"


def test_tasks_scale_on_cpu_and_on_requests_over_both_colours(variant: Assembly) -> None:
    policies = _scaling_policies(variant)
    assert set(policies) == {"cpu", "requests", "idle"}
    assert policies["cpu"] == {
        "TargetValue": 40,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
    }, "which leaves AWS's cooldowns as they are: fast out, slow in"
    requests = policies["requests"]
    assert requests == {"TargetValue": 300, "CustomizedMetricSpecification": ANY, "DisableScaleIn": True}
    *colours, total = requests["CustomizedMetricSpecification"]["Metrics"]
    assert {each["MetricStat"]["Metric"]["MetricName"] for each in colours} == {"RequestCountPerTarget"}
    assert {each["MetricStat"]["Stat"] for each in colours} == {"Sum"}, "AWS: the only valid statistic"
    for each in colours:
        dimensions = {d["Name"]: str(d["Value"]) for d in each["MetricStat"]["Metric"]["Dimensions"]}
        assert set(dimensions) == {"LoadBalancer", "TargetGroup"}
        assert each["Id"].capitalize() in dimensions["TargetGroup"]
    assert total["Expression"] == "SUM([blue,green])"


def test_nothing_takes_a_value_from_the_service(assembly: Assembly) -> None:
    """CloudFormation would list it in the plan of every rollback, as something that may change."""
    [service_id] = assembly.resources(STACK, "AWS::ECS::Service")
    taking = [
        logical_id
        for logical_id, resource in assembly.templates[STACK]["Resources"].items()
        if f'"{service_id}"' in json.dumps(resource.get("Properties", {}))
    ]
    assert taking == []
    target = assembly.only(STACK, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["ResourceId"] == "service/nova-prod/nova-prod-carts-service"
    [target] = assembly.resources(STACK, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert service_id in target["DependsOn"]


def test_no_task_starts_before_the_execution_role_may_pull_its_image(assembly: Assembly) -> None:
    [service] = assembly.resources(STACK, "AWS::ECS::Service").values()
    [definition] = assembly.properties(STACK, "AWS::ECS::TaskDefinition")
    role = definition["ExecutionRoleArn"]["Fn::GetAtt"][0]
    policies = [
        logical_id
        for logical_id, policy in assembly.resources(STACK, "AWS::IAM::Policy").items()
        if {"Ref": role} in policy["Properties"]["Roles"]
    ]
    assert policies
    assert {role, *policies} <= set(service["DependsOn"])
