"""An account for experiments that answers by itself, and refuses calls that AWS's own models do not have."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator

from helpers.pages import Paged
from nova_infra.assumptions.catalogue import EXPERIMENTS
from nova_infra.assumptions.run import read
from nova_infra.assumptions.sandbox.stacks import Sandbox
from nova_infra.assumptions.sandbox.templates import ground
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError

GROUND = {
    "Network": "vpc-0123456789abcdef0",
    "Subnets": "subnet-0123456789abcdef1,subnet-0123456789abcdef2",
    "Inside": "sg-0123456789abcdef3",
    "Listener": "arn:aws:elasticloadbalancing:us-east-1:555555555555:listener/app/a/0123456789abcdef/0123456789abcdef",
    "Address": "balancer.test",
    "Balancer": "app/a/0123456789abcdef",
    "Cluster": "nova-prove-ground",
    "Execution": "arn:aws:iam::555555555555:role/execution",
    "Shifter": "arn:aws:iam::555555555555:role/shifter",
}
BEGUN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@cache
def operations(service: str) -> Mapping[str, Any]:
    """The operations of a service, by their names in boto3."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def conforms(values: Any, shape: Any) -> None:
    """Fails where a value is not what AWS's model of it says."""
    report = ParamValidator().validate(values, shape)
    assert not report.has_errors(), report.generate_report()


class SandboxAccount(Paged):
    """An account with CloudFormation and ECS's deployments, in which every other answer is given by a test.

    Attributes:
        stacks: Stack to what it is: its status, its templates so far, its outputs.
        ends: Stack to how its deployments end, one after the other; the last one again and again.
        failure: The event of a resource that failed.
        deployments: Number of a service's deployment, from 1 on, to what differs from one that succeeds; as a list,
            look by look.
        answers: Operation to its answer, or to a function of its arguments.
        calls: How often each operation was called.
        templates: Everything that CloudFormation was given.
        clock: The time, which goes by as it is waited.
    """

    region = "us-east-1"

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, list[str]] = {}
        self.failure: dict[str, str] = {}
        self.deployments: dict[int, Any] = {}
        self.answers: dict[str, Any] = {}
        self.calls: Counter[str] = Counter()
        self.clock = BEGUN
        self.roles: dict[str, SandboxAccount] = {}
        self.templates: list[dict[str, Any]] = []
        self.stays: set[str] = set()
        self._lock = threading.RLock()

    def sandbox(self, name: str, **more: Any) -> Sandbox:
        """The account for an experiment."""
        return Sandbox(
            self, name, ground=GROUND, stopped=threading.Event(), pause=self.pause, clock=lambda: self.clock, **more
        )

    def pause(self, seconds: float) -> None:
        """Let time go by."""
        self.clock += timedelta(seconds=seconds)

    def assumed(self, role_arn: str) -> "SandboxAccount":
        """The account by a role."""
        return self.roles[role_arn.rpartition("/")[2]]

    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Answer, if both the call and the answer are what AWS's model of the service says."""
        with self._lock:
            model = operations(service)[operation]
            if model.input_shape:
                conforms(arguments, model.input_shape)
            self.calls[operation] += 1
            answer = self.answers.get(operation, getattr(self, f"_{operation}", None))
            if answer is None:
                raise AssertionError(f"{operation}: the test gives no answer")
            found = answer(**arguments) if isinstance(answer, Callable) else answer  # type: ignore[arg-type]
            if model.output_shape:
                conforms(found, model.output_shape)
            return dict(found)

    def _create_stack(self, StackName: str, TemplateBody: str, Tags: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert StackName not in self.stacks
        self.stacks[StackName] = {"deployed": 0, "tags": Tags, "template": ""}
        return self._deploy(StackName, TemplateBody, "CREATE")

    def _update_stack(self, StackName: str, TemplateBody: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert self.stacks[StackName]["template"] != TemplateBody, "No updates are to be performed"
        return self._deploy(StackName, TemplateBody, "UPDATE")

    def _deploy(self, name: str, body: str, kind: str) -> dict[str, Any]:
        stack = self.stacks[name]
        self.templates.append(json.loads(body))
        stack |= {"deployed": stack["deployed"] + 1, "template": body, "outputs": json.loads(body).get("Outputs", {})}
        ends = self.ends.get(name.removeprefix("nova-prove-"), [])
        stack["status"] = ends[min(stack["deployed"], len(ends)) - 1] if ends else f"{kind}_COMPLETE"
        stack["under way"] = f"{kind}_IN_PROGRESS"
        return {"StackId": f"arn:aws:cloudformation:us-east-1:555555555555:stack/{name}/1"}

    def _describe_stacks(self, StackName: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        if StackName and StackName not in self.stacks:
            raise ServiceError(f"Stack with id {StackName} does not exist", "ValidationError")
        return {"Stacks": [self._described(each) for each in ([StackName] if StackName else self.stacks)]}

    def _described(self, name: str) -> dict[str, Any]:
        stack = self.stacks[name]
        outputs = [{"OutputKey": key, "OutputValue": f"arn:aws:iam::555555555555:x/{key}"} for key in stack["outputs"]]
        return {
            "StackName": name,
            "CreationTime": BEGUN,
            # It is seen under way once.
            "StackStatus": stack.pop("under way", stack["status"]),
            "Tags": stack["tags"],
            "Outputs": outputs,
        }

    def _describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        event = {"StackId": "1", "EventId": "1", "StackName": StackName, "Timestamp": BEGUN}
        return {"StackEvents": [{**event, "ResourceStatus": "CREATE_FAILED", **self.failure}] if self.failure else []}

    def _describe_stack_resources(self, **_: Any) -> dict[str, Any]:
        service = {"ResourceType": "AWS::ECS::Service", "PhysicalResourceId": "arn:aws:ecs:service/1"}
        more = {"LogicalResourceId": "Service", "Timestamp": BEGUN, "ResourceStatus": "CREATE_IN_PROGRESS"}
        return {"StackResources": [{**service, **more}]}

    def _cancel_update_stack(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        self.stacks[StackName].pop("under way", None)
        return {}

    def _delete_stack(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName in self.stays:
            self.stacks[StackName]["status"] = "DELETE_FAILED"
        else:
            del self.stacks[StackName]
        return {}

    def _list_tasks(self, **_: Any) -> dict[str, Any]:
        return {"taskArns": []}

    def _list_service_deployments(self, **_: Any) -> dict[str, Any]:
        [stack] = [each for name, each in self.stacks.items() if name != "nova-prove-ground"]
        arns = [f"arn:aws:ecs:deployment/{number}" for number in range(1, stack["deployed"] + 1)]
        return {"serviceDeployments": [{"serviceDeploymentArn": arn} for arn in arns]}

    def _describe_service_deployments(self, serviceDeploymentArns: list[str]) -> dict[str, Any]:  # noqa: N803
        found = []
        for arn in serviceDeploymentArns:
            number = int(arn.rpartition("/")[2])
            at = BEGUN + timedelta(hours=number)
            usual = {"createdAt": at, "startedAt": at, "finishedAt": at + timedelta(minutes=9), "status": "SUCCESSFUL"}
            differs = self.deployments.get(number, {})
            if isinstance(differs, list):
                differs = differs.pop(0) if len(differs) > 1 else differs[0]
            found.append({"serviceDeploymentArn": arn, **usual, **differs})
        return {"serviceDeployments": found}


def denied(**_: Any) -> dict[str, Any]:
    """An answer: the caller may not."""
    raise DeniedError("AWS does not allow it: use other credentials")


def refused(**_: Any) -> dict[str, Any]:
    """An answer: what is named is not there."""
    raise ServiceError(
        "AWS: it does not exist (ServiceDeploymentNotFoundException)", "ServiceDeploymentNotFoundException"
    )


@cache
def first_templates() -> dict[str, dict[str, Any]]:
    """What each experiment deploys first, by its name, and what they share."""
    found = {"ground": ground()}
    for experiment in EXPERIMENTS:
        account = SandboxAccount()
        account.ends[experiment.name] = ["CREATE_FAILED"]  # it ends there
        with contextlib.suppress(AssertionError):  # it asks for something else, and needs no stack
            list(read(experiment, account.sandbox(experiment.name)))
        if account.templates:
            found[experiment.name] = account.templates[0]
    return found
