"""Which requests users send (files, OpenAPI or paths), how often, how many at once (Little's law)."""

import asyncio
import itertools
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from nova_infra.documents.text import counted
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.environment.shapes import Shape
from nova_infra.rehearsal.load_balancer.client import ask_task
from nova_infra.rehearsal.load_balancer.http2.grpc import HEADERS, status_in_words
from nova_infra.rehearsal.load_balancer.network import TRANSPORT
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, normalized
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE
from nova_infra.rehearsal.requests.grpc_methods import GrpcMethods, call_of
from nova_infra.rehearsal.requests.openapi import DOCUMENTS, looks_like_one, operations_of, read_document
from nova_infra.rehearsal.requests.sample import WEBSOCKET, SampleRequest, sample
from nova_infra.rehearsal.rerouted import Answers, Elsewhere

MOST_REQUESTS_PER_MINUTE = 400
_REMEMBERED = 20
_ORIGINS = {"file": "their files", "document": "their OpenAPI documents", "paths": "their paths"}


@dataclass(eq=False)
class Asked:
    """A service, the requests that its users send, and the answers.

    Attributes:
        written: Requests from files. Without any, they come from its OpenAPI document, or from its paths.
        canary_minutes: Minutes of the canary times its share of the traffic, such as 0.5 for 10 % for 5 minutes; 0
            where nothing bakes before all traffic.
        answers: Revision to what it answered.
        shapes: Revision to its operations and what their good answers had.
        unheard: Operations that nobody has asked for since something changed.
        left_out: What is not asked, and why, in clauses.
    """

    service: PlayedService
    written: list[SampleRequest]
    canary_minutes: float = 0.0
    answers: dict[str, Answers] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    unheard: set[str] = field(default_factory=set)
    shapes: dict[str, dict[str, Shape]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    _samples: dict[str, list[SampleRequest]] = field(default_factory=dict)
    _documents: dict[str, str] = field(default_factory=dict)
    _queues: dict[str, deque[SampleRequest]] = field(default_factory=dict)
    _seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _order: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - the same in every rehearsal

    @property
    def operations(self) -> list[str]:
        """What is asked for."""
        return list(self._samples)

    @property
    def origin(self) -> str:
        """Where the requests come from, in words."""
        origins = {each.origin for samples in self._samples.values() for each in samples}
        return next((words for origin, words in _ORIGINS.items() if origin in origins), "")

    @property
    def requests_per_minute(self) -> int:
        """Requests a minute: enough for every operation to reach the canary."""
        if not self._samples:
            return 0
        needed = math.ceil(len(self._samples) / self.canary_minutes) if self.canary_minutes else 0
        return min(max(REQUESTS_PER_MINUTE, needed), MOST_REQUESTS_PER_MINUTE)

    @property
    def most_at_once(self) -> int:
        """How many of its requests are under way at once in real time: their rate times how long they take."""
        if not self._seconds:
            return 1
        mean = sum(self._seconds) / len(self._seconds)
        return max(math.ceil(self.requests_per_minute / 60 * mean), 1)

    @property
    def host(self) -> str:
        """The host that its users request: one that its rule names, or the load balancer's."""
        if self.service.rule.hosts:
            return self.service.rule.hosts[0].replace("*", "www").replace("?", "x")
        return self.service.load_balancer.public_host

    def next_sample(self) -> SampleRequest:
        """The next request: each target group gets every operation once before any repeats."""
        group = self.service.rule.peek()
        queue = self._queues.setdefault(group.name if group else "", deque())
        if not queue:
            turn = [self._order.choice(samples) for samples in self._samples.values()]
            self._order.shuffle(turn)
            queue.extend(turn)
        return queue.popleft()

    def is_known(self, revision: str) -> bool:
        """Whether a revision has answered every operation."""
        return self._samples.keys() <= self.answers.get(revision, {}).keys()

    def note(self, operation: str, revision: str | None, status: int, seconds: float) -> None:
        """Note an answer.

        Args:
            revision: Which revision it went to, of whichever service; None where no target got it.
        """
        self._seconds.append(seconds)
        self.unheard.discard(operation)
        if revision is None or revision not in self.answers:
            self.elsewhere.note(operation, revision, status)
        else:
            self._count(revision, operation, status)

    def note_shape(self, operation: str, revision: str, headers: Sequence[tuple[str, str]], body: bytes | None) -> None:
        """Note the shape of a good answer."""
        self.shapes.setdefault(revision, {}).setdefault(operation, Shape()).note(headers, body)

    def answers_of(self, revision: str) -> Answers:
        """A revision's answers, which grow while it serves."""
        return self.answers.setdefault(revision, {})

    async def learn(self, session: aiohttp.ClientSession, port: int, revision: str, *, baseline: bool) -> None:
        """Ask a task which operations it has; made-up requests that the baseline answers with 5xx go."""
        answers = self.answers_of(revision)
        if baseline:
            self.elsewhere.before = answers
        if not self.service.is_asked:
            self.left_out = ["it has no load balancer, so no request reaches it; only its staying up was played"]
            return
        for each in await self._candidates(session, port):
            if any(each in known for known in self._samples.values()):
                continue
            status = await self._probe(session, port, each)
            if not status and each.origin == "paths" and self.service.load_balancer.protocol in TRANSPORT:
                self.left_out = [
                    "it gave no answer of HTTP, so nobody connected to it: name requests in a file if it has"
                ]
                continue
            self._count(revision, each.operation, status)
            if each.origin != "document" or 0 < status < 500:
                self._samples.setdefault(each.operation, []).append(each)
            elif baseline:
                answers.pop(each.operation)
                answered = f"answers {status_in_words(each.operation, status)}" if status else "does not answer"
                self.left_out.append(f"{each.operation} {answered} to a made-up request")
        if all(each.origin == "paths" for known in self._samples.values() for each in known):
            self._keep_good_paths(revision)

    async def _ask(
        self, session: aiohttp.ClientSession, port: int, method: str, path: str, **options: Any
    ) -> tuple[int, bytes]:
        """Ask a task in the protocol that its tasks speak."""
        settings = self.service.groups[0].settings
        return await ask_task(session, port, settings.version, method, path, tls=settings.tls, **options)

    async def _candidates(self, session: aiohttp.ClientSession, port: int) -> list[SampleRequest]:
        if self.service.groups[0].settings.version == "GRPC":
            return await self._calls(session, port)
        if self.written:
            return self._written_for_it()
        found = await self._from_document(session, port)
        return found or ([] if self._samples else list(self._from_paths()))

    def _written_for_it(self) -> list[SampleRequest]:
        opens = [each for each in self.written if each.method == WEBSOCKET and self._leads_here(each.path)]
        mine = [each for each in self.written if each not in opens and self._leads_here(each.path, each.method)]
        if opens:
            names = dict.fromkeys(each.operation for each in opens)
            self.left_out = [f"{name} is not tested: no WebSocket is opened here" for name in names]
        elif not mine:
            self.left_out = [f"its file has {counted(len(self.written), 'request')}, and none for its paths"]
        return mine

    async def _calls(self, session: aiohttp.ClientSession, port: int) -> list[SampleRequest]:
        """Calls of gRPC: those of its file, or one of each method, or the health check's where a rule leads to it."""

        async def call(path: str, body: bytes) -> bytes | None:
            status, answer = await self._ask(session, port, "POST", path, headers=HEADERS, body=body)
            return answer if status == 200 else None

        methods = await GrpcMethods.read(call)
        self.left_out = ["it speaks gRPC, whose errors have HTTP's status 200: no alarm of the load balancer sees them"]
        if self.written:
            written = [methods.written(each) for each in self._written_for_it()]
            self.left_out += [each for each in written if isinstance(each, str)]
            return [each for each in written if not isinstance(each, str)]
        found = [each for each in methods.samples() if self._leads_here(each.path, each.method)]
        self.left_out += [
            methods.not_called(each) for each in sorted(methods.streams) if self._leads_here(each, "POST")
        ]
        health = self.service.groups[0].settings.health_path
        if not found and self._leads_here(health, "POST"):
            return [call_of(health, b"", origin="paths")]
        if not found and not methods.streams:
            self.left_out.append(
                "it names no method by reflection (grpc.reflection.v1 or v1alpha), and services have no file of "
                "requests for it"
            )
        return found

    async def _from_document(self, session: aiohttp.ClientSession, port: int) -> list[SampleRequest]:
        prefixes = {"/", *(f"{_before_wildcard(path).rstrip('/')}/" for path in self.service.rule.paths)}
        for place in list(self._documents) or [f"{p}{d}" for p in sorted(prefixes) for d in DOCUMENTS]:
            status, body = await self._ask(session, port, "GET", place, headers=self.headers(), follow=True)
            text = body.decode(errors="ignore") if status == 200 else ""
            if self._documents.get(place) == text and text:
                return []
            if looks_like_one(text):
                self.left_out = [f"its OpenAPI document {place} cannot be read: it is neither JSON nor YAML"]
            if not text or read_document(text) is None:
                continue
            self._documents[place] = text
            mine: list[SampleRequest] = []
            for anywhere in (False, True):
                samples, left_out = await asyncio.to_thread(operations_of, text, anywhere=anywhere)
                self.left_out, mine = (
                    list(left_out),
                    [each for each in samples if self._leads_here(each.path, each.method)],
                )
                if mine or not samples:
                    break
            return mine
        return []

    def _from_paths(self) -> Iterator[SampleRequest]:
        """Requests from its listener rule: the fixed beginning of each path pattern, and a version path below it."""
        for pattern in self.service.rule.paths or ("/*",):
            start = _before_wildcard(pattern)
            yield sample("GET", start, origin="paths")
            if pattern.endswith("/*"):
                yield sample("GET", f"{start}version", origin="paths")
        health = self.service.groups[0].settings.health_path
        if self._leads_here(health):
            yield sample("GET", health, origin="paths")

    def _keep_good_paths(self, revision: str) -> None:
        good = [name for name in self._samples if min(self.answers[revision].get(name, {999: 1})) < 400]
        if good:
            self._samples = {name: self._samples[name] for name in good}
            for name in self.answers[revision].keys() - good:
                del self.answers[revision][name]

    async def _probe(self, session: aiohttp.ClientSession, port: int, each: SampleRequest) -> int:
        headers = self.headers(each)
        status, _ = await self._ask(session, port, each.method, each.path, headers=headers, body=each.body)
        return status

    def headers(self, each: SampleRequest | None = None) -> list[tuple[str, str]]:
        """A request's headers, with the host that leads to the service."""
        return [*(each.headers if each else ()), *([("Host", self.host)] if self.host else [])]

    def _leads_here(self, path: str, method: str = "GET") -> bool:
        """Whether the load balancer sends a path to this service."""
        return taker(self.service.load_balancer.rules, self.host.partition(":")[0], path, method) is self.service.rule

    def _count(self, revision: str, operation: str, status: int) -> None:
        answers = self.answers_of(revision).setdefault(operation, {})
        answers[status] = answers.get(status, 0) + 1


def taker(rules: list[RoutingRule], host: str, path: str, method: str = "GET") -> RoutingRule | None:
    """The rule that a request without headers of its own meets first."""
    plain, query = normalized(path), path.partition("?")[2]
    in_order = sorted(rules, key=lambda rule: rule.priority)
    return next((rule for rule in in_order if rule.matches(host, plain, method=method, query=query)), None)


def _before_wildcard(pattern: str) -> str:
    return "".join(itertools.takewhile(lambda letter: letter not in "*?", pattern)) or "/"
