"""Targets: when they take requests, and when they do not."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from helpers.balancer import World, task_on
from nova_infra.rehearsal.load_balancer.interference import Interference
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER
from nova_infra.rehearsal.load_balancer.targets import Audience, Target
from nova_infra.rehearsal.record import Requests
from nova_infra.rehearsal.slowness import usual_seconds


def test_what_each_user_met_is_kept_for_the_target_group() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        for user, path in (("1", "/good"), ("2", "/fails"), ("3", "/dies"), ("2", "/good")):
            async with client.get(f"{url}{path}", headers={USER_HEADER: user}):
                pass
        async with client.get(f"{url}/fails"):
            pass
        assert world.group.audience == Audience({"tiny:2": {"1", "2", "3"}}, hit={"2", "3"})
        target.healthy = None
        async with client.get(url, headers={USER_HEADER: "4"}):
            pass
        assert world.group.audience == Audience({"tiny:2": {"1", "2", "3"}}, hit={"2", "3", "4"}, unserved=1)

    world.play(story)


def test_a_target_is_drained_before_it_leaves() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async def ask() -> int:
            async with client.get(f"{url}/slow") as response:
                return response.status

        asking = asyncio.create_task(ask())
        while target.idle.is_set():
            await asyncio.sleep(0.001)
        leaving = asyncio.create_task(world.balancer.deregister(world.group, target))
        await asyncio.sleep(0)
        assert world.group.next_target() is None, "it gets nothing new"
        assert world.group.targets == [target], "but may finish what it has"
        await leaving
        assert world.group.targets == []
        assert target.idle.is_set()
        assert await asking == 200

    world.play(story)


@pytest.mark.parametrize("path", ["/slow", "/ends-slowly"])
def test_what_outlasts_the_deregistration_delay_is_cut_off_though_the_target_would_answer(path: str) -> None:
    world = World()
    world.group.settings = replace(world.group.settings, drain=0.05)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async def ask() -> int:
            async with client.get(f"{url}{path}") as response:
                await response.read()
                return response.status

        asking = asyncio.create_task(ask())
        while target.idle.is_set():
            await asyncio.sleep(0.001)
        await world.balancer.deregister(world.group, target)
        if path == "/slow":
            assert await asking == 502
        else:
            with pytest.raises(aiohttp.ClientPayloadError):
                await asking
        assert target.idle.is_set()
        assert (target.served, target.failed) == (1, 1)

    world.play(story)
    assert world.count("HTTPCode_ELB_502_Count") == (path == "/slow"), "half an answer is none to count"


def test_a_target_becomes_unhealthy_and_healthy_again_after_its_thresholds() -> None:
    world = World()
    status = 200

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        nonlocal status

        async def health(request: web.BaseRequest) -> web.Response:
            return web.Response(status=status)

        runner = web.ServerRunner(web.Server(health))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        checked = world.balancer.register(world.group, task_on(runner.addresses[0][1]))
        assert await world.balancer.wait_healthy(world.group, checked)
        checking = asyncio.create_task(world.balancer.keep_checking(world.group, checked))
        status = 503
        while checked.healthy:
            await asyncio.sleep(0.01)
        assert checked.last_fault == "GET /health answered 503"
        status = 200
        while not checked.healthy:
            await asyncio.sleep(0.01)
        checking.cancel()
        await runner.cleanup()

    world.play(story)


def test_checks_that_fail_now_and_then_but_not_in_a_row_change_nothing() -> None:
    world = World()
    world.group.settings = replace(world.group.settings, unhealthy_threshold=2, healthy_threshold=5)
    seen: list[bool | None] = []

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        over = asyncio.Event()

        async def health(request: web.BaseRequest) -> web.Response:
            seen.append(target.healthy)
            if len(seen) == 6:
                over.set()
            return web.Response(status=503 if len(seen) % 2 else 200)

        runner = web.ServerRunner(web.Server(health))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.task = task_on(runner.addresses[0][1])
        checking = asyncio.create_task(world.balancer.keep_checking(world.group, target))
        await over.wait()
        checking.cancel()
        await runner.cleanup()

    world.play(story)
    assert seen == [True] * 6


def test_a_slow_task_is_slower_by_its_wait_for_the_processor_too() -> None:
    target = Target(task_on(1), interference=Interference("slower:10", "/"), added_seconds=0.03)
    assert 0.01 + target.longer_by(0.01) == pytest.approx(10 * (0.01 + 0.03))


def test_a_few_long_waits_do_not_move_what_an_answer_usually_takes() -> None:
    target = Target(task_on(1))
    for seconds in (0.01, 0.01, 0.01, 0.01, 0.01, 0.81):
        target.answered(seconds, failed=False)
    asked = Requests(target.served, target.failed, target.seconds, target.log_seconds, target.slow)
    assert asked.seconds / asked.served > 0.14
    assert usual_seconds(asked) == pytest.approx(0.01 * 81 ** (1 / 6))
