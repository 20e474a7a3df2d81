"""Records of rehearsals, as a report reads them."""

from nova_infra.rehearsal.drills.drill import CONFIGURED, DrillResult
from nova_infra.rehearsal.record import (
    ActionRecord,
    DeploymentRecord,
    MinuteRecord,
    Notification,
    Record,
    Requests,
    StageRecord,
    TrafficRecord,
)


def make_deployment(service: str, environment: str = "Prod", *, bad: bool = False) -> DeploymentRecord:
    """A canary of eight minutes; a bad one fails from its first request on and goes back after the third minute."""
    old, new = f"{service}:1", f"{service}:2"
    made = DeploymentRecord(environment, service, "CANARY", old, new, baseline=False, began=0.5)
    made.plan = "canary: 10 % for 5 min, then 100 % for 3 min"
    percents = [10, 10, 0] if bad else [10, 10, 10, 10, 100, 100, 100, 100]
    for minute, percent in enumerate(percents, start=1):
        got = 40 * percent // 100
        requests = {old: Requests(40 - got, 0, 0.2), new: Requests(got, got if bad else 0, 0.01 * got)}
        users = [str(number) for number in range(minute * 10, minute * 10 + got)]
        red = [f"{service}-errors"] if bad and minute >= 2 else []
        made.samples.append(MinuteRecord(minute, percent, requests, red, reached=users, hit=users if bad else []))
    made.traffic = (
        [TrafficRecord(10, 0.6), TrafficRecord(0, 2.0)] if bad else [TrafficRecord(10, 0.6), TrafficRecord(100, 4.0)]
    )
    made.ended = len(percents) + 0.4
    made.outcome = "rolled back" if bad else "completed"
    made.reason = f"alarm {service}-errors went to ALARM at 10 % of the traffic" if bad else ""
    return made


def make_record(services: int = 2, *, bad: int = 0, name: str = "service") -> Record:
    """A rehearsal of Build, Dev and Prod.

    Args:
        services: How many services each environment has.
        bad: How many of them go back in Prod.
        name: How their names begin.
    """
    names = [f"{name}-{number}" for number in range(1, services + 1)]
    build = StageRecord("Build", [ActionRecord("Synth", "build", 1, "succeeded", seconds=4)], "succeeded", seconds=4)
    stages, deployments, began = [build], [], 4.0
    for environment in ("Dev", "Prod"):
        actions = []
        for number, service in enumerate(names):
            broken = environment == "Prod" and number < bad
            deployments.append(make_deployment(service, environment, bad=broken))
            action = ActionRecord(f"{service}.Deploy", "deploy", 1, "failed" if broken else "succeeded", "real")
            action.note = f"{service}: {deployments[-1].reason}" if broken else ""
            action.began, action.seconds = began, 8.0
            actions.append(action)
        status = "failed" if bad and environment == "Prod" else "succeeded"
        stages.append(StageRecord(environment, actions, status, began=began, seconds=8.0))  # type: ignore[arg-type]
        began += 8
    record = Record("pipe", "working tree", "HEAD", stages, deployments, not_rehearsed=["IAM"], seconds=20)
    record.started = "2026-01-02 03:04 UTC"
    record.load = {"Dev": Requests(100), "Prod": Requests(300, 8 * bad)}
    record.notifications = [Notification("Prod", 2, "alerts", f"{n}-errors is in ALARM") for n in names[:bad]]
    return record


def make_drill(drill: str, *misses: str, canary: str = CONFIGURED) -> DrillResult:
    """A drill whose service goes back."""
    record = make_record(1, bad=1)
    record.stages, record.deployments = record.stages[-1:], record.deployments[-1:]
    return DrillResult(drill, "it fails", "it goes back", "service-1", canary, list(misses), 3.0, record)
