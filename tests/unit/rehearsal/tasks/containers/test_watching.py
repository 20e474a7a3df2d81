"""How the end of a container is noticed."""

import asyncio
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.watching import has_ended, read_end, read_start


def test_a_process_is_over_as_soon_as_it_has_ended_although_nobody_has_asked_for_its_exit_code() -> None:
    """Its network cannot be read any more, which must not be taken for a machine that shows nothing."""
    assert not has_ended(os.getpid())
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert has_ended(process.pid)
    assert has_ended(process.pid)


@pytest.mark.parametrize("answer", ["", "<html>", "false soon false", "12ab none"])
def test_an_engine_that_does_not_say_how_it_is_with_a_container_is_at_fault(tmp_path: Path, answer: str) -> None:
    program = tmp_path / "podman"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    engine = Engine(str(program), "amd64")
    for ask in (read_start, read_end):
        with pytest.raises(EngineError, match="inspect: its answer makes no sense: "):
            asyncio.run(ask(engine, "tiny"))


def test_whoever_hears_out_a_container_that_is_being_stopped_is_not_cancelled_himself() -> None:
    async def whole() -> None:
        watching = asyncio.create_task(asyncio.sleep(20))
        await asyncio.sleep(0)
        watching.cancel()
        await ContainerTask.hear_out(cast(Any, SimpleNamespace(_watching=[watching])))

    asyncio.run(whole())


def test_what_kept_a_container_from_being_heard_is_raised() -> None:
    async def fail() -> None:
        raise EngineError("podman inspect: its answer makes no sense")

    async def whole() -> None:
        await ContainerTask.hear_out(cast(Any, SimpleNamespace(_watching=[asyncio.create_task(fail())])))

    with pytest.raises(EngineError, match="its answer makes no sense"):
        asyncio.run(whole())
