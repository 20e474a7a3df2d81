"""What an operator does to services that run."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.deployed_environment import Deployment
from helpers.exhaustive import one_of_each
from nova_infra.deployed.task import LogEvent, OneOff, TaskDetail
from nova_infra.documents.terminal import as_text
from nova_infra.errors import AwsError, PassingError, RefusedError
from nova_infra.operations.incident import logs
from nova_infra.operations.incident.addresses import places
from nova_infra.operations.incident.run import run
from nova_infra.operations.incident.scale import end, scale
from nova_infra.operations.incident.tasks import chosen, document
from nova_infra.operations.records import listing
from nova_infra.operations.records.ledger import ReleasedImage, read_ledger

AT = datetime(2026, 11, 24, 3, 0, 0, 250_000, tzinfo=UTC)
ARN = "arn:aws:ecs:us-east-1:1:task/nova-prod/"


def task(identifier: str, **changes: Any) -> TaskDetail:
    values = {
        "arn": f"{ARN}{identifier}",
        "revision": "nova-prod-carts-service:7",
        "status": "RUNNING",
        "health": "healthy",
        "zone": "us-east-1a",
        "image": "r/carts:v2",
        "digest": "sha256:2",
        "started": AT,
    }
    return TaskDetail(**{**values, **changes})


@pytest.mark.parametrize(
    ("written", "is_"),
    [("90s", timedelta(seconds=90)), ("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", timedelta(1))],
)
def test_a_span_of_time_has_a_unit(written: str, is_: timedelta) -> None:
    assert logs.span(written) == is_


@pytest.mark.parametrize("written", ["", "15", "m", "-3m", "1w", "1.5h", "9999999d"])
def test_what_is_no_span_of_time_is_refused(written: str) -> None:
    with pytest.raises(RefusedError, match="is not a time span: write one such as 90s"):
        logs.span(written)


@given(st.text(min_size=1).filter(lambda text: text[0] not in '{["?%'))
def test_a_text_is_searched_for_as_it_is_written(text: str) -> None:
    assert json.loads(json.dumps(logs.pattern(text)))[1:-1].replace('\\"', '"').replace("\\\\", "\\") == text


def test_a_pattern_of_cloudwatch_s_stays_one() -> None:
    assert logs.pattern('{ $.level = "ERROR" }') == '{ $.level = "ERROR" }'
    assert logs.pattern("") == ""


def test_a_line_of_json_shows_level_message_and_request_id_first() -> None:
    message = json.dumps({"time": "x", "path": "/a", "request_id": "r-1", "message": "it broke", "level": "ERROR"})
    event = LogEvent("1", AT, "0123456789abcdef", message)
    assert logs.line(event) == "03:00:00.250 01234567 ERROR it broke request_id=r-1 path=/a"
    assert logs.line(LogEvent("1", AT, "0123456789abcdef", "plain\n")) == "03:00:00.250 01234567 plain"


class Lines:
    """Gives the lines of one look after the other."""

    def __init__(self, *looks: list[LogEvent] | Exception) -> None:
        self.looks = list(looks)
        self.since: list[datetime] = []

    def log_events(self, service: str, *, since: datetime, pattern: str = "") -> Iterator[LogEvent]:
        assert (service, pattern) == ("carts", '"x"')
        self.since.append(since)
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        yield from look


def test_each_line_is_shown_once_however_late_it_arrives() -> None:
    one, two, late = (LogEvent(str(n), AT + timedelta(seconds=s), "t", str(n)) for n, s in ((1, 0), (2, 40), (3, 30)))
    source = Lines([one], PassingError("throttled"), [one, two], [two, late])
    found = logs.follow(source, "carts", since=AT, wanted='"x"', only=None, again=lambda: bool(source.looks))
    assert [event.id for event in found] == ["1", "2", "3"]
    assert source.since[-1] == AT + timedelta(seconds=20)


def test_a_first_look_that_fails_is_an_error() -> None:
    with pytest.raises(PassingError):
        list(logs.follow(Lines(PassingError("x")), "carts", since=AT, wanted='"x"', only=None, again=lambda: True))


def test_the_lines_of_a_release_are_those_of_the_tasks_with_its_image() -> None:
    only = logs.tasks_of([("a", "sha256:1"), ("b", "sha256:2"), ("c", None)], ReleasedImage("v2", "sha256:2"))
    assert only == {"b"}
    source = Lines([LogEvent("1", AT, "a", ""), LogEvent("2", AT, "b", "")])
    found = logs.follow(source, "carts", since=AT, wanted='"x"', only=only, again=lambda: False)
    assert [event.task for event in found] == ["b"]


def test_tasks_are_listed_with_why_they_ended() -> None:
    ended = task("bb", status="STOPPED", stopped=AT, exit_code=137, reason="OutOfMemoryError")
    head, first, second = as_text(document([task("aa"), ended], now=AT + timedelta(minutes=9)), width=200).splitlines()
    assert head.split()[:3] == ["Task", "State", "Health"]
    assert first.split() == ["aa", "running", "healthy", "7", "v2", "us-east-1a", "9", "min", "ago"]
    assert second.endswith("9 min ago with 137: OutOfMemoryError")
    assert as_text(document([], now=AT)) == "no task runs, and none ended within the last hour\n"


def test_a_shell_opens_in_the_task_that_is_meant() -> None:
    found = [task("aa1"), task("ab2"), task("ac3", status="STOPPED")]
    assert chosen(found, None, "carts").id == "ab2"
    assert chosen(found, "aa", "carts").id == "aa1"
    for written, fault in (("a", "'a' is not one of its tasks"), ("ac", "'ac' is not one"), ("x", "running are aa1")):
        with pytest.raises(RefusedError, match=fault):
            chosen(found, written, "carts")
    with pytest.raises(RefusedError, match="no task of it runs: running are none"):
        chosen([], None, "carts")


class Runner:
    """Runs one task that goes through states and writes lines."""

    def __init__(self, *states: TaskDetail | BaseException) -> None:
        self.states = states
        self.stopped: list[tuple[str, str]] = []

    def now(self) -> datetime:
        return AT

    def start_task(self, service: str, command: Sequence[str]) -> OneOff:
        self.started = (service, command)
        return OneOff(f"{ARN}aa", "/nova/nova-prod-carts", "nova-prod-carts/app/aa")

    def wait_for_task(self, arn: str) -> Iterator[TaskDetail]:
        assert arn == f"{ARN}aa"
        for state in self.states:
            if isinstance(state, BaseException):
                raise state
            yield state

    def stop_task(self, arn: str, reason: str) -> None:
        self.stopped.append((arn, reason))

    def log_events(self, _: str, *, since: datetime, streams: Sequence[str] = ()) -> Iterator[LogEvent]:
        assert streams == ["nova-prod-carts/app/aa"]
        assert since < AT
        yield LogEvent("1", AT, "aa", "migrated 3 rows\n")


def play(runner: Runner) -> tuple[int, list[str], list[str]]:
    told: list[str] = []
    written: list[str] = []
    code = run(runner, "carts", ("migrate",), notify=told.append, write=written.append, wait=lambda: None)
    return code, told, written


def test_a_command_runs_in_a_task_of_its_own_with_its_output_and_its_exit_code() -> None:
    runner = Runner(task("aa", status="PENDING"), task("aa"), task("aa", status="STOPPED", exit_code=3))
    code, told, written = play(runner)
    assert (code, written) == (3, ["migrated 3 rows"])
    assert told == ["aa: starts", "aa: pending", "aa: running", "aa: stopped"]
    assert runner.started == ("carts", ("migrate",))
    assert runner.stopped == []


def test_a_command_that_is_interrupted_is_stopped() -> None:
    runner = Runner(task("aa"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        play(runner)
    assert runner.stopped == [(f"{ARN}aa", "nova run was interrupted")]


def test_a_task_that_never_ran_says_why() -> None:
    with pytest.raises(AwsError, match="carts: the task did not run: CannotPullContainerError"):
        play(Runner(task("aa", status="STOPPED", reason="CannotPullContainerError")))


@pytest.fixture
def scalable(deployment: Deployment) -> Deployment:
    """Production, whose carts service scales from 2 to 10 tasks."""
    deployment.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId="service/nova-prod/nova-prod-carts-service",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=10,
    )
    return deployment


def test_a_scaling_has_an_end_that_aws_keeps_and_a_line_in_the_ledger(scalable: Deployment) -> None:
    target, carts = scalable.environment, "carts-service"
    released = read_ledger(target).entries
    made = scale(target, carts, least=6, most=None, lasts=timedelta(hours=2), why="sale")
    assert (made.least, made.most) == (6, 10)
    again = scale(target, carts, least=12, most=None, lasts=timedelta(hours=1), why="more")
    assert (again.least, again.most) == (12, 12)
    assert (target.capacity(carts).usual, target.capacity(carts).scaled) == ((2, 10), True)
    [action] = scalable.client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="ecs")[
        "ScheduledActions"
    ]
    assert action["Schedule"] == f"at({again.until:%Y-%m-%dT%H:%M:%S})"
    assert action["ScalableTargetAction"] == {"MinCapacity": 2, "MaxCapacity": 10}
    end(target, carts, why="over")
    now = target.capacity(carts)
    assert (now.least, now.most, now.scaled) == (2, 10, False)
    ledger = read_ledger(target)
    assert ledger.entries == released  # a scaling is not a release
    assert [(each.least, each.why) for each in ledger.scalings] == [(2, "over"), (12, "more"), (6, "sale")]
    assert "carts-service: 12 to 12 tasks until" in as_text(listing.document(ledger, []), width=200)
    with pytest.raises(RefusedError, match="has its usual 2 to 10 tasks: there is nothing to end"):
        end(target, carts, why="x")


@pytest.mark.parametrize(
    ("least", "most", "hours", "fault"),
    one_of_each(
        [
            (None, None, 1, "give --min, --max or both"),
            (5, 3, 1, "5 to 3 tasks is not a range"),
            (None, 1, 1, "2 to 1 tasks is not a range"),
            (0, None, 0, "give at most 7 days"),
            (3, None, 24 * 8, "give at most 7 days"),
        ]
    ),
)
def test_a_scaling_that_makes_no_sense_changes_nothing(
    scalable: Deployment, least: int | None, most: int | None, hours: int, fault: str
) -> None:
    with pytest.raises(RefusedError, match=fault):
        scale(scalable.environment, "carts-service", least=least, most=most, lasts=timedelta(hours=hours), why="x")
    assert not scalable.environment.capacity("carts-service").scaled


def test_a_service_that_does_not_scale_says_so(scalable: Deployment) -> None:
    with pytest.raises(RefusedError, match=r"'store-service' has no scaling in prod: add scaling in nova.toml"):
        scalable.environment.capacity("store-service")


def test_a_shell_is_refused_where_the_environment_does_not_allow_it(deployment: Deployment) -> None:
    with pytest.raises(RefusedError, match=r"exec: is off in prod: set exec = true for it in nova.toml"):
        deployment.environment.open_shell("carts-service", "t", "/bin/sh")


@pytest.mark.exhaustive("test_a_job_has_no_tasks_of_its_own_and_the_line_says_how_it_is_started")
@pytest.mark.parametrize("call", one_of_each(["tasks", "start_task", "open_shell"]))
def test_a_service_that_is_not_there_is_refused_in_a_line(deployment: Deployment, call: str) -> None:
    arguments = {"tasks": ("nope",), "start_task": ("nope", ["x"]), "open_shell": ("nope", "t", "sh")}[call]
    with pytest.raises(RefusedError, match="service: 'nope' does not run in prod"):
        getattr(deployment.environment, call)(*arguments)


@pytest.mark.parametrize("call", one_of_each(["tasks", "start_task", "open_shell", "capacity"]))
def test_a_job_has_no_tasks_of_its_own_and_the_line_says_how_it_is_started(deployment: Deployment, call: str) -> None:
    role = "arn:aws:iam::123456789012:role/machine"
    machine = deployment.client("stepfunctions").create_state_machine(
        name="nova-prod-report", definition="{}", roleArn=role
    )["stateMachineArn"]
    arguments = {"start_task": ("report", ["x"]), "open_shell": ("report", "t", "sh")}.get(call, ("report",))
    with pytest.raises(RefusedError) as refused:
        getattr(deployment.environment, call)(*arguments)
    assert str(refused.value) == (
        "service: 'report' is a job, which has tasks only while it runs: `nova logs report prod` shows them, and "
        f"`aws stepfunctions start-execution --region us-east-1 --state-machine-arn {machine}` starts one"
    )


def test_the_lines_of_a_log_come_from_all_its_streams(deployment: Deployment) -> None:
    client = deployment.client("logs")
    now = datetime.now(UTC).replace(microsecond=0)
    [group] = deployment.environment.log_groups("carts-service")
    assert group.startswith("nova-prod-carts-service-Logs-")
    for stream in ("a", "b"):
        client.create_log_stream(logGroupName=group, logStreamName=f"nova-prod-carts-service/app/{stream}")
        event = {"timestamp": int(now.timestamp() * 1000), "message": f"from {stream}"}
        client.put_log_events(
            logGroupName=group, logStreamName=f"nova-prod-carts-service/app/{stream}", logEvents=[event]
        )
    found = deployment.environment.log_events("carts-service", since=now - timedelta(minutes=1))
    assert sorted((event.task, event.message, event.at) for event in found) == [
        ("a", "from a", now),
        ("b", "from b", now),
    ]
    with pytest.raises(RefusedError, match="service: 'nope' does not run in prod: see `nova status prod`"):
        list(deployment.environment.log_events("nope", since=now))


def test_the_places_of_an_environment_are_links(deployment: Deployment) -> None:
    found = as_text(places(deployment.environment), width=200).splitlines()
    assert found[0] == "address    https://nova.test"
    assert found[1] == (
        "services   https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/nova-prod/services?region=us-east-1"
    )
    assert found[3].endswith("#dashboards/dashboard/nova-prod")
    nothing = SimpleNamespace(name="qa", stack_name=lambda name: f"nova-qa-{name}", stacks=lambda _: ())
    with pytest.raises(RefusedError, match="'qa' has no address: nova-qa-platform is not deployed"):
        places(nothing)
