"""A set of changes is made as a whole, or leaves the directory as it was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.errors import NovaError
from nova_infra.scaffold.changes import Changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "edited").write_text("before")
    (tmp_path / "edited").chmod(0o755)
    (tmp_path / "gone/deep").mkdir(parents=True)
    (tmp_path / "gone/deep/file").write_text("gone")
    return tmp_path


def contents(root: Path) -> dict[str, tuple[int, bytes | None]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
    }


def changes(root: Path, source: Path) -> Changes:
    return Changes(
        root,
        written={"edited": "after", "a/new/file": "new"},
        copied={"a/copy": source},
        removed={"gone", "never-there"},
    )


def test_everything_changes_and_nothing_is_left_behind(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = tmp_path_factory.mktemp("source") / "tool"
    source.write_text("tool")
    source.chmod(0o755)
    changes(root, source).apply()
    found = contents(root)
    assert set(found) == {"kept", "edited", "a", "a/new", "a/new/file", "a/copy"}
    assert (root / "edited").read_text() == "after"
    assert (root / "edited").stat().st_mode & 0o777 == 0o755
    assert (root / "a/copy").stat().st_mode & 0o777 == 0o755
    assert source.read_text() == "tool"


@pytest.mark.parametrize("failure", [PermissionError(13, "Permission denied", "edited"), KeyboardInterrupt()])
def test_when_one_piece_fails_everything_is_as_before(
    root: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    before = contents(root)
    rename = Path.rename
    moved: list[dict[str, tuple[int, bytes | None]]] = []

    def fail_at_the_last(path: Path, target: Path) -> Path:
        if path.name == "edited" and path.parent != root and not moved:
            moved.append(contents(root))
            raise failure
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail_at_the_last)
        with pytest.raises((NovaError, KeyboardInterrupt)):
            changes(root, root / "kept").apply()
    assert "gone" not in moved[0], "it failed in the midst of the changes"
    assert "a/copy" in moved[0]
    assert contents(root) == before


@pytest.mark.parametrize("number", one_of_each([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
def test_who_interrupts_in_the_midst_of_a_change_has_all_of_it(root: Path, number: signal.Signals) -> None:
    """A signal between a move and the note of it would lose what was moved."""
    program = """
import os, pathlib, sys
from nova_infra.scaffold.changes import Changes
rename = pathlib.Path.rename
def interrupted(path, target):
    moved = rename(path, target)
    os.kill(os.getpid(), int(sys.argv[2]))
    return moved
pathlib.Path.rename = interrupted
Changes(pathlib.Path(sys.argv[1]), written={"edited": "after"}, removed={"gone"}).apply()
"""
    ended = subprocess.run([sys.executable, "-c", program, root, str(int(number))], check=False, capture_output=True)
    assert ended.returncode == -number
    assert set(contents(root)) == {"kept", "edited"}
    assert (root / "edited").read_text() == "after"


def test_links_are_copied_as_links(root: Path) -> None:
    for name, target in {"to-file": "kept", "to-directory": "gone", "dangling": "nowhere"}.items():
        (root / name).symlink_to(target)
        Changes(root, copied={f"copies/{name}": root / name}).apply()
        assert (root / "copies" / name).readlink() == Path(target)


def test_a_directory_that_cannot_be_written_is_reported_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NovaError, match="cannot be written") as refusal:
        Changes(tmp_path, written={"file/below": "text"}).apply()
    assert len(str(refusal.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
