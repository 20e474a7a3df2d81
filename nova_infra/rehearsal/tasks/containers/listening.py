"""Reads which ports the programs of a container listen on, from outside of it."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from nova_infra.rehearsal.tasks.containers.watching import has_ended
from nova_infra.rehearsal.usage.connections import Socket, sockets

_LISTEN = "0A"
# Addresses are little-endian: 127.0.0.0/8, ::1, and 127.0.0.0/8 within IPv6.
_LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")
# Docker's own resolver, in the network of each container: https://docs.docker.com/engine/network/#dns-services.
_RESOLVER = "0B00007F"
_IN_USE = re.compile(r"^TCP6?: inuse (\d+)", re.MULTILINE)
# As many sockets as before may be others.
UNCHANGED_SECONDS = 1.0


@dataclass(frozen=True)
class Listening:
    """The TCP ports on which something listens.

    Attributes:
        reachable: From outside of the container.
        inside: Only from within it, because the program listens on 127.0.0.1 or ::1.
    """

    reachable: frozenset[int]
    inside: frozenset[int]

    @property
    def anywhere(self) -> bool:
        """Whether anything listens."""
        return bool(self.reachable or self.inside)


NOTHING = Listening(frozenset(), frozenset())


@dataclass
class ListeningWatch:
    """Polls which ports of a process's network are listened on, and reads the tables only when that may have changed.

    For each table the kernel goes through the sockets of the whole machine, which takes ten milliseconds; how many
    sockets a network has it counts as they come and go.
    """

    pid: int
    proc: Path = Path("/proc")
    _found: Listening | None = None
    _counted: tuple[str, ...] | None = None
    _read_at: float = field(default=float("-inf"))

    def look(self) -> Listening | None:
        """What is listened on now: nothing, once the process has ended; None where this machine does not show it."""
        counted, now = self._count(), time.monotonic()
        if counted is None or counted != self._counted or now - self._read_at >= UNCHANGED_SECONDS:
            self._found, self._counted, self._read_at = listening(self.pid, self.proc), counted, now
        if self._found is None and has_ended(self.pid):
            return NOTHING  # Its network is gone before anybody has heard of its end.
        return self._found

    def _count(self) -> tuple[str, ...] | None:
        """How many TCP sockets the network has, of IPv4 and IPv6; None if the kernel does not say."""
        try:
            texts = [
                (self.proc / str(self.pid) / "net" / name).read_text(encoding="ascii")
                for name in ("sockstat", "sockstat6")
            ]
        except OSError:
            return None
        return tuple(_IN_USE.findall("".join(texts)))


def listening(pid: int, proc: Path = Path("/proc")) -> Listening | None:
    """What is listened on in a process's network; None where this machine does not show it."""
    found = sockets(pid, proc)
    if found is None:
        return None
    reachable: set[int] = set()
    inside: set[int] = set()
    for address, port in _listened_on(found):
        (inside if _LOOPBACK.fullmatch(address) else reachable).add(port)
    return Listening(frozenset(reachable), frozenset(inside - reachable))


def listening_places(pid: int, proc: Path = Path("/proc")) -> list[tuple[str, int]]:
    """The addresses and ports that are listened on in a process's network; none where this machine shows none."""
    return sorted({(str(_address(digits)), port) for digits, port in _listened_on(sockets(pid, proc) or [])})


def _address(digits: str) -> IPv4Address | IPv6Address:
    """Each word of four bytes is little-endian; an IPv4 address within IPv6 is named as what it is."""
    found = ip_address(b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)))
    return getattr(found, "ipv4_mapped", None) or found


def _listened_on(found: list[Socket]) -> Iterator[tuple[str, int]]:
    for each in found:
        address, _, port = each.local.partition(":")
        if each.state == _LISTEN and address != _RESOLVER:
            yield address, int(port, 16)
