"""Synthetic users: steady traffic, so that a bad canary fails. `request_mix` decides what they ask."""

import asyncio
import itertools
import random
from collections.abc import Iterator

import aiohttp

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.environment.request_mix import Asked
from nova_infra.rehearsal.environment.shapes import lost
from nova_infra.rehearsal.load_balancer.client import open_client, unpacked
from nova_infra.rehearsal.load_balancer.http2.grpc import status_for_users
from nova_infra.rehearsal.load_balancer.network import TRANSPORT
from nova_infra.rehearsal.load_balancer.routing import REQUEST_HEADER, USER_HEADER
from nova_infra.rehearsal.record import USERS, DeploymentRecord, Requests
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.slowness import Waits

# The load of a minute is sent in this part of it, so that the answers are there before the minute ends.
_SHARE = 0.9
USERS_WAIT = 60.0
"""The least seconds that users wait for an answer."""


class Load:
    """Sends every service its users' requests at a constant rate."""

    def __init__(
        self, totals: dict[str, Requests], environment: str, *, pace: Pace, files: RequestFiles | None = None
    ) -> None:
        self.waits = Waits()
        self._pace = pace
        self._seconds = _SHARE * pace.seconds_per_minute
        self._total = totals.setdefault(environment, Requests())
        self._files = files or RequestFiles()
        self._asked: dict[str, Asked] = {}
        self._learned: set[str] = set()
        self._users: dict[str, Iterator[str]] = {}
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None
        self._alone: aiohttp.ClientSession | None = None

    def include(self, service: PlayedService, repository: str, rollout: DeploymentConfiguration) -> Asked:
        """Include a service, or its next rollout.

        Args:
            repository: Name of its image's repository, by which files of requests are found.
        """
        asked = self._asked.get(service.name)
        if asked is None:
            asked = self._asked[service.name] = Asked(service, self._files.of(repository))
            self._users[service.name] = in_turns()
        before = rollout.steps[:-1] if rollout.shifts_traffic else ()
        asked.canary_minutes = sum(step.percent / 100 * step.bake_minutes for step in before)
        return asked

    def compare(self, environment: str, deployments: list[DeploymentRecord]) -> None:
        """Record what an environment's new revisions were asked, and what their answers lack that earlier had."""
        for each in deployments:
            asked = self._asked.get(each.service)
            if each.environment != environment or each.baseline or asked is None:
                continue
            each.not_asked, each.asked_from = asked.left_out, asked.origin
            if each.old:
                each.poorer = lost(asked.shapes.get(each.old, {}), asked.shapes.get(each.new, {}))

    async def start(self) -> None:
        """Open the client. Nothing is sent before :meth:`minute`."""
        # Cookies would make one user of all.
        self._session = open_client(cookie_jar=aiohttp.DummyCookieJar())
        # A server that is asked to close a connection need not say that it will.
        self._alone = open_client(connector=aiohttp.TCPConnector(force_close=True), cookie_jar=aiohttp.DummyCookieJar())

    async def stop(self) -> None:
        """Close the client."""
        for client in filter(None, (self._session, self._alone)):
            await client.close()

    async def learn(self, *, baseline: bool = False) -> None:
        """Ask revisions that have begun to serve for their operations."""
        assert self._session is not None, "questions follow start()"
        learning = []
        for asked in self._asked.values():
            for running in asked.service.tasks:
                revision = running.task.definition.revision
                if revision not in self._learned and running.task.running:
                    self._learned.add(revision)
                    learning.append(asked.learn(self._session, running.task.port, revision, baseline=baseline))
        await gather(*learning)

    def knows_answers(self) -> bool:
        """Whether every service's present revision has answered all that is asked of it."""
        services = [(asked, asked.service.revision) for asked in self._asked.values()]
        known = all(asked.is_known(revision.name) for asked, revision in services if revision is not None)
        return known and not any(asked.unheard for asked, _ in services)

    def forget(self) -> None:
        """Forget earlier answers, because a change may lead requests elsewhere."""
        for asked in self._asked.values():
            asked.unheard = set(asked.operations)

    async def minute(self) -> None:
        """Send one simulated minute's requests and wait for the answers."""
        await self.learn()
        async with asyncio.TaskGroup() as group:
            for asked in self._asked.values():
                if asked.operations:
                    group.create_task(self._minute_of(asked))

    async def _minute_of(self, asked: Asked) -> None:
        began, count = asyncio.get_running_loop().time(), asked.requests_per_minute
        under_way: set[asyncio.Task[None]] = set()
        try:
            for number in range(count):
                late = asyncio.get_running_loop().time() - began - number * self._seconds / count
                await asyncio.sleep(max(-late, 0))
                while len(under_way) >= asked.most_at_once and not self._pace.is_real:
                    # In a real minute the next request follows after so long, whatever became of this one.
                    done, under_way = await asyncio.wait(
                        under_way, timeout=60 / count, return_when=asyncio.FIRST_COMPLETED
                    )
                    if not done:
                        break
                under_way.add(asyncio.create_task(self._request(asked)))
        except BaseException:
            for task in under_way:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*under_way)

    def _whose(self, asked: Asked, revision: str | None) -> Asked:
        """The service for which an answer counts: a renamed service is another one behind the same rule."""
        for other in self._asked.values() if revision is not None and revision not in asked.answers else ():
            if other.service.rule is asked.service.rule and revision in other.answers:
                return other
        return asked

    async def _request(self, asked: Asked) -> None:
        number, balancer, each = str(next(self._numbers)), asked.service.load_balancer, asked.next_sample()
        user = next(self._users[asked.service.name])
        headers = [*asked.headers(each), (USER_HEADER, user), (REQUEST_HEADER, number)]
        # A connection of TCP stays with its target: each user has his own.
        client = self._alone if balancer.protocol in TRANSPORT else self._session
        assert client is not None, "requests follow start()"
        began, status = asyncio.get_running_loop().time(), 0
        body: bytes | None = b""
        parts = [("", "")]
        try:
            async with client.request(
                each.method,
                f"{balancer.url}{each.path}",
                headers=headers,
                data=each.body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_patience(balancer.idle_seconds)),
            ) as response:
                status = status_for_users(response.status, response.headers)
                body = unpacked(await response.read(), response.headers.get("Content-Encoding", ""))
                parts = list(response.headers.items())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            status = 0
        answered, failed = asyncio.get_running_loop().time(), status >= 500 or not status or body is None
        seconds = answered - began
        # The load balancer waits shorter here for a target that hangs.
        revision = balancer.sent_to.pop(number, None)
        whose = self._whose(asked, revision)
        whose.note(each.operation, revision, status, balancer.idle_timeout if status == 504 else seconds)
        if revision is not None and 200 <= status < 300:
            whose.note_shape(each.operation, revision, parts, body)
        if revision is not None:
            self.waits.note(each.operation, revision, began, answered, failed=failed)
        if whose is not asked:
            asked.note(each.operation, revision, status, seconds)
        self._total.served += 1
        self._total.failed += failed


def _patience(idle_seconds: float) -> float:
    """Seconds that a user waits for an answer: the load balancer gives a silent target up long before."""
    return max(USERS_WAIT, 2 * idle_seconds)


def in_turns() -> Iterator[str]:
    """Every user once, then again in another order: one fixed order would always send the same users to a canary."""
    order = random.Random(0)  # noqa: S311 - the same in every rehearsal, so that two can be compared
    users = [str(number) for number in range(1, USERS + 1)]
    while True:
        order.shuffle(users)
        yield from users
