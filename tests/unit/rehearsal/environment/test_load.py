import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.environment import load as module
from nova_infra.rehearsal.environment.load import Load, in_turns
from nova_infra.rehearsal.environment.request_mix import MOST_REQUESTS_PER_MINUTE, Asked
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER, RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE, USERS, Requests
from nova_infra.rehearsal.report.answers import displaced_operations
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.requests.sample import SampleRequest, sample

Answer = Callable[[web.BaseRequest, str], web.Response]


def rollout(percent: float = 100, minutes: int = 0) -> DeploymentConfiguration:
    steps = (TrafficStep(percent, minutes), TrafficStep(100, 0))
    return DeploymentConfiguration("CANARY", steps, (), True, None, 100, 200)


class Behind:
    """A service behind a real load balancer, whose tasks are functions."""

    def __init__(
        self, answer: Answer, *, paths: Sequence[str] = ("/tiny/*",), weights: tuple[int, int] = (100, 0)
    ) -> None:
        self.answer, self.paths, self.weights = answer, tuple(paths), weights
        self.renamed = ""
        self.known: list[bool] = []
        self.records: list[Any] = []
        self.asked: list[web.BaseRequest] = []
        self.at_once: list[int] = []
        self.totals: dict[str, Requests] = {}
        self.most_at_once = 0
        self.hangs: asyncio.Event | None = None
        self._under_way = 0

    def run(
        self,
        minutes: int,
        *,
        files: Sequence[SampleRequest] = (),
        config: DeploymentConfiguration | None = None,
        **more: RoutingRule,
    ) -> Asked:
        return asyncio.run(asyncio.wait_for(self._run(minutes, files, config or rollout(), more), 60))

    async def _run(
        self,
        minutes: int,
        files: Sequence[SampleRequest],
        config: DeploymentConfiguration,
        more: dict[str, RoutingRule],
    ) -> Asked:
        balancer = LoadBalancer(full_name="lb", protocol="HTTP", public_port=80, siblings={}, store=MetricStore())
        await balancer.start()
        groups = [TargetGroup(name, read_target_group({"HealthCheckPath": "/up"})) for name in ("blue", "green")]
        runners: list[web.ServerRunner] = []
        tasks: list[Any] = []
        for number, group in enumerate(groups, start=1):
            revision = f"tiny:{number}"
            runner = web.ServerRunner(web.Server(self._handler(revision)))
            await runner.setup()
            runners.append(runner)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            definition = SimpleNamespace(revision=revision, fault="")
            task: Any = SimpleNamespace(definition=definition, port=runner.addresses[0][1], running=True)
            group.targets.append(Target(task, healthy=True))
            tasks.append(SimpleNamespace(task=task))
        rule = RoutingRule(
            "tiny",
            9,
            self.paths,
            forward=[WeightedGroup(g, w) for g, w in zip(groups, self.weights, strict=True)],
        )
        balancer.rules = [rule]
        service: Any = SimpleNamespace(
            is_asked=True, name="tiny", load_balancer=balancer, rule=rule, groups=groups, tasks=tasks[:1], revision=None
        )
        load = Load(self.totals, "Prod", pace=Pace(0.01), files=RequestFiles({"tiny": list(files)}))
        await load.start()
        try:
            asked = load.include(service, "tiny", config)
            whose = asked
            if self.renamed:
                renamed: Any = SimpleNamespace(**{**vars(service), "name": self.renamed})
                whose = load.include(renamed, "tiny", config)
            whose.answers_of("tiny:2")
            await load.learn(baseline=True)
            self.asked.clear()
            balancer.rules += more.values()
            whose.service.tasks = tasks
            for _ in range(minutes):
                await load.minute()
            load.compare("Prod", self.records)
            self.known = [load.knows_answers()]
            load.forget()
            self.known.append(load.knows_answers())
            return asked
        finally:
            await load.stop()
            await balancer.stop()
            for runner in runners:
                await runner.cleanup()

    def _handler(self, revision: str) -> Callable[[web.BaseRequest], Any]:
        async def handle(request: web.BaseRequest) -> web.Response:
            if USER_HEADER in request.headers:
                self.asked.append(request)
                self._under_way += 1
                self.most_at_once = max(self.most_at_once, self._under_way)
                if self.hangs is not None and len(self.asked) == 1:
                    await self.hangs.wait()
                elif self.hangs is not None:
                    self.hangs.set()
                await asyncio.sleep(0.003)
                self._under_way -= 1
            return self.answer(request, revision)

        return handle


def always(status: int) -> Answer:
    return lambda _request, _revision: web.Response(status=status)


def documented(*paths: str, broken: str = "", new: str = "") -> Answer:
    """A service with an OpenAPI document, of which the second revision breaks or gains an operation."""

    def answer(request: web.BaseRequest, revision: str) -> web.Response:
        mine = [*paths, *([new] if new and revision == "tiny:2" else [])]
        if request.path == "/tiny/openapi.json":
            operations = {path: {"get": {"responses": {"200": {"description": "good"}}}} for path in mine}
            document = {"openapi": "3.1.0", "info": {"title": "tiny", "version": "1"}, "paths": operations}
            return web.Response(text=json.dumps(document))
        if revision == "tiny:2" and request.path == broken:
            return web.Response(status=500)
        return web.Response(status=200 if request.path in mine else 404)

    return answer


@pytest.mark.exhaustive("test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release")
def test_every_user_asks_once_and_then_again_in_another_order() -> None:
    minutes = USERS // REQUESTS_PER_MINUTE
    behind = Behind(always(200))
    behind.run(2 * minutes)
    users = [request.headers[USER_HEADER] for request in behind.asked]
    first, second = users[:USERS], users[USERS:]
    assert Counter(first) == Counter(second) == Counter(map(str, range(1, USERS + 1)))


def test_the_order_of_the_users_changes_with_every_turn_and_is_the_same_in_every_rehearsal() -> None:
    # One order would lead the same users to a canary, which gets every tenth request.
    turns = [list(islice(turn, 2 * USERS)) for turn in (in_turns(), in_turns())]
    assert turns[0] == turns[1]
    assert set(turns[0][:USERS:10]) != set(turns[0][USERS::10])


@pytest.mark.exhaustive("test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer")
def test_a_minute_is_over_when_its_requests_are_answered_and_failures_are_counted() -> None:
    behind = Behind(always(503))
    behind.run(1)
    assert behind.totals["Prod"] == Requests(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE)


@pytest.mark.exhaustive("test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer")
def test_users_wait_for_longer_than_the_load_balancer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a long idle timeout, an answer may come after the time that users wait at least."""
    monkeypatch.setattr(module, "USERS_WAIT", 0.001)  # each answer takes 3 ms
    behind = Behind(always(200))
    behind.run(1)
    assert behind.totals["Prod"] == Requests(REQUESTS_PER_MINUTE, 0)


@pytest.mark.exhaustive("test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer")
def test_requests_of_a_compressed_minute_do_not_meet_where_they_would_not_in_a_real_one() -> None:
    # 40 a minute that take 3 ms each: 0.002 at once. Sent within 10 ms, they would be several.
    behind = Behind(always(200))
    behind.run(2)
    assert behind.most_at_once == 1


@pytest.mark.exhaustive("test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer")
def test_a_request_that_hangs_holds_up_no_other_for_longer_than_in_a_real_minute() -> None:
    behind = Behind(always(200))
    behind.hangs = asyncio.Event()  # until the second one has come
    behind.run(1, config=rollout(0.1, 1))
    assert len(behind.asked) == MOST_REQUESTS_PER_MINUTE


@pytest.mark.exhaustive("test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer")
def test_slow_answers_are_as_many_at_once_as_in_a_real_minute() -> None:
    asked = Behind(always(200)).run(1)
    for _ in range(20):
        asked.note("GET /tiny/", "tiny:1", 200, 6.0)
    assert asked.most_at_once == 4  # 40 a minute that take 6 s each


@pytest.mark.exhaustive("test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release")
def test_what_an_openapi_document_lists_is_asked_and_nothing_else() -> None:
    behind = Behind(documented("/tiny/a", "/tiny/b", "/elsewhere"))
    asked = behind.run(1)
    assert asked.operations == ["GET /tiny/a", "GET /tiny/b"]
    assert {request.path for request in behind.asked} == {"/tiny/a", "/tiny/b"}


@pytest.mark.exhaustive("test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release")
def test_an_operation_that_one_revision_alone_fails_is_counted_for_that_revision() -> None:
    behind = Behind(documented("/tiny/a", "/tiny/b", broken="/tiny/b"), weights=(75, 25))
    asked = behind.run(2)
    assert set(asked.answers["tiny:1"]["GET /tiny/b"]) == {200}
    assert set(asked.answers["tiny:2"]["GET /tiny/b"]) == {500}
    assert set(asked.answers["tiny:2"]["GET /tiny/a"]) == {200}


@pytest.mark.exhaustive("test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release")
def test_every_operation_meets_the_canary_before_it_gets_all_traffic() -> None:
    names = [f"/tiny/{number}" for number in range(30)]
    behind = Behind(documented(*names), weights=(90, 10))
    asked = behind.run(4, config=rollout(10, 4))  # A tenth of 40 requests for four minutes would reach 16 of 30.
    assert asked.requests_per_minute == 75 > REQUESTS_PER_MINUTE
    assert set(asked.answers["tiny:2"]) == {f"GET {name}" for name in names}


@pytest.mark.exhaustive("test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release")
def test_an_operation_that_is_new_is_asked_of_the_new_revision() -> None:
    asked = Behind(documented("/tiny/a", new="/tiny/new")).run(1)
    assert asked.answers["tiny:2"]["GET /tiny/new"][200] >= 1
    assert "GET /tiny/new" in asked.operations


def test_a_made_up_request_that_already_failed_is_not_blamed_on_the_release() -> None:
    inner = documented("/tiny/a", "/tiny/picky")

    def answer(request: web.BaseRequest, revision: str) -> web.Response:
        return web.Response(status=500) if request.path == "/tiny/picky" else inner(request, revision)

    behind = Behind(answer)
    asked = behind.run(1)
    assert asked.operations == ["GET /tiny/a"]
    assert asked.left_out == ["GET /tiny/picky answers 500 to a made-up request"]
    assert behind.totals["Prod"].failed == 0


def test_requests_of_a_file_are_sent_as_they_are_written() -> None:
    written = sample("POST", "http://x/tiny/things?a=1", [("X-Kind", "b")], b"body", origin="file")
    other = sample("GET", "/elsewhere", origin="file")
    bodies: list[bytes] = []
    behind = Behind(always(201))
    asked = behind.run(1, files=[written, other])
    assert asked.operations == ["POST /tiny/things"]
    first = behind.asked[0]
    assert (first.method, first.path_qs, first.headers["X-Kind"]) == ("POST", "/tiny/things?a=1", "b")
    assert bodies == []


@pytest.mark.parametrize("more", [[], [sample("GET", "/tiny/things", origin="file")]])
def test_what_opens_a_websocket_is_not_asked_and_said_to_be_untested(more: list[SampleRequest]) -> None:
    opens = [sample("WEBSOCKET", "ws://a/tiny/live", origin="file"), sample("WEBSOCKET", "ws://a/other", origin="file")]
    asked = Behind(always(200)).run(1, files=[*opens, *more])
    assert asked.operations == [each.operation for each in more]
    assert asked.left_out == ["WEBSOCKET /tiny/live is not tested: no WebSocket is opened here"]


def test_a_file_without_a_request_for_the_service_asks_nothing_and_says_so() -> None:
    asked = Behind(always(200)).run(1, files=[sample("GET", "/elsewhere", origin="file")])
    assert asked.operations == []
    assert asked.left_out == ["its file has 1 request, and none for its paths"]
    assert asked.answers["tiny:1"] == {}


def test_without_file_and_document_the_paths_of_the_rule_are_asked_as_far_as_they_answer() -> None:
    def answer(request: web.BaseRequest, _: str) -> web.Response:
        return web.Response(status=200 if request.path in ("/shop/", "/shop", "/") else 404)

    assert Behind(answer, paths=["/shop/*", "/"]).run(1).operations == ["GET /shop/", "GET /"]


def test_a_request_that_another_rule_takes_is_not_counted_as_an_answer_of_the_service() -> None:
    other = TargetGroup("other", read_target_group({}))
    behind = Behind(documented("/tiny/a"))
    definition: Any = SimpleNamespace(revision="other:7", fault="", port=8080)
    other.targets.append(Target(SimpleNamespace(definition=definition, port=1), healthy=True))  # type: ignore[arg-type]
    asked = behind.run(1, taker=RoutingRule("other", 1, ("/tiny/*",), forward=[WeightedGroup(other, 1)]))
    assert asked.elsewhere.by_others == {"GET /tiny/a": {"other:7": {502: REQUESTS_PER_MINUTE}}}


def test_a_service_with_another_name_behind_the_same_rule_takes_no_requests_of_the_old_one() -> None:
    behind = Behind(documented("/tiny/a"), weights=(0, 100))
    behind.renamed = "small"
    asked = behind.run(1)
    assert displaced_operations(asked.elsewhere) == []
    assert "tiny:2" not in asked.answers


@pytest.mark.parametrize(("encoding", "fails"), [("gzip", True), ("br", False)])
def test_a_body_that_is_not_packed_as_it_says_fails_with_any_status(encoding: str, fails: bool) -> None:
    behind = Behind(lambda *_: web.Response(body=b"{}", headers={"Content-Encoding": encoding}))
    assert {status for each in behind.run(1).answers["tiny:1"].values() for status in each} == {200}
    assert behind.totals["Prod"].failed == fails * behind.totals["Prod"].served


def test_a_request_that_no_target_gets_is_counted_apart() -> None:
    nobody = RoutingRule("nobody", 1, ("/tiny/*",), forward=[WeightedGroup(TargetGroup("g", read_target_group({})), 1)])
    elsewhere = Behind(documented("/tiny/a")).run(1, taker=nobody).elsewhere
    assert elsewhere.by_nobody == {"GET /tiny/a": {503: REQUESTS_PER_MINUTE}}


def test_what_was_answered_before_something_changed_is_asked_again() -> None:
    behind = Behind(documented("/tiny/a", "/tiny/b"))
    behind.run(1)
    assert behind.known == [True, False]


def test_a_rollout_without_a_canary_asks_at_the_usual_rate() -> None:
    asked = Behind(documented("/tiny/a")).run(0, config=replace(rollout(10, 9), strategy="ROLLING"))
    assert asked.requests_per_minute == REQUESTS_PER_MINUTE


def test_what_a_new_service_was_asked_is_recorded_although_nobody_knew_it_before() -> None:
    behind = Behind(documented("/tiny/a"))
    made: Any = {"service": "tiny", "new": "tiny:1", "old": None, "not_asked": [], "asked_from": "", "poorer": []}
    elsewhere = SimpleNamespace(**made, environment="Staging", baseline=False)
    behind.records = [SimpleNamespace(**made, environment="Prod", baseline=False), elsewhere]
    asked = behind.run(1)
    assert [each.asked_from for each in behind.records] == ["their OpenAPI documents", ""]
    assert behind.records[0].not_asked is asked.left_out
