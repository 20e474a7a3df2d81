"""Experiments about who may do what: roles, keys and secrets."""

import json
from collections.abc import Iterator
from typing import Any

from nova_infra.assumptions.experiments.tasks import ended, run
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.stacks import Sandbox, UndecidedError
from nova_infra.assumptions.sandbox.templates import (
    allow,
    attribute,
    ref,
    resource,
    role,
    role_of_account,
    task,
    template,
)
from nova_infra.errors import NovaError

_STEERING = ["ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"]


def _steering(sandbox: Sandbox) -> Iterator[Reading]:
    """Two roles, one of which may steer by the resource: both ask for a deployment that is not there."""
    prefix = f"arn:${{AWS::Partition}}:ecs:{sandbox.region}:${{AWS::AccountId}}:service-deployment"
    may = allow(_STEERING, {"Fn::Sub": f"{prefix}/{sandbox.stack_name}/*"})
    elsewhere = allow(_STEERING, {"Fn::Sub": f"{prefix}/elsewhere/*"})
    outputs = {"May": attribute("May", "Arn"), "MayNot": attribute("MayNot", "Arn")}
    roles = {"May": role_of_account([may]), "MayNot": role_of_account([elsewhere])}
    stack = sandbox.deploy(template(roles, outputs))
    _, partition, _, _, account, _ = stack.outputs["May"].split(":", 5)
    service = f"arn:{partition}:ecs:{sandbox.region}:{account}:service-deployment/{sandbox.stack_name}/none"
    said = {name: _answers(sandbox, stack.outputs[name], f"{service}/aaaaaaaaaaaaaaaaaaaaa") for name in outputs}
    if any(answer != "denied" for answer in said["MayNot"].values()):
        raise UndecidedError(f"a role without the permission was not denied: {said['MayNot']}")
    held = all(answer == "allowed" for answer in said["May"].values())
    yield held_if("steering-permissions", held, ", ".join(f"{name} {answer}" for name, answer in said["May"].items()))


def _answers(sandbox: Sandbox, role_arn: str, target: str) -> dict[str, str]:
    return sandbox.wait("the role", lambda: _steer(sandbox, role_arn, target), minutes=3)


def _steer(sandbox: Sandbox, role_arn: str, target: str) -> dict[str, str] | None:
    """What ECS says to a role about both calls: ``denied``, or ``allowed`` where it looks for the deployment."""
    assumed = sandbox.assume(role_arn)
    if assumed is None:
        return None  # the role is not known everywhere yet
    calls: dict[str, dict[str, Any]] = {
        "continue_service_deployment": {"serviceDeploymentArn": target, "hookId": "none", "action": "CONTINUE"},
        "stop_service_deployment": {"serviceDeploymentArn": target, "stopType": "ROLLBACK"},
    }
    said = {}
    for operation, arguments in calls.items():
        try:
            assumed.call("ecs", operation, **arguments)
            said[operation] = "allowed"
        except NovaError as error:
            said[operation] = "denied" if "does not allow" in str(error) else "allowed"
    return said


_SOURCE = "nova.prove"


def _topic_and_queue() -> dict[str, Any]:
    """A topic with a key that events reach, and a queue that gets its messages."""
    events = {"Service": "events.amazonaws.com"}
    administrator = {
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
        "Action": "kms:*",
        "Resource": "*",
    }
    publisher = {**allow(["kms:Decrypt", "kms:GenerateDataKey*"], "*"), "Principal": events}
    key = {
        "KeyPolicy": {"Version": "2012-10-17", "Statement": [administrator, publisher]},
        "EnableKeyRotation": True,
        "PendingWindowInDays": 7,
    }
    send = {
        **allow("sqs:SendMessage", attribute("Queue", "Arn")),
        "Principal": {"Service": "sns.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": ref("Topic")}},
    }
    return {
        "Key": resource("AWS::KMS::Key", key),
        "Topic": resource("AWS::SNS::Topic", {"KmsMasterKeyId": ref("Key")}),
        "TopicPolicy": resource(
            "AWS::SNS::TopicPolicy",
            {
                "Topics": [ref("Topic")],
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{**allow("sns:Publish", ref("Topic")), "Principal": events}],
                },
            },
        ),
        "Queue": resource("AWS::SQS::Queue", {"SqsManagedSseEnabled": True}),
        "QueuePolicy": resource(
            "AWS::SQS::QueuePolicy",
            {"Queues": [ref("Queue")], "PolicyDocument": {"Version": "2012-10-17", "Statement": [send]}},
        ),
        "Subscription": resource(
            "AWS::SNS::Subscription",
            {"TopicArn": ref("Topic"), "Protocol": "sqs", "Endpoint": attribute("Queue", "Arn")},
            after=["QueuePolicy"],
        ),
        "Rule": resource(
            "AWS::Events::Rule",
            {"EventPattern": {"source": [_SOURCE]}, "Targets": [{"Id": "Topic", "Arn": ref("Topic")}]},
            after=["TopicPolicy"],
        ),
    }


def _topic_key(sandbox: Sandbox) -> Iterator[Reading]:
    stack = sandbox.deploy(template(_topic_and_queue(), {"Queue": ref("Queue")}))

    def arrived() -> bool | None:
        entry = {"Source": _SOURCE, "DetailType": "experiment", "Detail": json.dumps({"a": 1})}
        sandbox.call("events", "put_events", Entries=[entry])
        found = sandbox.call("sqs", "receive_message", QueueUrl=stack.outputs["Queue"], WaitTimeSeconds=10)
        return True if found.get("Messages") else None

    try:
        sandbox.wait("a message", arrived, minutes=4)
    except UndecidedError as error:
        yield Reading("topic-key", "refuted", str(error))
    else:
        yield Reading("topic-key", "held", "an event came through a topic with a key whose policy has no condition")


def _secret(sandbox: Sandbox) -> Iterator[Reading]:
    """A task that gets a field of a secret by the secret's name, and another one that gets it by the whole ARN."""
    name = f"{sandbox.stack_name}/secret"
    partial_arn = {
        "Fn::Sub": f"arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{name}"
    }
    by_name = {"Fn::Join": ["", [partial_arn, ":field::"]]}
    whole = {"Fn::Join": ["", [ref("Secret"), ":field::"]]}
    code = "import os, sys; sys.exit(0 if os.environ['FIELD'] == 'value' else 3)"
    read = allow("secretsmanager:GetSecretValue", {"Fn::Join": ["", [partial_arn, "-??????"]]})
    execution = role("ecs-tasks", managed="service-role/AmazonECSTaskExecutionRolePolicy", statements=[read])
    arn = attribute("Execution", "Arn")
    resources = {
        "Secret": resource("AWS::SecretsManager::Secret", {"Name": name, "SecretString": '{"field":"value"}'}),
        "Execution": execution,
        "ByName": task(sandbox.ground, code=code, secrets={"FIELD": by_name}, execution=arn),
        "Whole": task(sandbox.ground, code=code, secrets={"FIELD": whole}, execution=arn),
    }
    stack = sandbox.deploy(template(resources, {"ByName": ref("ByName"), "Whole": ref("Whole")}))
    control = ended(sandbox, run(sandbox, stack.outputs["Whole"]))
    if control != "exit code 0":
        raise UndecidedError(f"the task that gets the secret by its whole ARN ended with {control}")
    found = ended(sandbox, run(sandbox, stack.outputs["ByName"]))
    yield held_if("secret-by-name", found == "exit code 0", f"the task that gets it by name ended with {found}")


EXPERIMENTS = (
    Experiment("steering-permissions", ("steering-permissions",), 4, _steering, ground=False),
    Experiment("topic-key", ("topic-key",), 6, _topic_key, usd=0.01, ground=False),
    Experiment("secret-by-name", ("secret-by-name",), 6, _secret, tasks=2, usd=0.01),
)
