"""What is listened on in a container, from the kernel's table: https://docs.kernel.org/networking/proc_net_tcp.html."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_infra.rehearsal.tasks.containers.listening import Listening, listening

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def table(proc: Path, **lines: list[tuple[str, int, str]]) -> None:
    (proc / "9" / "net").mkdir(parents=True)
    for file, entries in lines.items():
        text = "".join(
            f"   {n}: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 1\n"
            for n, (address, port, state) in enumerate(entries)
        )
        (proc / "9" / "net" / file).write_text(HEAD + text)


ANY, LOOPBACK, ANOTHER_LOOPBACK, DOCKERS_RESOLVER = "00000000", "0100007F", "0200007F", "0B00007F"
ANY_6, LOOPBACK_6 = "0" * 32, "0" * 24 + "01000000"
LOOPBACK_4_IN_6, ADDRESS_4_IN_6 = "0" * 16 + "FFFF00000100007F", "0" * 16 + "FFFF000005610A0A"
LISTENS, CONNECTED = "0A", "01"


@pytest.mark.parametrize(
    ("entries", "reachable", "inside"),
    [
        ({"tcp": [(ANY, 8080, LISTENS)], "tcp6": []}, {8080}, set()),
        ({"tcp": [(LOOPBACK, 3000, LISTENS), (ANOTHER_LOOPBACK, 3001, LISTENS)]}, set(), {3000, 3001}),
        ({"tcp": [(DOCKERS_RESOLVER, 43489, LISTENS)]}, set(), set()),
        ({"tcp": [(DOCKERS_RESOLVER, 43489, LISTENS), (LOOPBACK, 43489, LISTENS)]}, set(), {43489}),
        ({"tcp": [], "tcp6": [(ANY_6, 8080, LISTENS), (LOOPBACK_6, 9090, LISTENS)]}, {8080}, {9090}),
        ({"tcp6": [(LOOPBACK_4_IN_6, 9090, LISTENS), (ADDRESS_4_IN_6, 8080, LISTENS)]}, {8080}, {9090}),
        ({"tcp": [(ANY, 8080, LISTENS), (LOOPBACK, 8080, LISTENS), (ANY, 50000, CONNECTED)]}, {8080}, set()),
    ],
)
def test_ports_are_told_apart_by_who_reaches_them(
    tmp_path: Path, entries: dict[str, list[tuple[str, int, str]]], reachable: set[int], inside: set[int]
) -> None:
    table(tmp_path, **entries)
    assert listening(9, tmp_path) == Listening(frozenset(reachable), frozenset(inside))


def test_a_machine_that_shows_nothing_says_nothing(tmp_path: Path) -> None:
    assert listening(9, tmp_path) is None
