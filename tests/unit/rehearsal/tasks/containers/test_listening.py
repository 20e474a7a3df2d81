"""What is listened on in a container, from the kernel's table: https://docs.kernel.org/networking/proc_net_tcp.html."""

from pathlib import Path

import pytest

from nova_infra.rehearsal.tasks.containers import listening as module
from nova_infra.rehearsal.tasks.containers.listening import Listening, ListeningWatch, listening, listening_places

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


def test_what_is_listened_on_is_named_by_address_and_port(tmp_path: Path) -> None:
    there = [(ANY_6, 8080, LISTENS), (ADDRESS_4_IN_6, 8081, LISTENS), (LOOPBACK_6, 8082, LISTENS)]
    table(tmp_path, tcp=[(LOOPBACK, 3000, LISTENS), (ANY, 3001, CONNECTED), (DOCKERS_RESOLVER, 9, LISTENS)], tcp6=there)
    assert listening_places(9, tmp_path) == [("10.10.97.5", 8081), ("127.0.0.1", 3000), ("::", 8080), ("::1", 8082)]


def test_a_machine_that_shows_nothing_says_nothing(tmp_path: Path) -> None:
    assert listening(9, tmp_path) is None
    assert listening_places(9, tmp_path) == []


def count(proc: Path, sockets: int, *, on_the_machine: int = 0) -> None:
    """As the kernel writes it."""
    used = f"sockets: used 9\nTCP: inuse {sockets} orphan 0 tw 2 alloc {on_the_machine} mem 1\nUDP: inuse 0 mem 0\n"
    (proc / "9" / "net" / "sockstat").write_text(used)
    (proc / "9" / "net" / "sockstat6").write_text("TCP6: inuse 0\nUDP6: inuse 0\n")


def test_the_tables_are_read_again_only_when_the_number_of_sockets_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each of them the kernel goes through the sockets of the whole machine."""
    reads: list[int] = []

    def read(pid: int, proc: Path) -> Listening | None:
        reads.append(pid)
        return listening(pid, proc)

    monkeypatch.setattr(module, "listening", read)
    monkeypatch.setattr(module, "UNCHANGED_SECONDS", 600)
    table(tmp_path, tcp=[])
    count(tmp_path, 0)
    watch = ListeningWatch(9, tmp_path)
    for other in range(3):
        count(tmp_path, 0, on_the_machine=other)
        assert watch.look() == Listening(frozenset(), frozenset())
    assert len(reads) == 1
    (tmp_path / "9" / "net" / "tcp").write_text(f"{HEAD}   0: {ANY}:1F90 00000000:0000 {LISTENS} 0 0 0 0 0 0 1\n")
    count(tmp_path, 1)
    assert [watch.look() for _ in range(2)] == [Listening(frozenset({8080}), frozenset())] * 2
    assert len(reads) == 2
    # One socket may have gone and another come.
    monkeypatch.setattr(module, "UNCHANGED_SECONDS", 0)
    watch.look()
    assert len(reads) == 3


def test_a_machine_that_does_not_count_sockets_is_asked_for_the_tables_each_time(tmp_path: Path) -> None:
    table(tmp_path, tcp=[])
    watch = ListeningWatch(9, tmp_path)
    assert watch.look() == Listening(frozenset(), frozenset())
    (tmp_path / "9" / "net" / "tcp").write_text(f"{HEAD}   0: {ANY}:1F90 00000000:0000 {LISTENS} 0 0 0 0 0 0 1\n")
    assert watch.look() == Listening(frozenset({8080}), frozenset())
