"""Temporary directories that outlive nobody, not even who is killed."""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nova_infra.machine.scratch import remove_abandoned, runtime_directory, scratch_directory, stopped_by

KILLED = """
import os, signal
from pathlib import Path
from nova_infra.machine.scratch import scratch_directory
held = scratch_directory("baseline")
Path(held.name, "checkout").mkdir()
Path(held.name, "checkout", "file").write_text("kept until somebody looks")
print(held.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_held_goes_with_the_next_and_nothing_else(place: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert left.parent == place
    assert (left / "checkout" / "file").is_file()
    nobody = left.name.split("-")[1]
    others = [place / f"nova-{nobody}", place / "nova-build-0.lock", place / f"nova-{nobody}-baseline-toolongtail"]
    for other in others:
        other.mkdir()
    (place / f"nova-{nobody}-baseline-fileonly").touch()
    link = place / f"nova-{nobody}-baseline-linklink"
    link.symlink_to(others[0])
    with scratch_directory("image") as mine:
        assert remove_abandoned() == [left]
        assert Path(mine).is_dir()
    assert not left.exists()
    assert not Path(mine).exists()
    assert all(other.is_dir() for other in others)
    assert link.is_symlink()


def test_a_directory_is_named_after_its_process() -> None:
    with scratch_directory("stand-ins") as directory:
        assert Path(directory).name.startswith(f"nova-{os.getpid()}-stand-ins-")


def test_a_port_that_is_taken_is_no_lack_of_room() -> None:
    taken = stopped_by(OSError(errno.EADDRINUSE, "Address already in use"), Path("/logs"))
    assert taken.startswith("a port of this machine: Address already in use: ")
    assert "run the same command again" in taken
    full = stopped_by(OSError(errno.ENOSPC, "No space left on device", "/logs/a.log"), Path("/logs"))
    assert full == "/logs/a.log: No space left on device: make room there"
    gone = stopped_by(OSError(errno.ENOENT, "No such file or directory", "/logs/a.log"), Path("/logs"))
    assert gone == "/logs/a.log: No such file or directory: correct that, and run the same command again"


def test_what_a_users_processes_share_lies_where_nobody_else_writes(
    place: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, given = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("run")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(given))
    assert runtime_directory() == given
    linked = place / "linked"
    linked.symlink_to(given)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(linked))  # whoever owns a link may turn it
    assert runtime_directory() == home / ".cache" / "nova"
    assert (home / ".cache" / "nova").stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("HOME", str(place / "nowhere"))
    temporary = place / f"nova-of-{os.getuid()}"
    assert runtime_directory() == temporary
    assert temporary.stat().st_mode & 0o777 == 0o700
    temporary.rmdir()
    temporary.symlink_to(given)
    with pytest.raises(PermissionError, match="belongs to another user"):
        runtime_directory()
