"""Experiments about what AWS keeps: parameters, change sets, alarms and metrics."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.requests import ask
from nova_infra.assumptions.sandbox.stacks import Sandbox, UndecidedError
from nova_infra.assumptions.sandbox.templates import ref, resource, template
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import threads

_WRITES = 40
_WRITERS = 8


def _parameters(sandbox: Sandbox) -> Iterator[Reading]:
    stack = sandbox.deploy(_parameter("first"))
    name = stack.outputs["Parameter"]

    def write(number: int) -> tuple[int, bool]:
        """The version that a write got, and whether the history shows it at once."""
        version = sandbox.call("ssm", "put_parameter", Name=name, Value=f"value {number}", Overwrite=True)["Version"]
        return int(version), int(version) in _history(sandbox, name)

    with threads(_WRITERS) as writers:
        written = list(writers.map(write, range(_WRITES)))
    versions = [version for version, _ in written]
    twice = len(versions) - len(set(versions))
    yield held_if(
        "parameter-versions", not twice, f"{_WRITES} writes, {_WRITERS} at a time: {twice} got a version twice"
    )
    unseen = sum(not seen for _, seen in written)
    yield held_if("parameter-history", not unseen, f"of {_WRITES} versions {unseen} were not in the history at once")


def _history(sandbox: Sandbox, name: str) -> set[int]:
    versions = sandbox.pages("ssm", "get_parameter_history", "Parameters", Name=name, MaxResults=50)
    return {int(each["Version"]) for each in versions if each.get("LastModifiedDate")}


def _parameter(value: str) -> dict[str, Any]:
    parameter = resource("AWS::SSM::Parameter", {"Type": "String", "Value": value})
    return template({"Parameter": parameter}, {"Parameter": ref("Parameter")})


def _change_set(sandbox: Sandbox) -> Iterator[Reading]:
    sandbox.deploy(_parameter("first"))
    which = {"StackName": sandbox.stack_name, "ChangeSetName": "experiment"}
    body = json.dumps(_parameter("second"))
    made = sandbox.call("cloudformation", "create_change_set", **which, TemplateBody=body)

    def ready() -> dict[str, Any] | None:
        found = sandbox.call("cloudformation", "describe_change_set", **which)
        return found if found["Status"] in ("CREATE_COMPLETE", "FAILED") else None

    if sandbox.wait("the change set", ready, minutes=3)["Status"] == "FAILED":
        raise UndecidedError("the change set could not be made")
    sandbox.call("cloudformation", "execute_change_set", **which)
    seen = [_executed(sandbox, made["Id"])]
    sandbox.settled()
    seen.append(_executed(sandbox, made["Id"]))
    sandbox.sleep(120)
    seen.append(_executed(sandbox, made["Id"]))
    said = "right after its execution began, after its end, and two minutes later: " + "; ".join(seen)
    yield held_if("executed-change-set", "nothing" not in seen, said)


def _executed(sandbox: Sandbox, change_set: str) -> str:
    """Where an executed change set shows: in its own description, in the stack, or nowhere."""
    try:
        found = sandbox.call("cloudformation", "describe_change_set", ChangeSetName=change_set)
        status = str(found.get("ExecutionStatus", ""))
        if status.startswith("EXECUTE_"):
            return status
    except NovaError:
        pass  # it is not described any more: the stack may still name it
    [stack] = sandbox.call("cloudformation", "describe_stacks", StackName=sandbox.stack_name)["Stacks"]
    return "named by its stack" if stack.get("ChangeSetId") == change_set else "nothing"


def _composite_alarm(sandbox: Sandbox) -> Iterator[Reading]:
    rule = f'ALARM("{sandbox.stack_name}-there-is-none")'
    stack = sandbox.try_to_deploy(template({"Alarm": resource("AWS::CloudWatch::CompositeAlarm", {"AlarmRule": rule})}))
    said = stack.failure or f"one over an alarm that does not exist ended in {stack.status}"
    yield held_if("composite-alarm", not stack.is_deployed, said)


def _idle_colour(sandbox: Sandbox) -> Iterator[Reading]:
    """The load balancer's own requests are the busy colour; a load balancer that is not there is the idle one."""
    begun, busy = sandbox.now(), _requests("busy", sandbox.ground["Balancer"])
    idle = _requests("idle", "app/none/0000000000000000")

    def counted() -> dict[str, list[float]] | None:
        found = _values(sandbox, begun, busy, idle, {"Id": "both", "Expression": "SUM([busy, idle])"})
        if found.get("busy"):
            return found
        ask(sandbox.ground["Address"], "/")
        return None

    values = sandbox.wait("the load balancer's metric", counted, minutes=8)
    if values.get("idle"):
        raise UndecidedError("the metric that should have no data has some")
    said = f"with busy {values['busy']} and idle {values.get('idle', [])}, SUM gives {values.get('both', [])}"
    yield held_if("idle-colour", values.get("both") == values["busy"], said)
    begun = sandbox.now() + timedelta(minutes=2)  # the minute after the last request's
    sandbox.sleep(360)
    values = _values(sandbox, begun, busy, {"Id": "filled", "Expression": "FILL(busy, 0)"})
    if values.get("busy"):
        raise UndecidedError("somebody else has asked the load balancer")
    filled = values.get("filled", [])
    said = f"in minutes after the last request, FILL gives {filled or 'nothing'}"
    yield held_if("fill-after-the-last-data", bool(filled) and not any(filled), said)


def _values(sandbox: Sandbox, begun: datetime, *queries: dict[str, Any]) -> dict[str, list[float]]:
    """Id of each query to its values since a minute before a time."""
    answer = sandbox.call(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=list(queries),
        StartTime=begun - timedelta(minutes=1),
        EndTime=sandbox.now() + timedelta(minutes=1),
    )
    return {each["Id"]: list(each.get("Values", ())) for each in answer["MetricDataResults"]}


def _requests(name: str, balancer: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "RequestCount",
        "Dimensions": [{"Name": "LoadBalancer", "Value": balancer}],
    }
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


EXPERIMENTS = (
    Experiment("parameters", ("parameter-versions", "parameter-history"), 2, _parameters, ground=False),
    Experiment("change-set", ("executed-change-set",), 5, _change_set, ground=False),
    Experiment("composite-alarm", ("composite-alarm",), 2, _composite_alarm, ground=False),
    Experiment("idle-colour", ("idle-colour", "fill-after-the-last-data"), 13, _idle_colour),
)
