"""What passes through the load balancer, in both directions."""

import asyncio
import gzip
import json
import re

import aiohttp
import pytest

from helpers.balancer import PIECE, World, heard, sent
from nova_infra.rehearsal.load_balancer.routing import FixedResponse, Redirect, RoutingRule
from nova_infra.rehearsal.load_balancer.targets import Target


def test_a_request_reaches_the_target_as_it_was_sent() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.put(f"{url}/a?b=%20c", data=b"12345", headers={"X-Own": "1"}) as response:
            got = await response.json()
        assert (got["path"], got["body"], got["headers"]["X-Own"]) == ("/a?b=%20c", 5, "1")
        assert got["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert got["headers"]["X-Forwarded-Proto"] == "http"
        assert got["headers"]["Host"] == url.removeprefix("http://")

    World().play(story)


@pytest.mark.parametrize(
    ("sent", "rest"),
    [
        ("Root=1-67891233-abcdef012345678912345678", ";Root=1-67891233-abcdef012345678912345678"),
        ("Self=1-1-2;Root=1-67891233-abcdef;CalledFrom=app", ";Root=1-67891233-abcdef;CalledFrom=app"),
        ("App=mine", ";App=mine"),
    ],
)
def test_a_trace_is_continued_with_the_load_balancers_own_part(sent: str, rest: str) -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak(f"GET /heard HTTP/1.1\nHost: a\nX-Amzn-Trace-Id: {sent}\nConnection: close\n\n")
        [trace] = heard(answer)["x-amzn-trace-id"]
        assert re.fullmatch(r"Self=1-[0-9a-f]{8}-[0-9a-f]{24}" + re.escape(rest), trace)

    world.play(story)


def test_a_trace_in_headers_of_more_than_seven_kilobytes_is_begun_again() -> None:
    """Source: Request tracing for your Application Load Balancer, limitations."""
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        head = "GET /heard HTTP/1.1\nHost: a\nConnection: close\nX-Amzn-Trace-Id: Root=1-67891233-abcdef\n"
        [kept] = heard(await world.speak(f"{head}X-Long: {'a' * 6900}\n\n"))["x-amzn-trace-id"]
        assert kept.endswith(";Root=1-67891233-abcdef")
        [new] = heard(await world.speak(f"{head}X-Long: {'a' * 7200}\n\n"))["x-amzn-trace-id"]
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", new)

    world.play(story)


def test_the_target_learns_the_client_and_nothing_that_it_did_not_send() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak("GET /heard HTTP/1.1\nHost: shop.example.com\nConnection: close\n\n")
        said = heard(answer)
        assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", said.pop("x-amzn-trace-id")[0])
        assert said == {
            "host": ["shop.example.com"],
            "x-forwarded-for": ["127.0.0.1"],
            "x-forwarded-proto": ["http"],
            "x-forwarded-port": ["80"],
        }

    world.play(story)


def test_what_a_client_says_of_its_way_is_appended_to_or_replaced() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "X-Forwarded-For: 203.0.113.7\nX-Forwarded-Proto: https\nX-Forwarded-Port: 1\nConnection: close\n\n"
        got = heard(await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}"))
        assert got["x-forwarded-for"] == ["203.0.113.7, 127.0.0.1"]
        assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == (["http"], ["80"])

    world.play(story)


def test_headers_of_a_connection_end_with_it_in_both_directions() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "TE: trailers\nKeep-Alive: timeout=5\nX-Own: 1\nX-Hop: 2\nConnection: close, X-Hop\n\n"
        assert set(heard(await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}"))) == {
            "host",
            "x-own",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-port",
            "x-amzn-trace-id",
        }
        async with client.get(f"{url}/cookies") as response:
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert not {"X-Hop", "Keep-Alive"} & set(response.headers)

    world.play(story)


@pytest.mark.exhaustive("test_a_request_reaches_the_target_as_it_was_sent")
def test_an_old_client_gets_a_streamed_answer_that_ends_with_the_connection() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        head, _, body = (await world.speak("GET /streams HTTP/1.0\nHost: x\n\n")).partition("\r\n\r\n")
        assert head.startswith("HTTP/1.0 200")
        assert "chunked" not in head.lower()
        assert len(body) == 40 * len(PIECE)

    world.play(story)


def test_a_request_that_names_the_whole_address_reaches_the_path_in_it() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        answer = await world.speak("GET http://x/heard?a=1 HTTP/1.1\nHost: x\nConnection: close\n\n")
        assert json.loads(answer.partition("\r\n\r\n")[2])["path"] == "/heard?a=1"

    world.play(story)


def test_a_websocket_is_refused_and_not_played_wrong() -> None:
    world = World()

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        said = "Upgrade: websocket\nConnection: close, Upgrade\n\n"
        assert (await world.speak(f"GET /heard HTTP/1.1\nHost: x\n{said}")).startswith("HTTP/1.1 501")
        assert target.served == 0

    world.play(story)


@pytest.mark.exhaustive("test_a_request_reaches_the_target_as_it_was_sent")
def test_an_upload_goes_no_faster_than_the_target_reads_it() -> None:
    sent.ahead = sent.most = 0
    size = 256 * len(PIECE)

    async def pieces() -> object:
        for _ in range(256):
            sent.sent(len(PIECE))
            yield PIECE

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/reads-slowly", data=pieces()) as response:
            most = (await response.json())["most"]
        assert sent.ahead == 0
        # What the sockets' own buffers hold on two connections, and no more.
        assert most < size / 2

    World().play(story)


@pytest.mark.exhaustive("test_a_request_reaches_the_target_as_it_was_sent")
def test_an_answer_comes_no_faster_than_the_client_reads_it() -> None:
    sent.ahead = sent.most = 0

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/streams-as-fast-as-it-can") as response:
            while chunk := await response.content.read(2**16):
                sent.ahead -= len(chunk)
                await asyncio.sleep(0)
        assert sent.ahead == 0
        assert sent.most < 128 * len(PIECE)

    World().play(story)


def test_an_answer_is_passed_on_as_it_is() -> None:
    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as plain:
            async with plain.get(f"{url}/zipped") as response:
                assert response.headers["Content-Encoding"] == "gzip"
                assert gzip.decompress(await response.read()) == b"text"
            async with plain.get(f"{url}/elsewhere", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (302, "/fails")

    World().play(story)


def test_the_response_time_is_that_until_the_answer_begins() -> None:
    begins: list[float] = []

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        for path in ("/slow", "/ends-slowly"):
            asked = asyncio.get_running_loop().time()
            async with client.get(f"{url}{path}") as response:
                begins.append(asyncio.get_running_loop().time() - asked)
                await response.read()

    world = World().play(story)
    [metric] = [m for m in world.store.metrics() if m.name == "TargetResponseTime" and len(m.dimensions) == 2]
    waited, began_at_once = world.store.values(metric, range(1))
    assert waited >= 0.2
    assert [waited <= begins[0], began_at_once <= begins[1]] == [True, True]


def test_large_bodies_pass_in_pieces_both_ways_and_a_client_may_ask_first() -> None:
    async def pieces() -> object:
        for _ in range(40):
            yield PIECE

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.post(f"{url}/up", data=pieces()) as response:
            assert (await response.json())["body"] == 40 * len(PIECE)
        async with client.post(f"{url}/up", data=PIECE, expect100=True) as response:
            assert (await response.json())["body"] == len(PIECE)
        async with client.get(f"{url}/streams") as response:
            assert len(await response.read()) == 40 * len(PIECE)
        async with client.head(f"{url}/x") as response:
            assert (response.status, await response.read()) == (200, b"")

    assert World().play(story).count("HTTPCode_Target_2XX_Count", of_group=True) == 4


def test_the_first_rule_by_priority_that_matches_decides() -> None:
    world = World()
    world.balancer.rules.append(
        RoutingRule("first", 0.5, paths=("/own",), answer=FixedResponse(418, "text/plain", "own"))
    )

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/own") as own, client.get(f"{url}/other") as other:
            assert (own.status, await own.text(), other.status) == (418, "own", 200)
        world.balancer.rules = []
        async with client.get(url) as response:
            assert response.status == 404

    world.play(story)


def test_a_redirect_to_another_listener_of_the_load_balancer_leads_there() -> None:
    world = World()
    https = world.listener("HTTPS", 443)
    https.rules = world.balancer.rules
    redirect = Redirect(301, "HTTPS", "#{host}", "443", "/#{path}", "#{query}")
    world.balancer.rules = [RoutingRule("redirect", float("inf"), answer=redirect)]

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        await https.start()
        try:
            async with client.get(f"{url}/x/y?q=1") as response:
                assert str(response.url) == f"{https.url}/x/y?q=1"
                assert (await response.json())["headers"]["X-Forwarded-Proto"] == "https"
        finally:
            await https.stop()

    world.play(story)


def test_a_redirect_to_another_host_leads_there() -> None:
    world = World()
    world.siblings["https:443"] = "http://127.0.0.1:1"
    redirect = Redirect(302, "HTTPS", "www.example.com", "443", "/#{path}", "#{query}")
    world.balancer.rules = [RoutingRule("redirect", 1, answer=redirect)]

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{url}/x", allow_redirects=False) as response:
            assert response.headers["Location"] == "https://www.example.com:443/x"
            assert response.headers["Server"] == "awselb/2.0", "so it signs its own answers in AWS"

    world.play(story)


def test_a_client_that_asks_for_an_address_here_asks_for_the_name_that_leads_to_it_in_aws() -> None:
    """An app may refuse every other host, as Django does by ALLOWED_HOSTS, and compares it with a form's origin."""
    world = World()
    rules, world.balancer = world.balancer.rules, world.listener("HTTPS", 443)
    world.balancer.rules, world.balancer.public_name = rules, "shop.example"

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        headers = {"Origin": url, "Referer": f"{url}/form", "Cookie": "copy-of-__Host-a=1; b=2"}
        async with client.get(f"{url}/names-itself", headers=headers, allow_redirects=False) as response:
            said, came = await response.json(), response.headers
        assert [said[each][::-1] for each in ("Host", "Origin", "Referer", "Cookie")] == [
            "shop.example",
            "https://shop.example",
            "https://shop.example/form",
            "__Host-a=1; b=2",
        ]
        assert said["all"] == f"{url}/a?b=1 {url} https://shop.example.evil/ https://shop.example:8443/"
        assert [came["Location"], came["Link"]] == [f"{url}/new", f"<{url}/2>; rel=next"]
        assert came.getall("Set-Cookie")[-1] == "copy-of-__Host-a=1"
        async with client.get(f"{url}/names-itself", headers={"Host": "other.example"}, allow_redirects=False) as named:
            assert (await named.json())["Host"][::-1] == "other.example"
            assert named.headers["Location"] == "https://other.example/new"

    world.play(story)


@pytest.mark.parametrize("how", ["whole", "chunked", "zipped"])
def test_links_lead_here_however_an_answer_comes_and_writes_them(how: str) -> None:
    world = World()
    rules, world.balancer = world.balancer.rules, world.listener("HTTPS", 443)
    world.balancer.rules, world.balancer.public_name = rules, "shop.example"

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        escaped = url.replace("/", r"\/")
        async with client.get(f"{url}/names-itself-otherwise?{how}") as response:
            assert await response.text() == rf"{url}/1 {escaped}\/2 {url}"
        for odd, size in (("untrue", b"4\r\ntext"), ("not-modified", b"\r\n\r\n0\r\n")):
            request = f"GET /names-itself-otherwise?{odd} HTTP/1.1\nHost: {url[7:]}\nConnection: close\n\n"
            assert size in (await world.speak(request)).encode()
        async with client.get(f"{url}/heard", headers={"Accept-Encoding": "br, zstd"}) as response:
            assert dict((await response.json())["headers"])["Accept-Encoding"] == "identity"

    world.play(story)


def test_a_name_that_a_rule_is_for_is_what_its_port_is_asked_for() -> None:
    world = World()
    world.balancer.public_name = "lb.example"
    [rule] = world.balancer.rules
    rule.hosts = ("shop.example",)

    async def story(client: aiohttp.ClientSession, url: str, target: Target) -> None:
        async with client.get(f"{await world.balancer.address_of('shop.example')}/heard") as response:
            assert dict((await response.json())["headers"])["Host"] == "shop.example"
        async with client.get(f"{url}/heard") as response:
            assert response.status == 404

    world.play(story)
