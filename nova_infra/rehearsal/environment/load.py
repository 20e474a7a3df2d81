"""Steady synthetic traffic, so that a canary has something to fail on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import aiohttp

from nova_infra.rehearsal.load_balancer.client import open_client
from nova_infra.rehearsal.load_balancer.routing import USER_HEADER
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE, USERS, Requests


class Load:
    """Asks every service for its version, at the same rate all the time."""

    def __init__(self, totals: dict[str, Requests], environment: str, *, seconds: float) -> None:
        """Prepare.

        Args:
            totals: Environment to its total, which is kept current.
            environment: Name of the environment.
            seconds: Real seconds over which a minute's requests are spread.
        """
        self._seconds = seconds
        self._total = totals.setdefault(environment, Requests())
        self._asked: list[tuple[str, str]] = []
        self._users = in_turns()
        self._session: aiohttp.ClientSession | None = None

    def add_service(self, base_url: str, paths: Sequence[str], hosts: Sequence[str] = ()) -> None:
        """Include the service behind a listener rule.

        ``/<service>/*`` has ``/<service>/version``. Where no pattern ends like that, the first one is asked for without
        its wildcards, and of a rule for hosts alone its first page.
        """
        host = hosts[0].replace("*", "www") if hosts else ""
        asked = [f"{path[:-1]}version" for path in paths if path.endswith("/*")]
        asked = asked or [path.replace("*", "").replace("?", "x") for path in paths[:1]] or ["/"]
        self._asked += [each for path in asked if (each := (f"{base_url}{path}", host)) not in self._asked]

    async def start(self) -> None:
        """Open the client. Nothing is sent before :meth:`minute`."""
        # The load balancer gives up long before its users do.
        self._session = open_client(timeout=aiohttp.ClientTimeout(total=60))

    async def stop(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def minute(self) -> None:
        """Send one simulated minute's requests and wait for the answers."""
        asked = list(self._asked)
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in range(REQUESTS_PER_MINUTE):
                late = asyncio.get_running_loop().time() - began - number * self._seconds / REQUESTS_PER_MINUTE
                await asyncio.sleep(max(-late, 0))
                user = next(self._users)
                for url, host in asked:
                    group.create_task(self._request(url, host, user))

    async def _request(self, url: str, host: str, user: str) -> None:
        assert self._session is not None, "requests follow start()"
        try:
            async with self._session.get(
                url, headers={USER_HEADER: user, **({"Host": host} if host else {})}
            ) as response:
                await response.read()
                failed = response.status >= 500
        except (aiohttp.ClientError, TimeoutError):
            failed = True
        self._total.served += 1
        self._total.failed += failed


def in_turns() -> Iterator[str]:
    """Every user once, then again in another order: one order would lead the same users to a canary every time."""
    order = random.Random(0)  # noqa: S311 - the same in every rehearsal, so that two can be compared
    users = [str(number) for number in range(1, USERS + 1)]
    while True:
        order.shuffle(users)
        yield from users
