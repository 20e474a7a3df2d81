import asyncio

import pytest

from nova_infra.rehearsal import clock as module
from nova_infra.rehearsal.clock import Clock, ClockStoppedError, longest


async def nothing() -> None:
    pass


def test_minutes_follow_each_other_and_what_belongs_to_one_is_done_before_it_ends() -> None:
    async def play() -> list[str]:
        clock, story = Clock(seconds_per_minute=0.001), []

        async def during() -> None:
            await asyncio.sleep(0)
            story.append(f"load {clock.minute}")

        ticking = asyncio.create_task(clock.run(during, lambda: story.append(f"measured {clock.minute}")))
        for _ in range(2):
            await clock.next_minute()
        story.append("waited")
        ticking.cancel()
        return story

    story = asyncio.run(play())
    assert story[:4] == ["load 0", "measured 0", "load 1", "measured 1"]
    assert "waited" in story


def test_a_minute_lasts_until_its_load_is_answered_and_is_counted_as_slow() -> None:
    async def play() -> int:
        clock = Clock(seconds_per_minute=0.001)
        ticking = asyncio.create_task(clock.run(lambda: asyncio.sleep(0.05), lambda: None))
        await clock.next_minute()
        ticking.cancel()
        return clock.slow_minutes

    assert asyncio.run(play()) == 1


def test_an_error_in_a_minute_reaches_those_who_wait_now_and_later() -> None:
    async def play() -> None:
        clock = Clock(seconds_per_minute=0.001)

        async def broken() -> None:
            raise ValueError("no such metric")

        ticking = asyncio.create_task(clock.run(broken, lambda: None))
        for _ in range(2):
            with pytest.raises(ValueError, match="no such metric"):
                await clock.next_minute()
        await asyncio.gather(ticking, return_exceptions=True)

    asyncio.run(asyncio.wait_for(play(), 5))


def test_nobody_waits_for_a_clock_that_was_stopped() -> None:
    async def play() -> None:
        clock = Clock(seconds_per_minute=0.001)
        ticking = asyncio.create_task(clock.run(nothing, lambda: None))
        await clock.next_minute()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        with pytest.raises(ClockStoppedError):
            await clock.next_minute()

    asyncio.run(asyncio.wait_for(play(), 5))


@pytest.mark.parametrize(("minute", "seconds"), [(60, 1.0), (1, 1.0), (0.25, 0.25)])
def test_lost_tasks_are_looked_for_within_seconds_however_long_a_minute_lasts(minute: float, seconds: float) -> None:
    assert Clock(seconds_per_minute=minute).seconds_between_looks == seconds


@pytest.mark.parametrize(("minute", "seconds"), [(0.2, 1.0), (1, 5), (20, 60), (60, 60), (90, 90)])
def test_a_minute_that_nobody_waits_for_lasts_no_longer_than_a_real_one(minute: float, seconds: float) -> None:
    assert longest(minute) == seconds


def test_a_minute_that_nobody_waits_for_lasts_until_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that run for half a minute take half a minute in AWS, and not thirty bakes."""
    monkeypatch.setattr(module, "UNHURRIED", 60_000)

    async def play() -> list[int]:
        clock, counted = Clock(seconds_per_minute=0.001), []
        ticking = asyncio.create_task(clock.run(nothing, lambda: None))
        await asyncio.sleep(0.1)
        counted.append(clock.minute)
        for _ in range(3):
            await asyncio.wait_for(clock.next_minute(), 5)
            counted.append(clock.minute)
        ticking.cancel()
        return counted

    assert asyncio.run(play()) == [0, 1, 2, 3]
