"""A network load balancer: passes connections on as they are (elasticloadbalancing: network/introduction)."""

import asyncio
import contextlib
import re

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.load_balancer.client import bound, open_client, pass_on
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import REQUEST_HEADER, USER_HEADER
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup

TRANSPORT = ("TCP", "TLS")
"""Protocols of its listeners that are played."""
_MOST_BYTES = 65536
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class NetworkLoadBalancer(LoadBalancer):
    """One listener for TCP, without TLS. The rehearsal's own requests are recognized by what they carry."""

    _servers: list[asyncio.Server]

    async def start(self, gateway: str | None = None) -> None:
        """Listen on a free port of the loopback interface."""
        self._session, self._servers = open_client(), []
        listening = bound("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        self._servers.append(await asyncio.start_server(self._take, sock=listening))
        if gateway is not None:
            self._servers.append(await asyncio.start_server(self._take, sock=bound(gateway, self.port)))

    async def stop(self) -> None:
        """Close the port."""
        for server in self._servers:  # Not waited for: from Python 3.12 on, that takes as long as any connection.
            server.close()
        await super().stop()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        [rule] = self.rules
        group = rule.choose()
        target = group.next_target() if group is not None else None
        with contextlib.closing(writer), contextlib.suppress(OSError):
            if group is None or target is None:
                if group is not None:
                    group.audience.note(None, None, failed=True)
                return
            handler = asyncio.current_task()
            target.enter(handler)
            try:
                await self._connect(reader, writer, group, target)
            except asyncio.CancelledError:
                if handler is None or not target.was_cut(handler):
                    raise
            finally:
                target.leave(handler)

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, group: TargetGroup, target: Target
    ) -> None:
        """Pass one connection on, either side of which may speak first, and count it by what the target says first."""
        began, asked, answer = asyncio.get_running_loop().time(), b"", b""

        async def ask() -> None:
            nonlocal asked
            asked = await reader.read(_MOST_BYTES)
            number = _said(asked, REQUEST_HEADER)
            if number is not None:
                self.sent_to[number] = target
            if there is not None:
                there.write(asked)
                await pass_on(reader, there)

        async def hear() -> None:
            nonlocal answer
            answer = await back.read(_MOST_BYTES)
            writer.write(answer)
            await pass_on(back, writer)

        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_connection("127.0.0.1", target.task.port)
            with contextlib.closing(there):
                await gather(ask(), hear())
        except OSError:
            await ask()
            raise
        finally:
            status = _STATUS.match(answer)
            failed = status[1][:1] == b"5" if status else not answer
            target.answered(asyncio.get_running_loop().time() - began, failed=failed)
            group.audience.note(_said(asked, USER_HEADER), target.revision, failed=failed)


def _said(request: bytes, header: str) -> str | None:
    """What a request says in one of the rehearsal's own headers."""
    found = re.search(rb"\r\n" + header.encode() + rb": (\S+)\r\n", request, re.IGNORECASE)
    return found[1].decode() if found else None
