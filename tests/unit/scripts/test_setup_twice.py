"""Two set-ups at once, by stand-ins: the second one waits."""

import fcntl
from pathlib import Path

from helpers.set_up import DONE, begin_setup, project_of_stand_ins, setup


def test_of_two_set_ups_at_once_the_second_waits_and_finds_nothing_to_do(tmp_path: Path) -> None:
    project = project_of_stand_ins(tmp_path)
    with (project / "scripts" / "setup.sh").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with begin_setup(project) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "setting up: waiting for another set-up in this directory to end\n"
            assert not (project / ".venv").exists()
            fcntl.flock(held, fcntl.LOCK_UN)
            assert second.stdout.read() == DONE
        assert second.returncode == 0
        fcntl.flock(held, fcntl.LOCK_EX)
        assert setup(project).stdout == "", "with nothing to do, it waits for nobody"
        (project / "requirements-dev.txt").write_text("six==1.17\n")
        with begin_setup(project) as second:
            assert second.stdout is not None
            second.stdout.readline()
            (project / "requirements-dev.txt").write_text("")  # the first made .venv what it has to be
            fcntl.flock(held, fcntl.LOCK_UN)
            assert second.stdout.read() == ""
