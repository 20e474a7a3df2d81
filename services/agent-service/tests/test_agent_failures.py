"""The agent when a sibling lets it down: what it says, and whether it asks again."""

from __future__ import annotations

import asyncio
import gzip
import json
import math

import httpx
import pytest

from .neighbours import MP4, SOUND, WAV, Answer, Neighbours, agent, failing, run

NOT_JSON = json.dumps({**SOUND, "peak_dbfs": math.nan})


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_sibling_that_is_away_for_a_moment_is_asked_again(status: int) -> None:
    answers = iter([status, 200])
    neighbours = Neighbours(analyze=lambda _: httpx.Response(next(answers), json=SOUND))
    (step,) = run(agent(neighbours), WAV).json()["steps"]
    assert (step["status"], step["attempts"]) == ("succeeded", 2)


def test_a_sibling_that_fails_for_good_is_not_asked_again() -> None:
    neighbours = Neighbours(analyze=failing(500))
    response = run(agent(neighbours), WAV)
    assert response.status_code == 502
    assert len(neighbours.requests) == 1
    assert "ears failed" in response.json()["detail"]


def overloaded(seconds: str) -> Answer:
    return lambda _: httpx.Response(503, text="busy", headers={"Retry-After": seconds})


def test_a_sibling_with_too_much_to_do_is_asked_again_when_it_says() -> None:
    answers = iter([httpx.Response(503, headers={"Retry-After": "1"}), httpx.Response(200, json=SOUND)])
    neighbours = Neighbours(analyze=lambda _: next(answers))
    run_ = run(agent(neighbours), WAV).json()
    assert (run_["outcome"], run_["steps"][0]["attempts"]) == ("complete", 2)
    assert run_["steps"][0]["duration_ms"] >= 1000


def test_overload_that_lasts_is_told_to_the_caller_with_the_time_to_come_back() -> None:
    neighbours = Neighbours(analyze=overloaded("30"))
    client = agent(neighbours, failures=2)
    for _ in range(4):
        response = run(client, WAV)
        assert (response.status_code, response.headers["retry-after"]) == (503, "30")
        assert "ears has too much to do" in response.json()["detail"]
    # Asking again before then would make it worse; and a sibling that answers so is not one that has failed.
    assert len(neighbours.requests) == 4


def _refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def _stall(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("silence")


def _pack(content: bytes) -> Answer:
    headers = {"Content-Encoding": "gzip"}
    # With content of its own the response would be unpacked here already.
    return lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))


@pytest.mark.parametrize(
    ("answer", "status", "attempts"),
    [
        pytest.param(_refuse, 502, 3, id="down"),
        pytest.param(failing(503), 502, 3, id="unavailable"),
        pytest.param(_stall, 504, 1, id="slow"),
        pytest.param(failing(404), 502, 1, id="misrouted"),
        pytest.param(failing(200), 502, 1, id="not JSON"),
        pytest.param(lambda _: httpx.Response(200, json=["a"]), 502, 1, id="not an object"),
        pytest.param(lambda _: httpx.Response(200, json={"hello": 1}), 502, 1, id="not an analysis"),
        pytest.param(lambda _: httpx.Response(200, json={**SOUND, "waveform": 5}), 502, 1, id="of other types"),
        pytest.param(lambda _: httpx.Response(200, content=NOT_JSON), 502, 1, id="a number that JSON lacks"),
        pytest.param(_pack(b"broken"), 502, 1, id="packed, and broken"),
        pytest.param(_pack(gzip.compress(json.dumps(SOUND).encode())), 502, 1, id="packed unasked"),
        pytest.param(lambda _: httpx.Response(200, content=b"[" * 100_000), 502, 1, id="nested without end"),
        pytest.param(lambda _: httpx.Response(200, content=bytes(20_000_000)), 502, 1, id="without end"),
        pytest.param(lambda _: httpx.Response(422, text="no"), 502, 1, id="a refusal without a reason"),
    ],
)
def test_a_sibling_that_lets_the_agent_down_is_named(answer: Answer, status: int, attempts: int) -> None:
    neighbours = Neighbours(analyze=answer)
    response = run(agent(neighbours, failures=99), WAV)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert "ears" in response.json()["detail"]
    assert response.json()["steps"][0]["attempts"] == len(neighbours.requests) == attempts


def test_a_sibling_that_trickles_is_cut_off() -> None:
    class Trickle(Neighbours):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            await asyncio.sleep(5)
            raise AssertionError("nobody waits this long")

    assert run(agent(Trickle(), call_seconds=0.1), WAV).status_code == 504


def test_the_callers_own_mistake_is_passed_on_in_the_siblings_words() -> None:
    neighbours = Neighbours(analyze=lambda _: httpx.Response(422, json={"detail": "It was cut off."}))
    response = run(agent(neighbours), WAV)
    assert response.status_code == 422
    assert "It was cut off." in response.json()["detail"]


def test_an_answer_is_partial_when_a_part_failed_and_says_which() -> None:
    response = run(agent(Neighbours(thumbnail=failing(500))), MP4)
    assert response.status_code == 200
    document = response.json()
    assert document["outcome"] == "partial"
    assert [step["status"] for step in document["steps"]] == ["succeeded", "failed"]
    assert document["summary"].startswith("1 of 2 steps succeeded. Take a thumbnail: eyes failed")


def test_a_sibling_that_keeps_failing_is_left_alone_and_tried_again_after_a_rest() -> None:
    broken = True
    neighbours = Neighbours(
        analyze=lambda _: httpx.Response(500) if broken else httpx.Response(200, json=SOUND),
    )
    client = agent(neighbours, failures=3, rest_seconds=1.5)
    for _ in range(3):
        run(client, WAV)
    response = run(client, WAV)
    assert len(neighbours.requests) == 3
    assert "left alone" in response.json()["detail"]
    assert run(client, text="how loud?").status_code == 200, "the other siblings have breakers of their own"
    broken = False
    asyncio.run(asyncio.sleep(1.6))
    assert run(client, WAV).status_code == 200


@pytest.mark.exhaustive("test_the_callers_own_mistake_is_passed_on_in_the_siblings_words")
def test_callers_mistakes_do_not_count_against_a_sibling() -> None:
    neighbours = Neighbours(analyze=lambda _: httpx.Response(422, json={"detail": "No."}))
    client = agent(neighbours, failures=2)
    for _ in range(5):
        assert run(client, WAV).status_code == 422
    assert len(neighbours.requests) == 5
