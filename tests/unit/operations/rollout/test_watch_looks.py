"""What is read of rollouts, and with how many calls."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from helpers.rollouts import NOW, PREFIX, Rollout, World, target_group
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.errors import AwsError, NovaError, RefusedError
from nova_infra.machine.parallel import threads
from nova_infra.operations.rollout.follow import Follower
from nova_infra.operations.rollout.picture import alarm_in_words
from nova_infra.operations.rollout.view import ReleaseView
from nova_infra.operations.rollout.watch import looks, seconds_between_looks


def watching(
    environment: AwsEnvironment, world: World, *services: str, seconds: float = 0, patience: float = 0
) -> Iterator[ReleaseView]:
    """Looks between which time passes."""
    return looks(environment, services, patience=patience, wait=lambda span: world.pass_by(seconds or span))


def test_the_first_picture_needs_ecs_alone(environment: AwsEnvironment, world: World) -> None:
    for name in world.services:
        world.begin(name, stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    first = next(watching(environment, world))
    assert len(first.rollouts) == 45
    assert sorted(set(world.calls)) == [
        "DescribeServiceDeployments",
        "DescribeServiceRevisions",
        "DescribeServices",
        "ListServices",
    ]


@pytest.mark.exhaustive("test_an_alarm_is_shown_with_its_threshold_and_goes_red")
def test_45_rollouts_cost_fewer_than_three_calls_a_second(environment: AwsEnvironment, world: World) -> None:
    for name in world.services:
        world.begin(name, stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    running = watching(environment, world)
    for _ in range(2):
        next(running)  # It learns what does not change.
    before, start = len(world.calls), world.now
    for _ in itertools.takewhile(lambda _: world.now - start < timedelta(minutes=3), running):
        pass
    seconds = (world.now - start).total_seconds()
    assert (len(world.calls) - before) / seconds < 3


def test_a_few_rollouts_among_many_services_are_looked_at_more_often() -> None:
    assert seconds_between_looks(45, 2) < seconds_between_looks(45, 45)
    assert seconds_between_looks(3, 1) == 2.0


def test_the_actual_weight_is_the_listener_rules(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0, actual=25.0)
    _, view = itertools.islice(watching(environment, world), 2)
    [rollout] = view.rollouts
    assert (rollout.wanted, rollout.actual, rollout.percent) == (10.0, 25.0, 25.0)


def test_each_revision_has_its_tasks_its_requests_its_errors_and_its_latency(
    environment: AwsEnvironment, world: World
) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    world.requests = {target_group("s01-service", "green"): 4.0, target_group("s01-service", "blue"): 36.0}
    world.pass_by(120)
    _, view = itertools.islice(watching(environment, world), 2)
    [rollout] = view.rollouts
    new, old = rollout.new, rollout.old
    assert old is not None
    assert (new.name, new.running, new.wanted) == (f"{PREFIX}-s01-service:8", 2, 2)
    assert (new.requests, new.failed, new.latency_ms) == (12, 3, 40.0)
    assert (old.name, old.requests) == (f"{PREFIX}-s01-service:7", 108)


@pytest.mark.exhaustive("test_an_alarm_says_by_how_many_requests_it_judged_and_that_they_are_too_few")
def test_what_was_asked_before_the_deployment_began_is_not_counted(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service")
    world.requests = {target_group("s01-service", "blue"): 10.0}
    _, view = itertools.islice(watching(environment, world), 2)
    old = view.rollouts[0].old
    assert old is not None
    assert old.requests == 10, "one of the three minutes that CloudWatch has"


def test_an_alarm_is_shown_with_its_threshold_and_goes_red(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    world.values = {f"{PREFIX}-s01-service-errors": 4.0, f"{PREFIX}-s01-service-cpu": 91.0}
    running = watching(environment, world)
    _, view = itertools.islice(running, 2)
    alarms = {alarm.kind: alarm for alarm in view.rollouts[0].alarms}
    assert (alarms["errors"].value, alarms["errors"].threshold, alarms["errors"].breaching) == (4.0, 5.0, False)
    assert (alarms["cpu"].value, alarms["cpu"].breaching) == (91.0, True)
    assert alarms["latency"].value is None
    assert view.rollouts[0].red == ()
    world.red.add(f"{PREFIX}-s01-service-errors")
    assert next(running).rollouts[0].red == ("errors",)
    world.red.clear()
    assert next(running).rollouts[0].red == ()


def test_a_red_alarm_that_is_not_in_ecs_list_would_have_stopped_the_deployment(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = world.described

    def without_latency(rollout: Rollout) -> dict[str, Any]:
        found = described(rollout)
        names = [name for name in found["alarms"]["alarmNames"] if not name.endswith("-latency")]
        found["deploymentConfiguration"]["alarms"]["alarmNames"] = names
        return found

    monkeypatch.setattr(world, "described", without_latency)
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    world.red = {f"{PREFIX}-s01-service-latency", f"{PREFIX}-s01-service-cpu"}
    _, view = itertools.islice(watching(environment, world), 2)
    alarms = {alarm.kind: alarm for alarm in view.rollouts[0].alarms}
    assert (alarms["latency"].red, alarms["latency"].watched) == (True, False)
    assert (alarms["cpu"].red, alarms["cpu"].watched) == (True, True)
    assert "(would stop it, not watched)" in alarm_in_words(alarms["latency"])


def test_an_alarm_says_by_how_many_requests_it_judged_and_that_they_are_too_few(
    environment: AwsEnvironment, world: World
) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    world.requests = {target_group("s01-service", "green"): 3.0, target_group("s01-service", "blue"): 16.0}
    world.pass_by(240)
    _, view = itertools.islice(watching(environment, world), 2)
    alarms = {alarm.kind: alarm for alarm in view.rollouts[0].alarms}
    assert (alarms["errors"].requests, alarms["errors"].needs, alarms["errors"].judges) == (19, 20, False)
    assert (alarms["cpu"].requests, alarms["cpu"].judges) == (None, True)
    assert alarm_in_words(alarms["errors"]) == "errors says nothing: 19 of 20 requests/min"


@pytest.mark.parametrize(("per_minute", "of_new", "latency"), [(2.0, 2, None), (3.0, 3, 40.0)])
def test_a_percentile_of_few_requests_is_ignored(
    environment: AwsEnvironment, world: World, per_minute: float, of_new: int, latency: float | None
) -> None:
    world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    world.requests = {target_group("s01-service", "green"): per_minute, target_group("s01-service", "blue"): 36.0}
    world.pass_by(240)
    deployments = environment.service_deployments()
    readings = environment.readings(deployments)
    name = f"{PREFIX}-s01-service-latency"
    alarms = {**readings.alarms, name: replace(readings.alarms[name], needs_of_each=3)}
    [rollout] = Follower("prod").view(deployments, replace(readings, alarms=alarms), world.now).rollouts
    assert rollout.old is not None
    assert (rollout.new.latency_ms, rollout.old.latency_ms) == (latency, 40.0)
    shown = {alarm.kind: (alarm.of_new, alarm.judges_new) for alarm in rollout.alarms}
    assert shown == {"errors": (None, True), "latency": (of_new, latency is not None), "cpu": (None, True)}


def test_request_rates_are_those_that_the_alarms_count_over_the_last_hour_in_few_calls(
    environment: AwsEnvironment, world: World
) -> None:
    world.requests = {target_group("s01-service", "blue"): 240.0}
    rates = environment.request_rates()
    assert len(rates) == 45
    # The stub has three values an hour.
    assert rates["s01-service"] == RequestRate(3 * 240 / 60, {"errors": 20, "latency": 20})
    assert rates["s02-service"] == RequestRate(0.0, {"errors": 20, "latency": 20})
    assert world.calls == ["DescribeAlarms", "DescribeAlarms", "ListServices", "GetMetricData"]


def test_what_status_asks_side_by_side_is_asked_of_aws_once(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.refused["ListTasks"] = "AccessDeniedException"  # the tasks are not what is counted here
    questions = (environment.alarms, environment.request_rates, environment.services)
    begun, answer = threading.Semaphore(0), world.answer

    def begin(question: Any) -> Any:
        begun.release()
        return question()

    def slowly(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        if operation in ("ListServices", "DescribeAlarms"):
            assert all_begun.wait(30)
            time.sleep(0.1)
        return answer(operation, params)

    all_begun = threading.Event()
    monkeypatch.setattr(world, "answer", slowly)
    with threads(3) as pool:
        waiting = [pool.submit(begin, question) for question in questions]
        assert all(begun.acquire(timeout=30) for _ in questions)
        all_begun.set()
    alarms, rates, services = waiting
    assert (len(alarms.result()), len(rates.result())) == (135, 45)
    assert isinstance(services.exception(), NovaError)
    # Two pages of metric alarms, and two of composite ones.
    assert (world.calls.count("DescribeAlarms"), world.calls.count("ListServices")) == (4, 1)


@pytest.mark.parametrize("denied", ["DescribeRules", "GetMetricData", "DescribeAlarms", "DescribeServiceRevisions"])
def test_what_may_not_be_read_is_named_and_keeps_nothing_from_the_rest(
    environment: AwsEnvironment, world: World, denied: str
) -> None:
    world.begin("s01-service", stage="BAKE_TIME", weight=100.0)
    world.refused[denied] = "AccessDeniedException"
    _, view = itertools.islice(watching(environment, world), 2)
    assert view.rollouts[0].stage == "bakes"
    assert [line for line in view.unread if f"not {denied}" in line]


def test_it_goes_on_when_an_answer_is_lost_and_says_so(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service", stage="BAKE_TIME", weight=100.0)
    running = watching(environment, world)
    _, _ = itertools.islice(running, 2)
    world.refused["DescribeServiceDeployments"] = "ThrottlingException"
    lost = next(running)
    assert lost.rollouts[0].stage == "bakes"
    assert "the last look failed" in lost.unread[0]
    world.refused.clear()
    assert next(running).unread == ()


def test_it_ends_when_all_have_ended_and_follows_what_begins_meanwhile(
    environment: AwsEnvironment, world: World
) -> None:
    first = world.begin("s01-service", stage="BAKE_TIME", weight=100.0)
    running = watching(environment, world)
    _, _ = itertools.islice(running, 2)
    second = world.begin("s02-service")
    assert [rollout.service for rollout in next(running).rollouts] == ["s01-service", "s02-service"]
    first.status = second.status = "SUCCESSFUL"
    *_, last = running
    assert last.over
    assert last.succeeded
    assert len(last.rollouts) == 2


@pytest.mark.exhaustive("test_it_ends_when_all_have_ended_and_follows_what_begins_meanwhile")
def test_what_cloudformation_restores_after_a_rollback_is_no_success(environment: AwsEnvironment, world: World) -> None:
    bad = world.begin("s01-service", stage="PRODUCTION_TRAFFIC_SHIFT", weight=10.0)
    running = watching(environment, world)
    _, _ = itertools.islice(running, 2)
    bad.status, bad.rollback = "ROLLBACK_SUCCESSFUL", "alarms detected"
    restored = world.begin("s01-service")
    assert next(running).rollouts[0].state == "running"
    restored.status = "SUCCESSFUL"
    *_, last = running
    assert last.rollouts[0].state == "rolled back"
    assert not last.succeeded


def test_only_the_service_that_is_named_is_looked_at(environment: AwsEnvironment, world: World) -> None:
    world.begin("s01-service")
    world.begin("s02-service")
    view = next(watching(environment, world, "s02-service"))
    assert [rollout.service for rollout in view.rollouts] == ["s02-service"]
    assert world.calls.count("DescribeServices") == 1


def test_a_service_that_does_not_exist_is_refused(environment: AwsEnvironment, world: World) -> None:
    with pytest.raises(RefusedError, match="service: 'nothing' is not one of s00-service"):
        next(watching(environment, world, "nothing"))


def test_nothing_under_way_is_one_line(environment: AwsEnvironment, world: World) -> None:
    with pytest.raises(RefusedError, match="no deployment is under way in prod") as refusal:
        next(watching(environment, world))
    assert "\n" not in str(refusal.value)


def test_it_waits_for_a_deployment_to_begin(
    environment: AwsEnvironment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.pass_by

    def pass_by(seconds: float) -> None:
        real(seconds)
        if world.now >= NOW + timedelta(seconds=20) and not world.rollouts:
            world.begin("s03-service")

    monkeypatch.setattr(world, "pass_by", pass_by)
    assert next(watching(environment, world, patience=60)).rollouts[0].service == "s03-service"
    world.rollouts.clear()
    with pytest.raises(RefusedError, match="under way"):
        next(looks(environment, patience=10, wait=real))


def test_what_nova_did_is_an_event_of_its_own_and_one_that_was_not_taken_is_an_error(
    environment: AwsEnvironment, world: World
) -> None:
    environment.announce('prod was rolled back by ann: "too slow"')
    [(_, asked)] = world.answered
    [entry] = asked["Entries"]
    assert (entry["Source"], entry["DetailType"]) == ("nova", PREFIX)
    assert json.loads(entry["Detail"]) == {"message": 'prod was rolled back by ann: "too slow"'}
    with pytest.raises(AwsError, match="events:put_events: too long"):
        environment.announce("long " * 100)
