from pathlib import Path

import pytest

from nova_infra.rehearsal.usage.connections import connections

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# As Linux writes them: 10.97.7.9:5432 is 0907610A:1538, and within IPv6 it follows ::ffff.
OWN = "0607610A:C350"
ROWS = {
    "tcp": [
        (OWN, "0907610A:1538", "01"),  # counts
        (OWN, "0907610A:1538", "06"),  # is closed
        (OWN, "0907610A:1539", "01"),  # leads to another port
        (OWN, "0A07610A:1538", "01"),  # leads to another host
        ("0907610A:1538", OWN, "01"),  # comes from there
    ],
    "tcp6": [
        ("0000000000000000FFFF00000607610A:C351", "0000000000000000FFFF00000907610A:1538", "01"),  # counts
    ],
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """What Linux shows of a container's network."""
    (tmp_path / "7" / "net").mkdir(parents=True)
    for name, rows in ROWS.items():
        lines = [f"   {n}: {local} {remote} {state} 0:0 0:0 0 0 0 0" for n, (local, remote, state) in enumerate(rows)]
        (tmp_path / "7" / "net" / name).write_text(HEAD + "\n".join(lines) + "\n")
    return tmp_path


def test_established_connections_of_a_container_to_a_place_are_counted(proc: Path) -> None:
    assert connections(7, "10.97.7.9", 5432, own_network=True, proc=proc) == 2
    assert connections(7, "10.97.7.9", 5433, own_network=True, proc=proc) == 1


@pytest.mark.parametrize("own_network", [True, False])
def test_what_has_ended_shows_no_connections(tmp_path: Path, own_network: bool) -> None:
    assert connections(2**22 + 1, "127.0.0.1", 5432, own_network=own_network, proc=tmp_path) is None
