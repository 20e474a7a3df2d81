"""Experiments with tasks that no service has: running them, and a state machine that does."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.stacks import Sandbox
from nova_infra.assumptions.sandbox.templates import allow, network, ref, resource, role, task, template

_SLEEP = "import time; time.sleep(240)"


def run(sandbox: Sandbox, definition: str, **more: str) -> str:
    """Run a task on the ground that experiments share; its ARN."""
    configuration = network(sandbox.ground)["AwsvpcConfiguration"]
    arguments = {
        "assignPublicIp": configuration["AssignPublicIp"],
        "securityGroups": configuration["SecurityGroups"],
        "subnets": configuration["Subnets"],
    }
    answer = sandbox.call(
        "ecs",
        "run_task",
        cluster=sandbox.ground["Cluster"],
        taskDefinition=definition,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": arguments},
        **more,
    )
    return str(answer["tasks"][0]["taskArn"])


def ended(sandbox: Sandbox, arn: str) -> str:
    """How a task ended: ``exit code 0``, or why it never ran."""

    def look() -> dict[str, Any] | None:
        [found] = sandbox.call("ecs", "describe_tasks", cluster=sandbox.ground["Cluster"], tasks=[arn])["tasks"]
        return found if found["lastStatus"] == "STOPPED" else None

    found = sandbox.wait("the end of a task", look, minutes=6)
    [container] = found["containers"]
    if "exitCode" in container:
        return f"exit code {container['exitCode']}"
    return str(found.get("stoppedReason") or container.get("reason") or "no reason given")


def _token(sandbox: Sandbox) -> Iterator[Reading]:
    definition = task(sandbox.ground, code=_SLEEP)
    stack = sandbox.deploy(template({"Task": definition}, {"Task": ref("Task")}))
    token = uuid.uuid4().hex
    first = run(sandbox, stack.outputs["Task"], clientToken=token, startedBy=token)
    listed = sandbox.call("ecs", "list_tasks", cluster=sandbox.ground["Cluster"], startedBy=token)["taskArns"]
    second = run(sandbox, stack.outputs["Task"], clientToken=token, startedBy=token)
    sandbox.call("ecs", "stop_task", cluster=sandbox.ground["Cluster"], task=first, reason="The experiment is over")
    same, shown = first == second, first in listed
    said = f"the second call {'gave the same task' if same else 'started another task'}; the task was "
    yield held_if("run-task-token", same and shown, f"{said}{'listed' if shown else 'not listed'} at once")


def _machine(sandbox: Sandbox) -> dict[str, Any]:
    """A state machine like that of a job, with its task and its role."""
    cluster = {"ArnEquals": {"ecs:cluster": {"Fn::Sub": _CLUSTER}}}
    statements = [
        {**allow("ecs:RunTask", ref("Task")), "Condition": cluster},
        {**allow(["ecs:StopTask", "ecs:DescribeTasks"], "*"), "Condition": cluster},
        allow("iam:PassRole", sandbox.ground["Execution"]),
        # https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
        allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], {"Fn::Sub": _RULE}),
    ]
    states = {
        "StartAt": "Run",
        "States": {
            "Run": {
                "Type": "Task",
                "Resource": "arn:${AWS::Partition}:states:::ecs:runTask.sync",
                "Parameters": {
                    "Cluster": sandbox.ground["Cluster"],
                    "TaskDefinition": "${Task}",
                    "LaunchType": "FARGATE",
                    "NetworkConfiguration": network(sandbox.ground),
                    "StartedBy.$": "$$.Execution.Name",
                },
                "End": True,
            }
        },
    }
    return {
        "Task": task(sandbox.ground, code=_SLEEP),
        "Role": role("states", statements=statements),
        "Machine": resource(
            "AWS::StepFunctions::StateMachine",
            {"RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}, "DefinitionString": {"Fn::Sub": json.dumps(states)}},
        ),
    }


def _started_by(sandbox: Sandbox) -> Iterator[Reading]:
    """A state machine whose run is looked for by its name."""
    stack = sandbox.deploy(template(_machine(sandbox), {"Machine": ref("Machine")}))
    name = uuid.uuid4().hex
    execution = sandbox.call("stepfunctions", "start_execution", stateMachineArn=stack.outputs["Machine"], name=name)

    def look() -> tuple[str, list[str]] | None:
        listed = sandbox.call("ecs", "list_tasks", cluster=sandbox.ground["Cluster"], startedBy=name)["taskArns"]
        found = sandbox.call("stepfunctions", "describe_execution", executionArn=execution["executionArn"])
        status = str(found["status"])
        return (str(found.get("cause") or status), listed) if listed or status != "RUNNING" else None

    status, listed = sandbox.wait("the task of a run", look, minutes=4)
    sandbox.call("stepfunctions", "stop_execution", executionArn=execution["executionArn"])
    yield held_if("job-started-by", bool(listed), f"found {len(listed)} task by the run's name ({status})")


_CLUSTER = "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/nova-prove-ground"
_RULE = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/StepFunctionsGetEventsForECSTaskRule"

EXPERIMENTS = (
    Experiment("run-task-token", ("run-task-token",), 4, _token, tasks=1),
    Experiment("job-started-by", ("job-started-by",), 6, _started_by, tasks=1),
)
