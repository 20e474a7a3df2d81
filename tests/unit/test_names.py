"""The names in the synthesized stacks are those that the tools ask for."""

import json
import re
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra import names
from nova_infra.config.services.worker import Queue
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.connect import Whereabouts, connect, connect_toolchain
from nova_infra.names import BOOTSTRAP_VERSION
from nova_infra.operations.records.parameter import parameter_name

ENVIRONMENTS = ("dev", "staging", "prod")
PREFIXES = {environment: f"nova-{environment}" for environment in ENVIRONMENTS}


class Asked:
    """An account that answers nothing, and keeps what it is asked."""

    partition, region = "aws", "us-east-1"

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def call(self, _service: str, _operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters)
        return {"events": [], "serviceDeployments": []}

    def pages(self, _service: str, _operation: str, _key: str, **parameters: Any) -> list[Any]:
        self.calls.append(parameters)
        return []


def named(assembly: Assembly, resource_type: str, key: str) -> set[str]:
    """The names that resources of a type are given in all stacks."""
    return {
        properties[key]
        for stack in assembly.templates
        for properties in assembly.properties(stack, resource_type)
        if isinstance(properties.get(key), str)
    }


def environment(name: str) -> tuple[AwsEnvironment, Asked]:
    asked = Asked()
    return AwsEnvironment(name, platform="nova", aws=asked), asked  # type: ignore[arg-type]


@pytest.fixture
def project(example: Path) -> Whereabouts:
    """The example's directory."""
    return Whereabouts(example)


def test_stacks_clusters_and_services_have_the_names_that_the_tools_look_for(
    assembly: Assembly, service_names: list[str]
) -> None:
    asked = [environment(name)[0] for name in ENVIRONMENTS]
    services = {each.stack_name(service) for each in asked for service in service_names}
    assert named(assembly, "AWS::ECS::Cluster", "ClusterName") == {each.prefix for each in asked}
    assert named(assembly, "AWS::ECS::Service", "ServiceName") == services
    assert named(assembly, "AWS::ECS::TaskDefinition", "Family") == services
    shared = {each.stack_name(name) for each in asked for name in ("platform", "overview")}
    assert set(assembly.templates) - {"NovaPipelineStack", "NovaRegistryStack"} == services | shared


def test_alarms_are_those_of_the_contract_and_are_found_by_their_prefix(
    assembly: Assembly, service_names: list[str]
) -> None:
    kinds = ("errors", "unanswered", "latency", "cpu", "memory", "unhealthy", "running")
    every = {
        names.alarm_name(names.stack_name(prefix, service), kind)
        for prefix, service, kind in product(PREFIXES.values(), service_names, kinds)
    }
    assert named(assembly, "AWS::CloudWatch::Alarm", "AlarmName") == every
    composite = named(assembly, "AWS::CloudWatch::CompositeAlarm", "AlarmName")
    assert composite == set(map(names.canary_alarm_name, PREFIXES.values()))
    for name in ENVIRONMENTS:
        deployed, asked = environment(name)
        deployed.alarms()
        [prefix] = {call["AlarmNamePrefix"] for call in asked.calls}
        found = {alarm for alarm in every | composite if alarm.startswith(prefix)}
        assert len(found) == len(service_names) * len(kinds) + 1


def test_logs_are_read_where_tasks_write_them(assembly: Assembly, service_names: list[str]) -> None:
    read = set()
    for name, service in product(ENVIRONMENTS, service_names):
        deployed, asked = environment(name)
        deployed.log_lines(service, "stream", 1)
        read.add(asked.calls[0]["logGroupNamePrefix"])
    others = {names.firewall_log_group(PREFIXES[name]) for name in ("staging", "prod")}
    others.add(names.hook_log_group(names.smoke_name(PREFIXES["prod"])))
    groups = {
        stack: assembly.resources(stack, "AWS::Logs::LogGroup") for stack in assembly.templates if stack != "nova-prod"
    }
    # CloudFormation names the others after their stack and their logical id.
    made = {f"{s}-{key}-" for s, found in groups.items() for key, r in found.items() if "LogGroupName" not in str(r)}
    assert made == read
    assert named(assembly, "AWS::Logs::LogGroup", "LogGroupName") == others | {names.pipeline_log_group("nova")}


def test_the_roles_named_are_the_ones_assumed(
    assembly: Assembly, github_assembly: Assembly, project: Whereabouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = set()
    monkeypatch.setattr("nova_infra.deployed.aws.client.session.sign_in", lambda *, role, **_: taken.add(role))
    for name, role in product(ENVIRONMENTS, ("observer", "release")):
        connect(name, role=role, where=project)  # type: ignore[arg-type]
    steps = {names.step_role_name(PREFIXES[name], "verify") for name in ENVIRONMENTS}
    steps |= {names.step_role_name(PREFIXES["prod"], step) for step in ("brief", "preflight")}
    smoke = names.smoke_name(PREFIXES["prod"])  # of Lambda and ECS
    assert named(assembly, "AWS::IAM::Role", "RoleName") == taken | steps | {smoke, names.hook_role_name(smoke)}
    taken |= {smoke, names.hook_role_name(smoke)}
    images = {names.image_role_name("nova"), "nova-early-image-builder", "nova-early-registry"}
    assert named(github_assembly, "AWS::IAM::Role", "RoleName") - taken == {
        *map(names.deploy_role_name, PREFIXES.values()),
        *(images | {"nova-registry", "nova-registry-deploy"}),
    }


def test_the_pipeline_and_its_topic_are_the_ones_that_are_asked(
    assembly: Assembly, project: Whereabouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked()
    monkeypatch.setattr("nova_infra.deployed.aws.client.session.sign_in", lambda **_: asked)
    monkeypatch.setattr("nova_infra.deployed.aws.client.session.whoami", lambda: ("444444444444", "user/a"))
    toolchain = connect_toolchain(project)
    assert toolchain is not None
    toolchain.actions("1")
    toolchain.publish(subject="-", message="-")
    [pipeline] = named(assembly, "AWS::CodePipeline::Pipeline", "Name")
    topic = assembly.only("NovaPipelineStack", "AWS::SNS::Topic")["TopicName"]
    assert [call.get("pipelineName", call.get("TopicArn")) for call in asked.calls] == [
        pipeline,
        f"arn:aws:sns:us-east-1:444444444444:{topic}",
    ]
    topics = {topic, *map(names.alert_topic_name, PREFIXES.values())}
    assert named(assembly, "AWS::SNS::Topic", "TopicName") == topics


def test_repositories_are_those_that_images_are_pushed_to(assembly: Assembly, service_names: list[str]) -> None:
    pushed = {names.repository_name("nova", service) for service in service_names}
    assert named(assembly, "AWS::ECR::Repository", "RepositoryName") == pushed


def test_the_longest_names_that_the_configuration_allows_are_short_enough_for_aws() -> None:
    prefix = names.environment_prefix("p" * 12, "e" * 16)
    stack = names.stack_name(prefix, "s" * 40)
    kinds = ("unanswered", *names.JOB_ALARMS)  # the longest of a service's alarms
    functions = (names.smoke_name(prefix), names.together_name(prefix))
    # https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html, and each service's own reference.
    most = {
        128: [stack],  # of CloudFormation
        255: [*(names.alarm_name(stack, kind) for kind in kinds), names.canary_alarm_name(prefix)],
        80: [stack, *Queue(fifo=True).names(stack)],  # of Step Functions and SQS
        64: [
            names.schedule_name(stack),
            *functions,
            *map(names.hook_role_name, functions),
            *(names.role_name(prefix, role) for role in ("observer", "release", "operator", "gate")),
            *(names.step_role_name(prefix, step) for step in ("preflight", "verify", "brief", "gate")),
            names.deploy_role_name(prefix),
            names.early_image_role_name("p" * 12),
        ],
        512: [names.job_log_group(stack), names.firewall_log_group(prefix)],
        256: [names.early_repository_name("p" * 12, "s" * 40), names.chat_topic_name(names.alert_topic_name(prefix))],
    }
    assert [(name, len(name)) for limit, found in most.items() for name in found if len(name) > limit] == []


def test_a_long_schedule_has_a_name_of_its_own_and_a_short_one_that_of_its_stack() -> None:
    assert names.schedule_name("a" * 64) == "a" * 64
    long = [names.schedule_name(f"nova-live-{'a' * 60}-{end}") for end in ("x", "y")]
    assert len(set(long)) == 2
    assert all(name.startswith("nova-live-a") for name in long)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_release_role_may_write_and_read_what_is_recorded(assembly: Assembly, name: str) -> None:
    deployed, _ = environment(name)
    [policy] = [
        policy
        for policy in assembly.properties(f"nova-{name}-platform", "AWS::IAM::Policy")
        if "ssm:PutParameter" in str(policy)
    ]
    allowed = set(re.findall(r":parameter(/nova/[\w*/-]+)", str(policy)))
    written = [("release",), ("rollback",), ("hold", "*"), ("accepted", "*")]
    listed = [("hold",), ("accepted",)]
    assert allowed == {parameter_name(deployed, *parts) for parts in (*written, *listed)}


def test_every_stack_reads_the_bootstrap_that_the_doctor_asks_for(
    assembly: Assembly, github_assembly: Assembly
) -> None:
    versions = {
        template["Parameters"]["BootstrapVersion"]["Default"]
        for each in (assembly, github_assembly)
        for template in each.templates.values()
    }
    assert versions == {BOOTSTRAP_VERSION}
    for account in ("111111111111", "222222222222", "333333333333"):
        template = github_assembly.templates[f"nova-github-actions-in-{account}-us-east-1"]
        assert set(re.findall(r":role/(cdk-[\w-]+)", str(template))) == {
            names.bootstrap_role_name(role, account, "us-east-1")
            for role in ("deploy-role", "file-publishing-role", "lookup-role")
        }


def test_every_region_is_in_the_partition_that_the_aws_sdk_puts_it_in() -> None:
    partitions = json.loads((resources.files("botocore") / "data" / "partitions.json").read_text())["partitions"]
    known = {
        region: (each["id"], each["outputs"]["dnsSuffix"])
        for each in partitions
        for region in each["regions"]
        if not region.endswith("-global")
    }
    assert {region: (names.partition_of(region), names.domain_of(region)) for region in known} == known
    assert len(set(known.values())) > 5


def test_no_tool_writes_a_partition_where_it_knows_the_region() -> None:
    """Only what compares patterns, or shows an example, may say ``arn:aws:`` as it is."""
    package = Path(names.__file__).parent
    rooms = ("rehearsal/cloudformation", "rehearsal/environment", "deployed/aws", "operations/release", "github.py")
    files = [
        file
        for room in rooms
        for file in ([package / room] if room.endswith(".py") else (package / room).rglob("*.py"))
    ]
    assert len(files) > 20
    found = {
        f"{file.relative_to(package)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if "arn:aws:" in line and file.name != "execution_policy.py"  # its policy gets its partition at the end
    }
    assert found == set()
