"""Counts the connections that a task holds to a dependency."""

from pathlib import Path
from typing import NamedTuple

import psutil

_ESTABLISHED = "01"


class Socket(NamedTuple):
    """A TCP socket as Linux lists it, in hexadecimal digits: https://docs.kernel.org/networking/proc_net_tcp.html."""

    local: str
    remote: str
    state: str


def sockets(pid: int, proc: Path = Path("/proc")) -> list[Socket] | None:
    """The TCP sockets in a process's network, of IPv4 and IPv6; None where this machine does not show them."""
    found: list[Socket] = []
    seen = False
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / str(pid) / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        seen = True
        found += (Socket(*line.split()[1:4]) for line in lines)
    return found if seen else None


def connections(pid: int, address: str, port: int, *, own_network: bool, proc: Path = Path("/proc")) -> int | None:
    """How many TCP connections a task holds to a place now.

    Args:
        own_network: Whether it is a container, whose network holds nothing else.

    Returns:
        Their number; None where this machine does not show it.
    """
    return _of_network(pid, address, port, proc) if own_network else _of_processes(pid, address, port)


def _of_processes(pid: int, address: str, port: int) -> int | None:
    try:
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
        return sum(
            each.status == psutil.CONN_ESTABLISHED and bool(each.raddr) and _plain(each.raddr.ip) == address
            and each.raddr.port == port
            for process in family
            for each in process.net_connections("tcp")
        )  # fmt: skip
    except psutil.Error:
        return None


def _of_network(pid: int, address: str, port: int, proc: Path) -> int | None:
    wanted = f"{''.join(f'{int(part):02X}' for part in reversed(address.split('.')))}:{port:04X}"
    found = sockets(pid, proc)
    # Within IPv6, an IPv4 address comes last.
    return None if found is None else sum(each.state == _ESTABLISHED and each.remote.endswith(wanted) for each in found)


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:")
