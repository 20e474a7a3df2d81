"""What the rehearsal does not know is never passed over: every property of the real templates is changed in turn."""

import copy
import functools
import itertools
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.examples import examples
from helpers.exhaustive import one_of_each
from nova_infra.errors import NovaError
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import (
    PLAYED,
    check_properties,
    check_template,
)
from nova_infra.rehearsal.delivery.definition import read_pipeline
from nova_infra.rehearsal.pipeline.precheck import StageReading

# Whatever these say, the rehearsal is the same. All else must be read, or be refused.
NO_MATTER = (
    "AWS::ApplicationAutoScaling::ScalableTarget.RoleARN",
    "AWS::CloudWatch::Alarm.AlarmDescription",
    "AWS::CloudWatch::Alarm.Metrics[].Label",
    "AWS::CloudWatch::CompositeAlarm.AlarmDescription",
    "AWS::CodeBuild::Project.Cache",
    "AWS::CodeBuild::Project.Description",
    "AWS::CodeBuild::Project.EncryptionKey",
    "AWS::CodeBuild::Project.Environment.ComputeType",
    "AWS::CodeBuild::Project.Environment.Image",
    "AWS::CodeBuild::Project.Environment.ImagePullCredentialsType",
    "AWS::CodeBuild::Project.Environment.Type",
    "AWS::CodeBuild::Project.LogsConfig",
    "AWS::CodeBuild::Project.Name",
    "AWS::CodeBuild::Project.ServiceRole",
    "AWS::CodeBuild::Project.TimeoutInMinutes",
    "AWS::CodePipeline::Pipeline.ArtifactStore",
    "AWS::CodePipeline::Pipeline.ArtifactStores",
    "AWS::CodePipeline::Pipeline.ExecutionMode",
    "AWS::CodePipeline::Pipeline.PipelineType",
    "AWS::CodePipeline::Pipeline.RestartExecutionOnUpdate",
    "AWS::CodePipeline::Pipeline.RoleArn",
    "AWS::CodePipeline::Pipeline.Triggers",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].ActionTypeId.Owner",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].ActionTypeId.Version",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].Configuration",  # By provider: below.
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].InputArtifacts",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].OutputArtifacts",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].Region",
    "AWS::CodePipeline::Pipeline.Stages[].Actions[].RoleArn",
    "AWS::CodePipeline::Pipeline.Stages[].BeforeEntry.Conditions[].Rules[].RuleTypeId.Category",
    "AWS::CodePipeline::Pipeline.Stages[].BeforeEntry.Conditions[].Rules[].RuleTypeId.Owner",
    "AWS::CodePipeline::Pipeline.Stages[].BeforeEntry.Conditions[].Rules[].RuleTypeId.Version",
    "AWS::CodeStarNotifications::NotificationRule.DetailType",
    "AWS::CodeStarNotifications::NotificationRule.Name",
    "AWS::ECS::Cluster.ClusterSettings",
    # A function gets it as it is, whatever it says.
    "AWS::ECS::Service.DeploymentConfiguration.LifecycleHooks[].HookDetails",
    "AWS::ECS::Service.AvailabilityZoneRebalancing",
    "AWS::ECS::Service.EnableECSManagedTags",
    "AWS::ECS::Service.EnableExecuteCommand",
    "AWS::ECS::Service.DeploymentConfiguration.LifecycleHooks[].RoleArn",
    "AWS::ECS::Service.LoadBalancers[].AdvancedConfiguration.RoleArn",
    "AWS::ECS::Service.NetworkConfiguration",
    "AWS::ECS::Service.PropagateTags",
    "AWS::ECS::TaskDefinition.ContainerDefinitions[].LogConfiguration",
    "AWS::ECS::TaskDefinition.ContainerDefinitions[].MountPoints",
    "AWS::ECS::TaskDefinition.ContainerDefinitions[].ReadonlyRootFilesystem",
    "AWS::ECS::TaskDefinition.ContainerDefinitions[].Secrets[].ValueFrom",
    "AWS::ECS::TaskDefinition.Cpu",
    "AWS::ECS::TaskDefinition.ExecutionRoleArn",
    "AWS::ECS::TaskDefinition.RequiresCompatibilities",
    "AWS::ECS::TaskDefinition.RuntimePlatform",
    "AWS::ECS::TaskDefinition.TaskRoleArn",
    "AWS::ElasticLoadBalancingV2::Listener.Certificates",
    "AWS::ElasticLoadBalancingV2::Listener.SslPolicy",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.LoadBalancerAttributes[].Value",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.Name",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.Scheme",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.SecurityGroups",
    "AWS::ElasticLoadBalancingV2::LoadBalancer.Subnets",
    "AWS::ElasticLoadBalancingV2::TargetGroup.Port",
    "AWS::ElasticLoadBalancingV2::TargetGroup.VpcId",
    "AWS::Route53::RecordSet.AliasTarget.HostedZoneId",
    "AWS::Lambda::Function.Description",
    "AWS::Lambda::Function.LoggingConfig",
    "AWS::Lambda::Function.Role",
    "AWS::Route53::RecordSet.HostedZoneId",
    "AWS::SNS::Topic.KmsMasterKeyId",
)

# Texts that may be anything: names, paths, commands. That they are used is what the other tests show.
TEXTS = (
    "AlarmName", "AlarmActions[]", "BuildSpec", "ClusterName", "Cluster", "Command[]", "ContainerName", "ContentType",
    "Cron", "Expression", "Family", "HealthCheckPath", "Id", "Image", "MessageBody", "Name", "Namespace", "OKActions[]",
    "Port", "Reason", "Resource",
    "TargetAddress", "ResourceId", "ServiceName", "StageName", "Stat", "Statistic", "TimeZone", "TopicName", "Value",
    "Values[]", "HttpCode", "DNSName", "LoadBalancerArn", "ListenerArn", "TargetGroupArn", "TaskDefinition", "Provider",
    "AlternateTargetGroupArn", "ProductionListenerRule", "Category",
    "HookTargetArn", "TestListenerRule", "HttpHeaderName", "FunctionName", "ZipFile", "header", "value", "urls[]",
    "Handler", "Runtime",
)  # fmt: skip

PIPELINE = (
    "AWS::CodeBuild::Project",
    "AWS::CodePipeline::Pipeline",
    "AWS::CodeStarNotifications::NotificationRule",
)
STAGES = [("nova", "prod", "carts-service"), ("nova", "dev", "bills-service"), ("acme", "test-eu", "search"),
          ("acme", "live", "search")]  # fmt: skip


Stages = list[dict[str, dict[str, Any]]]
Pipelines = list[dict[str, Any]]


@pytest.fixture(scope="session")
def stages(assembly: Assembly, variant: Assembly) -> Stages:
    """Of each kind of stage: stack name to template, in the order of deployment."""
    of = {"nova": assembly, "acme": variant}
    return [
        {f"{prefix}-{stage}-{part}": of[prefix].templates[f"{prefix}-{stage}-{part}"] for part in ("platform", service)}
        for prefix, stage, service in STAGES
    ]


@pytest.fixture(scope="session")
def pipelines(assembly: Assembly, variant: Assembly) -> Pipelines:
    return [assembly.templates["NovaPipelineStack"], variant.templates["NovaPipelineStack"]]


def read(before: StageReading, stacks: list[tuple[str, dict[str, Any]]]) -> None:
    reading = copy.deepcopy(before)
    for name, template in stacks:
        reading.read(name, template)
    for fault in (*reading.alarms.unevaluated.values(), *reading.unknown):  # The verdict names such an alarm.
        raise NovaError(fault)


def stacks(stage: dict[str, dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
    """Each template of a stage, and what reads it and those after it, those before it being read already."""
    reading = StageReading()
    for place, (name, template) in enumerate(stage.items()):
        yield template, functools.partial(read, copy.deepcopy(reading), list(stage.items())[place:])
        reading.read(name, template)


def places(value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Path, container and key of everything in a resource's properties; references and what does not matter aside."""
    if path in NO_MATTER:
        return
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        if key == "Ref" or str(key).startswith("Fn::"):
            continue
        where = f"{path}.{key}" if isinstance(value, dict) else f"{path}[]"
        yield where, value, key
        if isinstance(inner, (dict, list)):
            yield from places(inner, where)


def mutants(
    template: dict[str, Any], change: Any, seen: set[tuple[str, str]], types: Collection[str] = PLAYED
) -> Iterator[str]:
    """Change one place after the other; yields its path while it is changed.

    What has been seen in that place already, such as an alarm's period, is not changed once more.
    """
    for resource in template["Resources"].values():
        if resource["Type"] not in types:
            continue
        for path, container, key in list(places(resource["Properties"], resource["Type"])):
            value = (path, json.dumps(container[key]))
            if path in NO_MATTER or value in seen:
                continue
            seen.add(value)
            before = copy.copy(container)
            if change(path, container, key):
                yield path
            container.clear()
            (container.update if isinstance(container, dict) else container.extend)(before)


def rename(_: str, container: Any, key: Any) -> bool:
    if isinstance(container, dict):
        container[f"{key}Surprise"] = container.pop(key)
    return isinstance(container, dict)


def nest(_: str, container: Any, key: Any) -> bool:
    container[key] = {"Surprise": 1, "Another": 2}
    return True


def misspell(path: str, container: Any, key: Any) -> bool:
    container[key] = "surprise"
    return path.rpartition(".")[2] not in TEXTS


@pytest.mark.exhaustive("test_whatever_is_missing_is_read_or_refused_in_one_line")
@pytest.mark.parametrize("change", one_of_each([rename, nest, misspell]))
def test_no_property_of_a_stage_can_change_its_meaning_in_silence(stages: Stages, change: Any) -> None:
    passed_over, seen = [], set[tuple[str, str]]()
    for stage in copy.deepcopy(stages):
        for template, again in stacks(stage):
            again()
            for path in mutants(template, change, seen):
                try:
                    again()
                except NovaError:
                    continue
                passed_over.append(path)
    assert sorted(set(passed_over)) == []


@pytest.mark.exhaustive("test_whatever_is_missing_is_read_or_refused_in_one_line")
@pytest.mark.parametrize("change", one_of_each([rename, nest, misspell]))
def test_no_property_of_a_pipeline_can_change_its_meaning_in_silence(pipelines: Pipelines, change: Any) -> None:
    passed_over, seen = [], set[tuple[str, str]]()
    for pipeline in copy.deepcopy(pipelines):
        read_pipeline(pipeline)
        for path in mutants(pipeline, change, seen, PIPELINE):
            try:
                read_pipeline(pipeline)
            except NovaError:
                continue
            passed_over.append(path)
    assert sorted(set(passed_over)) == []


def drop(_: str, container: Any, key: Any) -> bool:
    del container[key]
    return True


def empty(_: str, container: Any, key: Any) -> bool:
    container[key] = type(container[key])()
    return True


@pytest.mark.parametrize("change", one_of_each([drop, empty]))
def test_whatever_is_missing_is_read_or_refused_in_one_line(stages: Stages, pipelines: Pipelines, change: Any) -> None:
    refused, seen, number, step = [], set[tuple[str, str]](), itertools.count(), 5 // examples(5)

    def attempt(act: Callable[[], object]) -> None:
        if next(number) % step:  # `make test` tries a fifth of them
            return
        try:
            act()
        except NovaError as error:
            refused.append(str(error))

    for stage in copy.deepcopy(stages):
        for template, again in stacks(stage):
            for _ in mutants(template, change, seen):
                attempt(again)
    for pipeline in copy.deepcopy(pipelines):
        for _ in mutants(pipeline, change, seen, PIPELINE):
            attempt(lambda pipeline=pipeline: read_pipeline(pipeline))  # type: ignore[misc]
    assert refused
    assert not [line for line in refused if "\n" in line]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Type": "Nonsense"}, r"prod\.Odd: has type Nonsense"),
        ({"Type": "AWS::ECS"}, r"prod\.Odd: has type AWS::ECS"),
        ({"Properties": {}}, r"prod\.Resources\.Odd: has no Type, so CloudFormation would refuse it"),
        ({"Type": "AWS::IAM::Role", "Condition": {"Fn::Not": []}}, r"prod\.Resources\.Odd: has the Condition"),
        ({"Type": "AWS::IAM::Role", "Properties": None}, r"prod\.Resources\.Odd: has the Properties None"),
        ({"Type": "AWS::ECS::Service", "UpdatePolicy": {}}, r"prod\.Odd\.UpdatePolicy: "),
        ({"Type": "AWS::IAM::Role", "Condtion": "Prod"}, r"prod\.Odd\.Condtion: "),
    ],
)
def test_a_resource_that_is_not_known_is_an_error_that_names_it(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match=said):
        check_template({"Resources": {"Odd": change}}, "prod")


def test_a_section_that_is_not_known_is_an_error_that_names_it() -> None:
    with pytest.raises(UnresolvableError, match=r"prod\.Transform: "):
        check_template({"Transform": "AWS::Serverless", "Resources": {}}, "prod")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"DeploymentConfiguration": {"Hooks": []}}, r"prod\.S\.DeploymentConfiguration\.Hooks: "),
        ({"DeploymentConfiguration": {"MinimumHealthyPercent": -1}}, r"MinimumHealthyPercent: is -1, .* 0 to 100"),
        ({"LoadBalancers": {}}, r"LoadBalancers: is {}, but the rehearsal expects a list"),
        ({"DesiredCount": True}, r"DesiredCount: is True"),
        ({"DesiredCount": "two"}, r"DesiredCount: is 'two'"),
        ({"ServiceName": "{{resolve:ssm:/name}}"}, r"ServiceName: .* only CloudFormation can look up"),
    ],
)
def test_a_property_that_is_not_known_is_an_error_that_names_it(properties: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match=said):
        check_properties("AWS::ECS::Service", properties, "prod.S")


def test_attributes_are_known_by_their_keys() -> None:
    def check(key: str, value: str) -> None:
        entries = {"TargetGroupAttributes": [{"Key": key, "Value": value}]}
        check_properties("AWS::ElasticLoadBalancingV2::TargetGroup", entries, "prod.G")

    check("deregistration_delay.timeout_seconds", "20")
    check("stickiness.enabled", "true")
    unknown = "deregistration_delay.seconds"
    for key, value in ((unknown, "2"), ("stickiness.enabled", "perhaps")):
        with pytest.raises(UnresolvableError, match=r"prod\.G\.TargetGroupAttributes"):
            check(key, value)


@pytest.mark.parametrize("key", ["finally", "on-failure"])
def test_a_phase_of_a_build_spec_says_nothing_that_is_passed_over(pipelines: Pipelines, key: str) -> None:
    pipeline = copy.deepcopy(pipelines[0])
    for resource in pipeline["Resources"].values():
        if resource["Type"] == "AWS::CodeBuild::Project":
            spec = json.loads(resource["Properties"]["Source"]["BuildSpec"])
            spec["phases"]["build"][key] = "x"
            resource["Properties"]["Source"]["BuildSpec"] = json.dumps(spec)
    with pytest.raises(NovaError, match=rf"Build\.Synth: its build spec has build\.{key}"):
        read_pipeline(pipeline)


@pytest.mark.parametrize("provider", ["CodeBuild", "CloudFormation", "Manual"])
def test_an_actions_configuration_says_nothing_that_is_passed_over(pipelines: Pipelines, provider: str) -> None:
    pipeline = copy.deepcopy(pipelines[0])
    for resource in pipeline["Resources"].values():
        if resource["Type"] == "AWS::CodePipeline::Pipeline":
            for stage in resource["Properties"]["Stages"]:
                for action in stage["Actions"]:
                    if action["ActionTypeId"]["Provider"] == provider:
                        action.setdefault("Configuration", {})["Surprise"] = "x"
    with pytest.raises(NovaError, match=r"\.Configuration\.Surprise: "):
        read_pipeline(pipeline)
