"""How the end of a container is noticed."""

from __future__ import annotations

import os
import subprocess

import psutil

from nova_infra.rehearsal.tasks.containers.watching import has_ended


def test_a_process_is_over_as_soon_as_it_has_ended_although_nobody_has_asked_for_its_exit_code() -> None:
    """Its network cannot be read any more, which must not be taken for a machine that shows nothing."""
    assert not has_ended(os.getpid())
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert has_ended(process.pid)
    assert has_ended(process.pid)
