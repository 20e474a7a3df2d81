"""Lifecycle hooks, in simulated time."""

from __future__ import annotations

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.ecs.commands import AwaitHook, Command, Finish, ShiftTraffic, StartTask, StopTask
from nova_infra.rehearsal.ecs.lifecycle.hooks import Action, Hook
from nova_infra.rehearsal.ecs.phases import Phase
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep, read_rollout
from nova_infra.rehearsal.ecs.scheduler import Scheduler

CANARY = (TrafficStep(10, 5), TrafficStep(100, 3))
LINEAR = (TrafficStep(40, 2), TrafficStep(80, 2), TrafficStep(100, 1))


def hook(*stages: str, minutes: int = 7, on_timeout: Action = "ROLLBACK") -> Hook:
    return Hook("PAUSE", stages, minutes, on_timeout)


class World:
    """Does what the scheduler commands; hooks wait until the test answers them."""

    def __init__(self, *hooks: Hook, steps: tuple[TrafficStep, ...] = CANARY, strategy: str = "CANARY") -> None:
        self.scheduler = Scheduler(
            DeploymentConfiguration(strategy, steps, ("errors",), True, None, 100, 200, hooks),
            desired=2,
            running=[1, 2],
        )
        self.told: list[str] = []
        self.waiting: list[AwaitHook] = []
        self.finish: Finish | None = None
        self.do(self.scheduler.begin())
        self.minutes(1)

    def do(self, commands: list[Command]) -> None:
        queue = list(commands)
        while queue:
            match queue.pop(0):
                case StartTask(task, _):
                    self.told.append("start")
                    queue += self.scheduler.became_healthy(task)
                case StopTask(task):
                    queue += self.scheduler.stopped(task)
                case ShiftTraffic(percent):
                    self.told.append(f"{percent:g} %")
                case AwaitHook(_, stage) as command:
                    self.told.append(stage)
                    self.waiting.append(command)
                case Finish() as finish:
                    self.finish = finish

    def minutes(self, count: int, red: tuple[str, ...] = ()) -> World:
        for _ in range(count):
            if self.finish is None:
                self.do(self.scheduler.minute_passed(red))
        return self

    def answer(self, action: Action = "CONTINUE", reason: str = "") -> World:
        self.do(self.scheduler.answered(self.waiting[-1].number, action, reason))
        return self

    def outcome(self) -> str:
        return self.finish.outcome if self.finish else "under way"


def test_a_gate_before_traffic_waits_once_with_new_tasks_and_no_traffic() -> None:
    world = World(hook("POST_SCALE_UP"))
    assert world.told == ["start", "start", "POST_SCALE_UP"]
    assert world.minutes(3).scheduler.phase is Phase.WAITING
    world.answer().minutes(20)
    assert world.told[2:] == ["POST_SCALE_UP", "10 %", "100 %"]
    assert world.outcome() == "completed"


@pytest.mark.parametrize(
    ("strategy", "steps", "told"),
    [
        ("CANARY", CANARY, ["GATE", "10 %", "GATE", "100 %"]),
        ("LINEAR", LINEAR, ["GATE", "40 %", "GATE", "80 %", "GATE", "100 %"]),
        ("BLUE_GREEN", CANARY[1:], ["GATE", "100 %"]),
    ],
)
def test_a_gate_before_steps_waits_before_each_of_them(
    strategy: str, steps: tuple[TrafficStep, ...], told: list[str]
) -> None:
    world = World(hook("PRE_PRODUCTION_TRAFFIC_SHIFT", minutes=50), steps=steps, strategy=strategy)
    for _ in range(60):
        world.minutes(1)
        if world.scheduler.phase is Phase.WAITING:
            world.answer()
    assert [each.replace("PRE_PRODUCTION_TRAFFIC_SHIFT", "GATE") for each in world.told[2:]] == told
    assert world.outcome() == "completed"


def test_what_bakes_after_an_answer_bakes_whole_minutes() -> None:
    world = World(hook("PRE_PRODUCTION_TRAFFIC_SHIFT")).answer()
    assert world.told[-1] == "PRE_PRODUCTION_TRAFFIC_SHIFT", "the canary begins as a minute begins"
    world.minutes(1)
    assert world.told[-1] == "10 %"
    assert world.minutes(4).scheduler.phase is Phase.BAKING
    assert world.minutes(1).scheduler.phase is Phase.WAITING


def test_nobody_answers() -> None:
    world = World(hook("POST_SCALE_UP", minutes=7)).minutes(6)
    assert world.scheduler.phase is Phase.WAITING
    world.minutes(1)
    assert world.outcome() == "rolled back"
    assert world.finish is not None
    assert world.finish.reason == "nobody answered the gate at POST_SCALE_UP within 7 minutes"
    assert not [each for each in world.told if "%" in each], "no user reached it"


def test_nobody_has_to_answer_where_the_hook_says_go_on() -> None:
    world = World(hook("POST_SCALE_UP", minutes=2, on_timeout="CONTINUE")).minutes(20)
    assert world.outcome() == "completed"


def test_a_refused_gate_rolls_back_even_where_alarms_would_not() -> None:
    world = World(hook("PRE_PRODUCTION_TRAFFIC_SHIFT")).answer().minutes(6).answer("ROLLBACK", "the suite is red")
    assert world.told[-1] == "0 %"
    assert world.outcome() == "rolled back"
    assert world.finish is not None
    assert world.finish.reason == "the suite is red"


def test_an_alarm_ends_a_wait() -> None:
    world = World(hook("PRE_PRODUCTION_TRAFFIC_SHIFT")).answer().minutes(6)
    assert world.scheduler.phase is Phase.WAITING
    world.minutes(1, red=("errors",))
    assert world.outcome() == "rolled back"
    assert world.finish is not None
    assert world.finish.reason == "alarm errors went to ALARM at 10 % of the traffic"


def phase(world: World) -> Phase:
    return world.scheduler.phase


def test_all_hooks_of_a_stage_have_to_be_answered_and_each_once() -> None:
    world = World(hook("POST_SCALE_UP"), hook("POST_SCALE_UP", minutes=9))
    first, second = (command.number for command in world.waiting)
    world.do(world.scheduler.answered(first, "CONTINUE"))
    world.do(world.scheduler.answered(first, "CONTINUE"))
    assert phase(world) is Phase.WAITING
    world.do(world.scheduler.answered(second, "CONTINUE"))
    assert phase(world) is Phase.SCALING
    world.do(world.scheduler.answered(second, "ROLLBACK", "too late"))
    assert world.minutes(20).outcome() == "completed"


@pytest.mark.parametrize("wait", [0, 3, 8])
def test_a_deployment_is_stopped_wherever_it_is(wait: int) -> None:
    world = World(hook("POST_SCALE_UP"))
    if wait:
        world.answer().minutes(wait)
    world.do(world.scheduler.stop("aborted by ann"))
    assert world.outcome() == "rolled back"
    assert world.finish is not None
    assert world.finish.reason == "aborted by ann"
    world.do(world.scheduler.stop("again"))
    assert world.finish.reason == "aborted by ann"


def test_a_task_that_is_lost_during_a_wait_is_replaced() -> None:
    world = World(hook("POST_SCALE_UP"))
    world.do(world.scheduler.failed(3, "it was killed"))
    assert world.told[-1] == "start"
    assert world.scheduler.phase is Phase.WAITING


def test_hooks_are_read_from_the_template_with_ecs_s_defaults() -> None:
    pause = {"TargetType": "PAUSE", "LifecycleStages": ["POST_SCALE_UP"]}
    timed = {**pause, "TimeoutConfiguration": {"TimeoutInMinutes": 45, "Action": "CONTINUE"}}
    function = {"HookTargetArn": "arn", "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"], "HookDetails": {"a": 1}}
    as_text = {**function, "HookDetails": '{"b": 2}'}
    properties = {"Strategy": "BLUE_GREEN", "LifecycleHooks": [pause, timed, function, as_text]}
    assert read_rollout(properties, "s").hooks == (
        Hook("PAUSE", ("POST_SCALE_UP",), 1440, "ROLLBACK"),
        Hook("PAUSE", ("POST_SCALE_UP",), 45, "CONTINUE"),
        Hook("AWS_LAMBDA", ("POST_TEST_TRAFFIC_SHIFT",), 1440, "ROLLBACK", "arn", {"a": 1}),
        Hook("AWS_LAMBDA", ("POST_TEST_TRAFFIC_SHIFT",), 1440, "ROLLBACK", "arn", {"b": 2}),
    )


@pytest.mark.parametrize(
    ("strategy", "kind", "stage", "fault"),
    [
        ("ROLLING", "PAUSE", "POST_SCALE_UP", "of a rolling deployment are not rehearsed"),
        ("BLUE_GREEN", "PAUSE", "PRODUCTION_TRAFFIC_SHIFT", "is not a stage that the rehearsal plays"),
        ("BLUE_GREEN", "PAUSE", "TEST_TRAFFIC_SHIFT", "ECS allows no PAUSE at TEST_TRAFFIC_SHIFT"),
    ],
)
def test_what_is_not_played_is_named(strategy: str, kind: str, stage: str, fault: str) -> None:
    hooks = [{"TargetType": kind, "LifecycleStages": [stage]}]
    with pytest.raises(UnresolvableError, match=fault):
        read_rollout({"Strategy": strategy, "LifecycleHooks": hooks}, "s")


@pytest.mark.parametrize("details", ["header: x-nova-test", '["a"]'])
def test_details_that_are_no_object_are_refused(details: str) -> None:
    hook = {"HookTargetArn": "arn", "LifecycleStages": ["POST_SCALE_UP"], "HookDetails": details}
    with pytest.raises(UnresolvableError, match="no text of a JSON object"):
        read_rollout({"Strategy": "BLUE_GREEN", "LifecycleHooks": [hook]}, "s")
