"""A worker and a job in somebody else's app, with a network, a cluster and a task definition of its own."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk.assertions import Template

from nova_infra.config import Service
from nova_infra.constructs.background.scheduled_job import ScheduledJob
from nova_infra.constructs.background.worker_service import WorkerService
from nova_infra.constructs.hooks.before_deploy import handler_source
from nova_infra.constructs.settings import ServiceSettings

JOB = ServiceSettings(service=Service(name="nightly", kind="job", schedule="rate(1 day)"))
WORKER = ServiceSettings(service=Service(name="mailer", kind="worker"))


def app() -> tuple[cdk.Stack, ecs.Cluster, ecs.FargateTaskDefinition]:
    scope = cdk.Stack(cdk.App(), "Acme", env=cdk.Environment(account="111111111111", region="eu-west-1"))
    cluster = ecs.Cluster(scope, "Cluster", vpc=ec2.Vpc(scope, "Vpc", max_azs=2))
    definition = ecs.FargateTaskDefinition(scope, "Task", family="theirs")
    definition.add_container("main", image=ecs.ContainerImage.from_registry("public.ecr.aws/acme/tool:2.0.1"))
    return scope, cluster, definition


def test_a_job_may_run_the_family_of_its_own_task_definition() -> None:
    scope, cluster, definition = app()
    ScheduledJob(scope, "Job", cluster=cluster, task_definition=definition, settings=JOB)
    template = Template.from_stack(scope)
    policies = template.find_resources("AWS::IAM::Policy").values()
    statements = [each for policy in policies for each in policy["Properties"]["PolicyDocument"]["Statement"]]
    [run] = [each for each in statements if each["Action"] == "ecs:RunTask"]
    assert ":task-definition/theirs:*" in json.dumps(run["Resource"])
    [machine] = template.find_resources("AWS::StepFunctions::StateMachine").values()
    assert machine["Properties"]["StateMachineName"] == "Acme-nightly"
    assert '\\"Family\\":\\"theirs\\"' in json.dumps(machine["Properties"]["DefinitionString"])


def test_a_workers_name_begins_with_that_of_its_stack() -> None:
    scope, cluster, definition = app()
    WorkerService(scope, "Worker", cluster=cluster, task_definition=definition, settings=WORKER)
    [service] = Template.from_stack(scope).find_resources("AWS::ECS::Service").values()
    assert service["Properties"]["ServiceName"] == "Acme-mailer"


@pytest.mark.parametrize(("construct", "kind"), [(ScheduledJob, "job"), (WorkerService, "worker")])
def test_settings_of_a_web_service_are_refused(construct: type[ScheduledJob] | type[WorkerService], kind: str) -> None:
    scope, cluster, definition = app()
    said = rf'^Acme/Mine: settings are for a service of kind web: pass .*kind="{kind}"'
    with pytest.raises(ValueError, match=said):
        construct(
            scope,
            "Mine",
            cluster=cluster,
            task_definition=definition,
            settings=ServiceSettings(service=Service(name="api")),
        )


def test_the_code_of_the_function_that_runs_a_command_before_a_deployment_runs_without_anything_of_novas() -> None:
    source = handler_source()
    assert "nova_infra" not in source
    code: dict[str, Any] = {}
    exec(compile(source, "index.py", "exec"), code)
    assert code["telling_first"](["a", "panic: b", "c"]) == ["panic: b", "a", "c"]
