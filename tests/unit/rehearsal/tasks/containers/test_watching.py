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
from nova_infra.rehearsal.tasks.containers import container as module
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.watching import has_ended, last_output, read_end, read_start


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


@pytest.mark.parametrize(
    ("answers", "heard"),
    [
        (["", "no such table\n"], ["no such table"]),
        (["\n", "no such column\n"], ["no such column"]),
        (["", "", "late"], []),
        (["", "".join(f"{number}\n" for number in range(70))], [str(number) for number in range(10, 70)]),
    ],
)
def test_an_engine_that_says_nothing_of_a_container_is_asked_once_more(answers: list[str], heard: list[str]) -> None:
    async def attempt(*_: str) -> tuple[int, str, str]:
        return 0, "", answers.pop(0)

    engine = cast(Engine, SimpleNamespace(attempt=attempt))
    assert asyncio.run(last_output(engine, "tiny")) == heard


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


def insist(monkeypatch: pytest.MonkeyPatch, *codes: int, ends: bool = False) -> list[str]:
    """What is asked of an engine that answers with these exit codes, one after the other."""
    monkeypatch.setattr(module, "GONE_SECONDS", 0.0)
    asked, left = [], list(codes)

    async def attempt(*arguments: str, directory: str) -> tuple[int, str, str]:
        asked.append(f"{' '.join(arguments)} in {directory}")
        return left.pop(0), "", "unable to freeze\nError: runc failed"

    async def ends_within(_: float) -> bool:
        return ends

    task = SimpleNamespace(
        engine=SimpleNamespace(attempt=attempt, program="podman"), name="n1", directory="/d", _ends_within=ends_within
    )
    asyncio.run(ContainerTask.insist(cast(Any, task), "pause", "--hard", otherwise="play it again"))
    return asked


@pytest.mark.parametrize(("codes", "ends", "times"), [((0,), False, 1), ((125, 125, 0), False, 3), ((125,), True, 1)])
def test_what_an_engine_fails_at_on_a_busy_machine_is_asked_for_again_unless_the_container_has_ended(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], ends: bool, times: int
) -> None:
    assert insist(monkeypatch, *codes, ends=ends) == ["pause --hard n1 in /d"] * times


def test_what_an_engine_fails_at_again_and_again_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"^podman pause: unable to freeze / Error: runc failed: play it again$"):
        insist(monkeypatch, *[125] * 5)


def test_a_container_whose_program_has_ended_is_ending_until_the_reason_is_known() -> None:
    def ending(pid: int, *, running: bool = True, group: object | None = object()) -> bool:
        task = cast(Any, SimpleNamespace(running=running, pid=pid, _group=group))
        return bool(cast(Any, ContainerTask.ending).fget(task))

    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert ending(process.pid)
    assert not ending(os.getpid()), "its program runs"
    assert not ending(process.pid, running=False), "how it ended is known"
    assert not ending(process.pid, group=None), "a process of another machine's"
