from __future__ import annotations

import asyncio

import pytest

from nova_infra.machine.parallel import gather


def test_results_come_in_the_order_of_the_coroutines() -> None:
    async def number(value: int, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return value

    async def play() -> list[int]:
        return await gather(number(1, 0.01), number(2, 0))

    assert asyncio.run(play()) == [1, 2]


def test_when_one_fails_the_others_are_cancelled_and_waited_for() -> None:
    async def play() -> list[str]:
        story = []

        async def slow() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0.01)
                story.append("cleaned up")

        async def failing() -> None:
            await asyncio.sleep(0)
            raise LookupError("why")

        with pytest.raises(LookupError, match="why"):
            await gather(slow(), failing())
        return story

    assert asyncio.run(play()) == ["cleaned up"]
