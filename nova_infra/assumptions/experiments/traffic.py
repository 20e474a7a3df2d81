"""Experiments with requests: what the load balancer normalizes, counts, and when."""

from collections.abc import Iterator, Mapping
from concurrent.futures import wait as wait_for
from datetime import datetime, timedelta

from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.requests import ask
from nova_infra.assumptions.sandbox.services import SandboxService, service_template
from nova_infra.assumptions.sandbox.stacks import Sandbox, SandboxStack, UndecidedError
from nova_infra.assumptions.sandbox.templates import fixed_answer, resource, template
from nova_infra.machine.parallel import threads

_ORDINARY, _SLOW, _UNANSWERED, _LEFT = 40, 6, 10, 15
_WHILE_THEY_HANG = 25
"""Seconds, fewer than the 60 after which the load balancer gives a request up."""
_ANSWERED = tuple(f"HTTPCode_Target_{digit}XX_Count" for digit in (2, 3, 4, 5))


def _paths(sandbox: Sandbox) -> Iterator[Reading]:
    """A rule that answers for one path, asked by other spellings of it."""
    rule = resource(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        {
            "ListenerArn": sandbox.ground["Listener"],
            "Priority": 900,
            "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/plain"]}}],
            "Actions": [fixed_answer("200", "matched")],
        },
    )
    sandbox.deploy(template({"Rule": rule}))
    address = sandbox.ground["Address"]

    def matches(path: str) -> bool:
        return ask(address, path).text == "matched"

    sandbox.wait("the rule", lambda: matches("/plain") or None, minutes=3)
    spellings = ("/%70lain", "/x/../plain", "/./plain", "//plain")
    matched = [path for path in spellings if matches(path)]
    said = f"of {', '.join(spellings)} the rule for /plain matched {', '.join(matched) or 'none'}"
    yield held_if("path-normalization", bool(matched), said)


def _counts(sandbox: Sandbox) -> Iterator[Reading]:
    """Known numbers of requests of each kind, and what the target group's metrics make of them."""
    service = SandboxService(strategy="ROLLING", priority=31, bake=0, alternate=False)
    stack = sandbox.deploy(service_template(sandbox.ground, service))
    address = sandbox.ground["Address"]
    sandbox.wait("the service", lambda: ask(address, service.path).status == 200 or None, minutes=4)
    _next_minute(sandbox)
    begun = sandbox.now()
    kinds = [
        *[("ordinary", "/ok", 90.0)] * _ORDINARY,
        *[("slow", "/slow", 90.0)] * _SLOW,
        *[("unanswered", "/hang", 90.0)] * _UNANSWERED,
        *[("left", "/hang", 5.0)] * _LEFT,
    ]
    with threads(len(kinds)) as callers:
        asked = [callers.submit(ask, address, service.path + path, patience=wait) for _, path, wait in kinds]
        sandbox.sleep(_WHILE_THEY_HANG)
        seen = ask(address, f"{service.path}/ok")
        wait_for(asked)
    statuses = [(kind[0], each.result().status) for kind, each in zip(kinds, asked, strict=True)]
    if any(status != 200 for kind, status in statuses if kind in ("ordinary", "slow")):
        raise UndecidedError("ordinary requests were not answered")
    if any(status != 504 for kind, status in statuses if kind == "unanswered"):
        raise UndecidedError("the load balancer did not end the requests that hang with 504")
    left = int(seen.text or 0)
    said = (
        f"{_LEFT} callers left after 5 s, and the task had seen {left} of them go {_WHILE_THEY_HANG} s after the first"
    )
    yield held_if("closed-to-target", left >= _LEFT, said)
    yield from _read(sandbox, stack, begun)


def _read(sandbox: Sandbox, stack: SandboxStack, begun: datetime) -> Iterator[Reading]:
    """The metrics by the minute, looked at until they have not changed for five minutes."""
    ended = sandbox.now()
    last = ended.replace(second=0, microsecond=0) + timedelta(minutes=1)
    newest, changed, looked = _minutes(sandbox, stack, begun, last), sandbox.now(), False
    while sandbox.now() - changed < timedelta(minutes=5):
        sandbox.sleep(10)
        found = _minutes(sandbox, stack, begun, last)
        if found != newest:
            newest, changed, looked = found, sandbox.now(), True
    if not looked:
        raise UndecidedError("the metrics never came")
    late = (changed - last).total_seconds()
    yield held_if("metric-delay", late <= 60, f"the last value changed {late:.0f} s after its minute had ended")
    requests = newest["RequestCount"]
    counted = sum(requests.values())
    answered = {minute: sum(newest[name].get(minute, 0) for name in _ANSWERED) for minute in requests}
    unanswered = counted - sum(answered.values())
    said = (
        f"{counted:.0f} requests counted, {sum(answered.values()):.0f} of them with an answer: {unanswered:.0f} without"
    )
    if unanswered not in (0, _UNANSWERED, _LEFT, _UNANSWERED + _LEFT):
        raise UndecidedError(f"{said}, which fits neither {_UNANSWERED} of 504 nor {_LEFT} that left")
    yield held_if("unanswered-requests", unanswered in (_UNANSWERED, _UNANSWERED + _LEFT), said)
    yield held_if("closed-by-client", unanswered in (_LEFT, _UNANSWERED + _LEFT), said)
    apart = [minute for minute in requests if answered[minute] > requests[minute]]
    slow = f"{_SLOW} requests took 30 s; minutes with more answers than requests: {len(apart)}"
    yield held_if("metric-minutes", bool(apart), slow)


def _next_minute(sandbox: Sandbox) -> None:
    """Wait for the second half of a minute, so that slow answers come in the next one."""
    now = sandbox.now()
    sandbox.sleep((40 - now.second) % 60)


def _minutes(
    sandbox: Sandbox, stack: SandboxStack, begun: datetime, ended: datetime
) -> Mapping[str, Mapping[str, float]]:
    """Metric to minute to sum, of the target group."""
    names = ("RequestCount", *_ANSWERED)
    dimensions = [
        {"Name": "TargetGroup", "Value": stack.outputs["BlueName"]},
        {"Name": "LoadBalancer", "Value": sandbox.ground["Balancer"]},
    ]
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions},
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for number, name in enumerate(names)
    ]
    start = begun.replace(second=0, microsecond=0)
    answer = sandbox.call("cloudwatch", "get_metric_data", MetricDataQueries=queries, StartTime=start, EndTime=ended)[
        "MetricDataResults"
    ]
    by_id = {each["Id"]: each for each in answer}
    return {
        name: {
            str(minute): value
            for minute, value in zip(
                by_id.get(f"m{number}", {}).get("Timestamps", ()),
                by_id.get(f"m{number}", {}).get("Values", ()),
                strict=True,
            )
        }
        for number, name in enumerate(names)
    }


EXPERIMENTS = (
    Experiment("path-normalization", ("path-normalization",), 4, _paths),
    Experiment(
        "request-counts",
        ("closed-to-target", "metric-delay", "unanswered-requests", "closed-by-client", "metric-minutes"),
        18,
        _counts,
        tasks=1,
    ),
)
