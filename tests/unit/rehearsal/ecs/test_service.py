import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from helpers import virtual_time
from nova_infra.rehearsal.ecs.service import PlacedTask, PlayedService, Revision
from nova_infra.rehearsal.ecs.without_balancer import Unbalanced
from nova_infra.rehearsal.load_balancer.targets import TargetGroup, read_target_group
from nova_infra.rehearsal.tasks.task import ListensElsewhereError, TaskFailedError


def running(
    name: str,
    *,
    runs: bool = True,
    healthy: bool = True,
    ending: bool = False,
    uptime: float = 3.4,
    interval: float = 0,
    code: int | None = 1,
    because: str = "",
) -> PlacedTask:
    check = SimpleNamespace(interval=interval) if interval else None
    task: Any = SimpleNamespace(running=runs, ending=ending, stopped_reason=lambda: f"{name} exited", name=name)
    task.exit_code, task.stopped_because = code, because
    task.uptime, task.definition = uptime, SimpleNamespace(health_check=check)
    target = SimpleNamespace(healthy=healthy, last_fault=f"{name} answers 500")
    return PlacedTask(cast(Any, task), cast(Any, target), cast(Any, None), cast(Any, None))


class Watched(PlayedService):
    """A service that notes what it starts and stops, and runs nothing."""

    def __init__(self, tasks: list[PlacedTask], *, starts_fail: bool = False) -> None:
        none = Unbalanced("carts")
        super().__init__("carts", "shop", none, none.rule, [none.group], cast(Any, None), desired=len(tasks))
        self.tasks, self.revision = tasks, cast(Any, SimpleNamespace(name="carts:7"))
        self.did: list[str] = []
        self._starts_fail = starts_fail

    async def start(self, revision: Any, group: Any) -> PlacedTask:  # noqa: ARG002
        self.did.append("start")
        if self._starts_fail:
            raise TaskFailedError("no")
        self.tasks.append(running("new"))
        return self.tasks[-1]

    async def stop(self, tasks: list[PlacedTask]) -> None:
        for each in tasks:
            self.did.append(f"stop {cast(Any, each.task).name}")
            self.tasks.remove(each)


@pytest.mark.parametrize(
    ("tasks", "did", "story"),
    [
        ([running("a"), running("b")], [], []),
        # "The scheduler starts replacement tasks first and then stops the unhealthy tasks."
        ([running("a"), running("b", healthy=False)], ["start", "stop b"], ["b answers 500"]),
        ([running("a", runs=False), running("b")], ["stop a", "start"], ["a exited"]),
        # Its program is over, which is why nothing answers: it is replaced as soon as its exit code is known.
        ([running("a", healthy=False, ending=True), running("b")], [], []),
        (
            [running("a", runs=False), running("b", healthy=False)],
            ["stop a", "start", "start", "stop b"],
            ["a exited", "b answers 500"],
        ),
    ],
)
def test_what_is_unhealthy_goes_when_its_replacement_is_there(
    tasks: list[PlacedTask], did: list[str], story: list[str]
) -> None:
    service = Watched(tasks)
    told = asyncio.run(service.replace_lost())
    assert service.did == did
    assert len(told) == len(story)
    assert all(why in line for why, line in zip(story, told, strict=True))
    assert len(service.tasks) == 2


@pytest.mark.parametrize(
    ("ended", "remembered"),
    [
        ({}, True),
        ({"code": 0}, False),  # A worker may end after so many messages.
        ({"code": 0, "because": "container log-router: exited"}, True),
        ({"code": None}, True),
    ],
)
def test_a_task_that_ended_by_itself_is_remembered_with_its_revision(ended: dict[str, Any], remembered: bool) -> None:
    service = Watched([running("a", runs=False, **ended), running("b", healthy=False)])
    asyncio.run(service.replace_lost())
    said = {"carts:7": "within 3 s of its start it ended while it was serving: a exited"}
    assert service.fallen == (said if remembered else {})


@pytest.mark.parametrize(
    ("task", "too_soon"),
    [
        ({"runs": False, "interval": 10}, True),
        ({"runs": False, "interval": 3}, False),
        ({"runs": False, "interval": 30, "uptime": 5.1}, False),
        ({"runs": False}, False),
        ({"interval": 10}, False),
    ],
)
def test_a_task_ended_too_soon_if_no_engine_had_checked_it(task: dict[str, Any], too_soon: bool) -> None:
    assert running("a", **task).ended_too_soon is too_soon


def test_what_is_unhealthy_stays_where_its_replacement_fails() -> None:
    service = Watched([running("a", healthy=False)], starts_fail=True)
    assert asyncio.run(service.replace_lost()) == []
    assert service.did == ["start"]


@pytest.mark.parametrize(("closes_after", "closes"), [(0.05, True), (30, False)])
def test_how_long_an_idle_connection_stays_open_is_noted_also_where_the_task_ends_first(
    closes_after: float, closes: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await asyncio.wait([asyncio.create_task(reader.read())], timeout=closes_after)
        writer.close()

    async def nothing(*_: Any) -> bool:
        return True

    async def gone(_: Any, alone: bool) -> None:
        gone_alone.append(alone)

    gone_alone: list[bool] = []

    async def play() -> PlayedService:
        server, ended = await asyncio.start_server(answer, "127.0.0.1", 0), asyncio.Event()
        definition: Any = SimpleNamespace(revision="carts:7", health_check=None)
        port = server.sockets[0].getsockname()[1]
        task = SimpleNamespace(
            definition=definition, port=port, running=True, start=nothing, suffer=nothing, ended=ended.wait
        )
        target = SimpleNamespace(draining=False)
        balancer: Any = SimpleNamespace(
            protocol="HTTP", register=lambda *_: target, wait_healthy=nothing, keep_checking=lambda *_: ended.wait()
        )
        runtime: Any = SimpleNamespace(task=lambda *_: task)
        group = TargetGroup("group", read_target_group({}))
        service = PlayedService("carts", "shop", balancer, cast(Any, None), [group], runtime, gone=gone)
        placed = await service.start(Revision(definition, Path()), group)
        async with asyncio.timeout(30):
            while closes and not service.idle:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        ended.set()
        await placed.checks
        assert task.ended_at > 0, "its uptime ends with it"
        await asyncio.sleep(0.05)
        server.close()
        return service

    service = virtual_time.play(play())
    assert gone_alone == [True]
    assert service.kept_open["carts:7"] > 0.04
    assert (service.idle.keys() == {"carts:7"}) is closes
    assert (service.kept_open["carts:7"] > 0.2) is not closes


@pytest.mark.parametrize("fails", ["", "inner", "outer"])
def test_a_task_is_in_each_of_its_target_groups_and_has_to_be_healthy_in_each(fails: str) -> None:
    async def nothing(*_: Any) -> None:
        pass

    async def for_ever(*_: Any) -> None:
        await asyncio.Event().wait()

    class Balancer:
        protocol, is_asked = "TCP", True

        def register(self, group: TargetGroup, task: Any) -> Any:
            group.targets.append(cast(Any, SimpleNamespace(task=task, healthy=True, last_fault=f"{group.name}: 500")))
            return group.targets[-1]

        async def wait_healthy(self, group: TargetGroup, _: Any, /) -> bool:
            return group.name != fails

        async def deregister(self, group: TargetGroup, target: Any) -> None:
            group.targets.remove(target)

    balancer: Any = Balancer()
    balancer.keep_checking = for_ever
    definition = SimpleNamespace(revision="carts:7", health_check=None)
    task = SimpleNamespace(
        definition=definition, running=True, ending=False, killed_at_stop=False, uptime=9.0,
        start=nothing, stop=nothing, suffer=nothing, ended=for_ever,
    )  # fmt: skip
    outer, inner = (TargetGroup(name, read_target_group({})) for name in ("outer", "inner"))
    runtime: Any = SimpleNamespace(task=lambda *_: task)
    service = PlayedService("carts", "shop", balancer, cast(Any, None), [outer], runtime, further=[(balancer, inner)])

    async def play() -> list[str | None]:
        placed = await service.start(Revision(cast(Any, definition), Path()), outer)
        faults = [placed.fault()]
        assert [len(each.targets) for each in (outer, inner)] == [1, 1]
        for number, (_, each) in enumerate(service.places, start=1):
            vars(each.targets[0]).update(served=number, failed=0, seconds=0.0, log_seconds=0.0, slow=0)
        assert service.requests()["carts:7"].served == 3
        inner.targets[0].healthy = False
        faults.append(placed.fault())
        placed.checks.cancel()
        return faults

    if fails:
        with pytest.raises(TaskFailedError, match=f"{fails}: 500"):
            asyncio.run(play())
        assert [*outer.targets, *inner.targets] == []
    else:
        assert asyncio.run(play()) == [None, "it failed the load balancer's health checks: inner: 500"]


def test_a_revision_that_listens_elsewhere_is_waited_for_once_and_what_ends_is_told() -> None:
    """Three failed tasks open the circuit breaker: the first has shown where the program listens."""

    class Elsewhere(SimpleNamespace):
        async def start(self) -> None:
            hurried.append(self.hurried)
            raise ListensElsewhereError("listens on 9090") if self.revision == "carts:7" else TaskFailedError("exit 1")

        async def stop(self) -> None:
            return

    async def gone(task: Any, alone: bool) -> None:
        ended.append(task.revision if alone else "stopped")

    async def play() -> None:
        for revision in ("carts:7", "carts:7", "carts:8", "carts:8"):
            definition: Any = SimpleNamespace(revision=revision, health_check=None)
            with pytest.raises(TaskFailedError):
                await service.start(Revision(definition, Path()), none.group)

    hurried: list[bool] = []
    ended: list[str] = []
    runtime: Any = SimpleNamespace(task=lambda definition, *_: Elsewhere(revision=definition.revision))
    none = Unbalanced("carts")
    service = PlayedService("carts", "shop", none, none.rule, [none.group], runtime, gone=gone)
    asyncio.run(play())
    assert hurried == [False, True, False, False]
    assert ended == ["carts:7", "carts:7", "carts:8", "carts:8"]


def test_what_the_load_balancer_could_not_pass_on_outlives_the_task() -> None:
    async def nothing(*_: Any) -> None:
        return

    def placed(revision: str, unusable: str, *, ended: bool = False) -> PlacedTask:
        definition = SimpleNamespace(revision=revision)
        task: Any = SimpleNamespace(definition=definition, stop=nothing, killed_at_stop=False)
        target = SimpleNamespace(unusable=unusable, served=1, failed=1, seconds=0.0, log_seconds=0.0, slow=0)
        checks: Any = SimpleNamespace(cancel=lambda: None, done=lambda: ended)
        return PlacedTask(task, cast(Any, target), cast(Any, None), checks)

    async def gone(_: Any, alone: bool) -> None:
        ended.append(alone)

    ended: list[bool] = []
    balancer: Any = SimpleNamespace(deregister=nothing)
    service = PlayedService("carts", "shop", balancer, cast(Any, None), [], cast(Any, None), gone=gone)
    service.tasks = [
        placed("carts:6", ""),
        placed("carts:7", "its headers are longer than 32 KiB"),
        placed("carts:7", "", ended=True),
    ]
    asyncio.run(service.stop([*service.tasks]))
    assert service.unusable == {"carts:7": "its headers are longer than 32 KiB"}
    assert ended == [False] * 2, "a deployment stops them, and of the third its end has been told"
