"""What users get, and what is counted, where a target or a client fails."""

import asyncio
import contextlib
import os
import socket
from typing import Any

import aiohttp
import psutil
import pytest

from helpers.balancer import World, sent, task_on
from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.clock import COMPRESSED, REAL_TIME, Pace
from nova_infra.rehearsal.load_balancer import exchange, proxy
from nova_infra.rehearsal.load_balancer.exchange import Silence
from nova_infra.rehearsal.load_balancer.targets import Target


@pytest.mark.parametrize("method", one_of_each(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"]))
def test_a_request_that_the_target_cuts_off_is_never_sent_again(method: str) -> None:
    sent.asked = 0

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answers = []
        for _ in range(12):
            async with client.request(method, f"{url}/dies-every-third-time") as response:
                answers.append(response.status)
        assert answers == [200, 200, 502] * 4

    assert World().play(story).count("HTTPCode_ELB_502_Count") == 4
    assert sent.asked == 12


def test_a_target_that_hangs_is_asked_and_has_not_answered() -> None:

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/hangs") as response:
            assert response.status == 504
        assert (target.served, target.failed) == (1, 1)

    world = World(idle_timeout=0.1).play(story)
    assert world.count("HTTPCode_ELB_504_Count") == 1
    assert world.counts_of_group() == {"RequestCount": 1}


def test_a_slow_answer_is_waited_for_as_long_as_in_aws_until_the_target_was_silent_twice() -> None:
    silence, asked = Silence(), ("tiny:2", "GET", "/hangs")
    assert silence.seconds(asked, 60) == 60
    silence.silent(asked, began=0, ended=60)
    silence.silent(asked, began=7, ended=67)
    assert silence.seconds(asked, 60) == 60, "both may have waited for what happens once, such as a first answer"
    silence.silent(asked, began=60, ended=120)
    assert [silence.seconds(each, 60) for each in (asked, ("tiny:2", "GET", "/slow"))] == [10, 60]
    assert silence.seconds(asked, 4) == 4, "never longer than the load balancer waits"
    silence.answered(asked, 9.5)
    assert silence.seconds(asked, 60) == 10
    silence.answered(asked, 10.5)
    assert silence.seconds(asked, 60) == 60, "it does answer, late"


@pytest.mark.parametrize("ending", ["the target closes", "the client leaves", "no connection"])
def test_only_a_silent_target_is_given_up_early_the_next_time(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(exchange, "SHORT_SECONDS", 0.1)
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.2)
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.4)
            if asked > 2 or ending != "the target closes":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
                await writer.drain()
        writer.close()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            with contextlib.ExitStack() as opened:
                target.task = task_on(server.sockets[0].getsockname()[1])
                if ending == "no connection":
                    full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
                    opened.enter_context(socket.create_connection(full.getsockname()))
                    target.task = task_on(full.getsockname()[1])
                seconds = 0.2 if ending == "the client leaves" else None
                for _ in range(2):
                    with contextlib.suppress(TimeoutError):
                        async with client.get(url, timeout=aiohttp.ClientTimeout(total=seconds)) as response:
                            assert response.status in (502, 504)
                    await target.idle.wait()
                target.task = task_on(server.sockets[0].getsockname()[1])
                async with client.get(url) as response:
                    assert (response.status, await response.text()) == (200, "late")

    World().play(story)


@pytest.mark.parametrize("pace", [COMPRESSED, REAL_TIME])
def test_a_request_that_is_given_up_early_counts_as_if_it_had_waited(
    monkeypatch: pytest.MonkeyPatch, pace: Pace
) -> None:
    monkeypatch.setattr(exchange, "SHORT_SECONDS", 0.01)
    waited: list[float] = []
    ask = exchange.exchange

    async def observed(*arguments: Any, idle_seconds: float, **more: Any) -> Any:
        waited.append(idle_seconds)
        return await ask(*arguments, idle_seconds=idle_seconds, **more)

    monkeypatch.setattr(proxy, "exchange", observed)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        for _ in range(3):
            async with client.get(f"{url}/hangs") as response:
                assert response.status == 504
        assert (target.served, target.failed) == (3, 3)
        assert target.seconds > 0.44

    World(idle_timeout=0.15, pace=pace).play(story)
    assert waited == ([0.15] * 3 if pace.is_real else [0.15, 0.15, 0.01]), "real time has no minute to save"


@pytest.mark.parametrize(("idle", "waits"), [(60.0, 60.0), (4.0, 4.0), (600.0, 100.0)])
def test_a_compressed_minute_gives_no_answer_up_that_comes_within_a_real_one(idle: float, waits: float) -> None:
    assert World(idle_timeout=idle).balancer.idle_seconds == waits
    assert World(idle_timeout=idle, pace=REAL_TIME).balancer.idle_seconds == idle


@pytest.mark.parametrize(("times", "status"), [(1, 200), (2, 502)])
def test_an_answer_that_is_chunked_twice_is_malformed(times: int, status: int) -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            chunked = b"Transfer-Encoding: chunked\r\n" * times
            writer.write(b"HTTP/1.1 200 OK\r\n" + chunked + b"\r\n4\r\nfine\r\n0\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            target.task = task_on(server.sockets[0].getsockname()[1])
            async with client.get(url) as response:
                assert response.status == status
            assert target.unusable == ("it has the header Transfer-Encoding twice" if status == 502 else "")

    World().play(story)


@pytest.mark.parametrize("waiting", [0, 4])
def test_a_target_that_accepts_no_connection_in_time_is_a_connection_that_failed(
    waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr("os.getloadavg", lambda: (waiting * (os.cpu_count() or 1), 0, 0))

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        began = asyncio.get_running_loop().time()
        with contextlib.ExitStack() as opened:
            full = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            opened.enter_context(socket.create_connection(full.getsockname()))  # takes the only place there is
            target.task = task_on(full.getsockname()[1])
            async with client.get(url) as response:
                assert response.status == 504
        assert asyncio.get_running_loop().time() - began >= 0.1 * max(waiting, 1)

    world = World().play(story)
    assert world.counts_of_group() == {"RequestCount": 1, "TargetConnectionErrorCount": 1}


def test_another_idle_timeout_holds_from_the_next_request_on() -> None:
    """A release may change it; the listener is the one that the baseline opened."""
    world = World(idle_timeout=60)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        world.balancer.idle_timeout = 0.1
        async with client.get(f"{url}/hangs", timeout=aiohttp.ClientTimeout(total=5)) as response:
            assert response.status == 504

    assert world.play(story).count("HTTPCode_ELB_504_Count") == 1


def test_another_idle_timeout_holds_for_connections_that_nobody_uses() -> None:
    world = World(idle_timeout=60, pace=REAL_TIME)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        ports = []
        for _ in range(3):
            async with client.get(f"{url}/peer") as response:
                ports.append(await response.text())
            if len(ports) == 2:
                world.balancer.idle_timeout = 0.05
                await asyncio.sleep(0.1)
        assert ports[0] == ports[1] != ports[2]

    world.play(story, play=asyncio.run)  # aiohttp reads the machine's own clock


def test_a_target_that_hangs_half_way_is_cut_off_after_an_answer_that_counts() -> None:

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with client.get(f"{url}/hangs-half-way") as response:
                await response.read()
        assert (target.served, target.failed) == (1, 1)

    world = World(idle_timeout=0.1).play(story)
    assert world.counts_of_group() == {"RequestCount": 1, "HTTPCode_Target_2XX_Count": 1}
    assert world.count("HTTPCode_ELB_5XX_Count") == 0, "its own answer would have come too late"


def test_a_target_that_does_not_listen_is_a_connection_that_failed() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            target.task = task_on(closed.getsockname()[1])
            async with client.get(url) as response:
                assert response.status == 502

    world = World().play(story)
    assert world.count("HTTPCode_ELB_502_Count") == 1
    assert world.counts_of_group() == {"RequestCount": 1, "TargetConnectionErrorCount": 1}


def test_an_error_of_the_target_is_counted_as_its_own() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/fails") as response:
            assert response.status == 500
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.count("HTTPCode_Target_5XX_Count", of_group=True) == 1
    assert world.count("HTTPCode_ELB_5XX_Count") == 0


def test_a_target_that_closes_the_connection_is_an_error_of_the_load_balancer() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/dies") as response:
            assert response.status == 502
        assert (target.served, target.failed) == (1, 1)

    world = World().play(story)
    assert world.count("HTTPCode_ELB_502_Count") == world.count("HTTPCode_ELB_5XX_Count") == 1
    assert world.count("HTTPCode_ELB_5XX_Count", of_group=True) == 0, "that count has no target group in AWS"
    assert world.counts_of_group() == {"RequestCount": 1}


def test_half_an_answer_does_not_look_like_a_whole_one() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with client.get(f"{url}/dies-half-way") as response:
                await response.read()
        assert target.failed == 1

    World().play(story)


def test_a_client_that_goes_away_is_not_the_targets_failure() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/streams") as response:
            await response.content.readany()
            response.close()
        await target.idle.wait()
        assert target.failed == 0

    world = World().play(story)
    assert world.count("HTTPCode_ELB_5XX_Count") == 0


def test_without_a_healthy_target_the_answer_is_503() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        target.healthy = None
        async with client.get(url) as response:
            assert response.status == 503

    assert World().play(story).count("HTTPCode_ELB_503_Count") == 1


@pytest.mark.parametrize("steps", one_of_each(range(10)))
def test_a_start_that_is_interrupted_leaves_no_port(steps: int) -> None:
    def listening() -> set[object]:
        return {c.laddr for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN}

    async def play() -> None:
        balancer = World().listener("HTTP", 80)
        starting = asyncio.create_task(balancer.start())
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await balancer.stop()
        assert listening() <= before

    before = listening()
    asyncio.run(play())


@pytest.mark.parametrize(
    ("path", "status"),
    [("/headers/12", 200), ("/headers/31", 200), ("/headers/40", 502), ("/cookies/40", 502), ("/cookies/20", 200)],
)
def test_headers_of_an_answer_may_be_as_long_as_in_aws(path: str, status: int) -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}{path}") as response:
            assert response.status == status
        assert target.unusable == ("its headers are longer than 32 KiB" if status == 502 else "")

    assert World().play(story).count("HTTPCode_ELB_502_Count") == (status == 502)


@pytest.mark.parametrize(("size", "status"), [(12_000, 200), (17_000, 400)])
def test_a_header_of_a_request_may_be_as_long_as_in_aws(size: int, status: int) -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(url, headers={"X-Long": "x" * size}) as response:
            assert response.status == status

    World().play(story)
