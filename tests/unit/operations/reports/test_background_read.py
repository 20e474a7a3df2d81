"""What AWS knows of workers' queues and of jobs."""

import json
from typing import Any

import pytest

from helpers.deployed_environment import Deployment
from nova_infra.deployed.aws.answers import read_service

PASS = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
ROLE = "arn:aws:iam::333333333333:role/any"


@pytest.mark.exhaustive("test_a_worker_has_its_queue_and_other_services_have_none")
def test_jobs_are_the_environments_machines_with_their_runs_and_schedules(deployment: Deployment) -> None:
    machines, scheduler = deployment.client("stepfunctions"), deployment.client("scheduler")
    made = {
        name: machines.create_state_machine(name=name, definition=PASS, roleArn=ROLE)["stateMachineArn"]
        for name in ("nova-prod-report", "nova-prod-once", "nova-dev-report")
    }
    for name in ("one", "two"):
        machines.start_execution(stateMachineArn=made["nova-prod-report"], name=name)
    scheduler.create_schedule_group(Name="nova-prod-report")
    scheduler.create_schedule(
        Name="nova-prod-report",
        GroupName="nova-prod-report",
        ScheduleExpression="cron(0 6 * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        State="DISABLED",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": made["nova-prod-report"], "RoleArn": ROLE},
    )
    once, report = deployment.environment.jobs()
    assert (once.name, once.runs, once.schedule) == ("once", (), "")
    assert (report.name, report.stack, len(report.runs)) == ("report", "nova-prod-report", 2)
    assert (report.schedule, report.time_zone, report.enabled) == ("cron(0 6 * * ? *)", "Asia/Tokyo", False)


def test_a_worker_has_its_queue_and_other_services_have_none(deployment: Deployment) -> None:
    queues, ecs = deployment.client("sqs"), deployment.client("ecs")
    urls = {name: queues.create_queue(QueueName=name)["QueueUrl"] for name in ("mails", "mails-dead")}
    for name, count in (("mails", 3), ("mails-dead", 2)):
        for _ in range(count):
            queues.send_message(QueueUrl=urls[name], MessageBody="{}")
    queues.receive_message(QueueUrl=urls["mails"], MaxNumberOfMessages=1)
    for name, variables in (
        ("nova-prod-mailer", {"QUEUE_URL": urls["mails"], "DEAD_QUEUE_URL": urls["mails-dead"]}),
        ("nova-prod-poller", {"QUEUE_URL": f"{urls['mails']}-of-somebody-else"}),
        ("nova-prod-idler", {}),
    ):
        environment: list[Any] = [{"name": key, "value": value} for key, value in variables.items()]
        container = {"name": "app", "image": "a/b:1", "memory": 64, "environment": environment}
        ecs.register_task_definition(family=name, containerDefinitions=[container])
        ecs.create_service(cluster="nova-prod", serviceName=name, taskDefinition=name, desiredCount=0)
    services = super(type(deployment.environment), deployment.environment).services()
    [(worker, backlog)] = deployment.environment.backlogs(services).items()
    assert worker == "mailer"
    assert (backlog.queue, backlog.waiting, backlog.in_flight, backlog.dead) == ("mails", 2, 1, 2)


def test_a_service_is_balanced_if_a_load_balancer_knows_it() -> None:
    described = {"serviceName": "a", "taskDefinition": "x/a:1", "desiredCount": 1, "runningCount": 1}
    known = read_service({**described, "loadBalancers": [{"targetGroupArn": "arn"}]}, "a", ())
    assert (known.balanced, read_service({**described, "loadBalancers": []}, "a", ()).balanced) == (True, False)
