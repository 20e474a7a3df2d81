"""Bodies that a client does not send to their end, or that a target does not take."""

import asyncio

import aiohttp
import pytest

from helpers.balancer import World, sent
from nova_infra.rehearsal.load_balancer.targets import Target


@pytest.mark.parametrize("ending", ["silent", "gone"])
def test_a_client_that_sends_half_a_body_is_not_the_targets_failure(ending: str) -> None:
    """Source: Troubleshoot your Application Load Balancers, "HTTP 408" and "HTTP 460"."""
    world = World(idle_timeout=0.2)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.balancer.port)
        writer.write(b"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        if ending == "gone":
            await asyncio.sleep(0.05)
            writer.transport.abort()
        else:
            assert (await reader.readline()).split()[1] == b"408"
            writer.close()
        await target.idle.wait()
        await asyncio.sleep(0.3)
        assert (target.served, target.failed) == (0, 0)

    assert world.play(story).count("HTTPCode_ELB_5XX_Count") == 0


def test_a_target_that_takes_no_more_of_a_body_has_not_answered() -> None:
    sent.ahead = sent.most = 0

    async def pieces() -> object:
        for _ in range(400):
            sent.sent(2**18)
            yield bytes(2**18)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.put(f"{url}/hangs", data=pieces()) as response:
            assert response.status == 504
        assert (target.served, target.failed, sent.most < 2**26) == (1, 1, True)

    World(idle_timeout=0.5).play(story)


def test_a_client_may_take_longer_than_the_idle_timeout_for_all_of_its_body() -> None:
    async def pieces() -> object:
        for _ in range(6):
            await asyncio.sleep(0.1)
            yield b"piece"

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.put(f"{url}/up", data=pieces()) as response:
            assert (response.status, (await response.json())["body"]) == (200, 30)

    World(idle_timeout=0.3).play(story)
