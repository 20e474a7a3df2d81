import asyncio
import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from helpers.exhaustive import one_of_each
from nova_infra.machine import tools
from nova_infra.rehearsal.tasks import process as module
from nova_infra.rehearsal.tasks import task as base
from nova_infra.rehearsal.tasks.definition import HealthCheck, TaskDefinition
from nova_infra.rehearsal.tasks.faults import WRONG_PORT
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.task import TaskFailedError

Define = Callable[..., TaskDefinition]


def start(definition: TaskDefinition, sources: Path, *, patience: float = 20) -> tuple[ProcessTask, str]:
    """Start a task, stop it, and say how it failed, if it did."""

    async def play() -> tuple[ProcessTask, str]:
        task, fault = ProcessTask(definition, asyncio.Semaphore(2), patience, sources=sources), ""
        try:
            await task.start()
        except TaskFailedError as error:
            fault = str(error)
        finally:
            await task.stop()
            await task.stop()
        assert not task.running
        return task, fault

    return asyncio.run(play())


@pytest.mark.exhaustive("test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it")
def test_a_task_runs_until_it_is_stopped(definition: Define, sources: Path) -> None:
    task, fault = start(definition(), sources)
    assert (fault, task.killed_at_stop) == ("", False)


def test_the_uptime_of_a_task_ends_with_it(definition: Define, sources: Path) -> None:
    class Listening(ProcessTask):
        def begin(self, at: float) -> None:
            self._listening_since = at

    task = Listening(definition(), asyncio.Semaphore(2), 20, sources=sources)
    assert task.uptime == 0
    task.begin(100.0)
    task.ended_at = 104.5
    assert task.uptime == 4.5


def test_of_what_a_program_printed_last_the_line_counts_that_says_why() -> None:
    node = [
        "node:fs:562",
        "  return binding.open(",
        "Error: EROFS: read-only file system",
        "    at open",
        "}",
        "",
        "Node.js v24.19.0",
    ]
    assert base.last_words(node) == "Error: EROFS: read-only file system"
    taken = "Error: listen EADDRINUSE: address already in use :::8080"
    assert base.last_words([taken, *["    at Module.load (node:internal/modules/cjs/loader)"] * 40, node[-1]]) == taken
    assert base.last_words(["starts", "cannot find my model", ""]) == "cannot find my model"
    assert base.last_words([]) == base.SILENT


@pytest.mark.exhaustive("test_a_task_that_is_killed_from_outside_says_so")
def test_a_task_that_exits_says_how_and_what_it_printed_last(definition: Define, sources: Path) -> None:
    assert start(definition("exit"), sources)[1] == (
        "essential container exited with code 1: cannot import the service"
    )


def test_a_task_that_never_listens_is_given_up_when_ecs_would(definition: Define, sources: Path) -> None:
    assert start(definition("deaf"), sources, patience=0.5)[1] == (
        "nothing listens on port 8080 after 0.5 s, which is all that its health checks give it to start: "
        "it printed nothing"
    )


def test_a_task_that_listens_where_nothing_reaches_it_says_where(definition: Define, sources: Path) -> None:
    """As one does that listens on IPv6 only: a load balancer's targets have addresses of IPv4."""
    listens = (
        "import os, signal, socket; s = socket.create_server(('127.0.0.2', int(os.environ['PORT']))); signal.pause()"
    )
    bound = replace(definition(), entry_point=(), command=(sys.executable, "-S", "-c", listens))
    fault = start(bound, sources, patience=0.5)[1]
    assert fault.endswith("it printed nothing; its program listens on 127.0.0.2:8080, where nothing reaches it")


@pytest.mark.exhaustive("test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it")
def test_a_task_that_takes_less_time_to_start_than_it_is_given_runs(definition: Define, sources: Path) -> None:
    assert start(definition("late"), sources, patience=60)[1] == ""


def test_a_task_that_listens_on_another_port_is_found_out_at_once(
    definition: Define, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "ELSEWHERE_SECONDS", 0.2)
    listens_elsewhere = r"nothing listens on port 8080, .*: the program listens on \d+ instead"
    assert re.fullmatch(listens_elsewhere, start(definition("elsewhere"), sources, patience=600)[1])
    # Its variable names another port than its port mapping.
    told = replace(definition(), environment={**definition().environment, "PORT": "8079"})
    assert re.fullmatch(listens_elsewhere, start(told, sources, patience=600)[1])
    same = replace(definition(), environment={**definition().environment, "PORT": "8080"})
    assert start(same, sources)[1] == ""


@pytest.mark.exhaustive("test_a_task_that_listens_on_another_port_is_found_out_at_once")
def test_a_task_whose_metrics_port_listens_first_gets_time(definition: Define, sources: Path) -> None:
    """ECS would go on asking at the port in the task definition for as long as the health checks allow."""
    assert start(definition("metrics-first"), sources)[1] == ""


@pytest.mark.parametrize(
    ("init", "handled", "ignored", "expected"),
    [
        (False, True, False, (False, False)),
        (False, False, False, (False, True)),
        (True, True, False, (False, False)),
        (True, False, False, (True, False)),
        (True, False, True, (False, True)),
    ],
    ids=["handles it", "is spared it", "handles it below an init", "is ended by its init", "ignores it below an init"],
)
def test_what_a_stop_signal_does_to_a_program(
    definition: Define,
    monkeypatch: pytest.MonkeyPatch,
    init: bool,
    handled: bool,
    ignored: bool,
    expected: tuple[bool, bool],
) -> None:
    """One that ignores the signal runs into its stop timeout, with an init process or without."""
    monkeypatch.setattr(base, "handles", lambda *_: handled)
    monkeypatch.setattr(base, "ignores", lambda *_: ignored)
    for name, value in (("running", True), ("pid", 4_000_000)):
        monkeypatch.setattr(ProcessTask, name, value)
    task = ProcessTask(replace(definition(), init=init), asyncio.Semaphore(2), 20, sources=Path("/"))
    assert (task.ends_at_once, task.is_spared) == expected


def test_a_drill_of_a_wrong_port_is_not_waited_for_as_long(definition: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "with_others", lambda seconds: 3 * seconds)
    seconds = [
        ProcessTask(each, asyncio.Semaphore(2), 20, sources=Path("/")).elsewhere_seconds
        for each in (replace(definition(), fault=WRONG_PORT), definition())
    ]
    assert seconds == [base.DRILLED_ELSEWHERE_SECONDS, 3 * base.ELSEWHERE_SECONDS], "longer on a busy machine"


@pytest.mark.exhaustive("test_a_container_health_check_that_stays_red_says_what_it_said")
def test_a_health_check_may_fail_while_the_container_has_time_to_start(
    definition: Define, sources: Path, tmp_path: Path
) -> None:
    passes_the_third_time = f"echo >> {tmp_path}/checks; test $(wc -l < {tmp_path}/checks) -ge 3"
    check = HealthCheck(("CMD-SHELL", passes_the_third_time), interval=0.1, timeout=5, retries=1)
    assert start(replace(definition(), health_check=check), sources, patience=600)[1] == ""


def test_a_task_without_a_port_becomes_healthy_in_real_time(definition: Define, sources: Path, tmp_path: Path) -> None:
    """A worker's check may need what the worker writes once it has started, and nothing else shows that it has."""
    ready = tmp_path / "alive"
    worker = f"import time; time.sleep(1); open({str(ready)!r}, 'w').close(); time.sleep(60)"
    check = HealthCheck(("CMD", "test", "-e", str(ready)), interval=0.1, timeout=5, retries=1)
    command = (sys.executable, "-S", "-c", worker)
    without_port = replace(definition(), port=0, entry_point=(), command=command, health_check=check)
    assert start(without_port, sources, patience=10)[1] == ""
    never = replace(without_port, health_check=replace(check, command=("CMD", "false")))
    assert start(never, sources, patience=0.1)[1].startswith("its container health check failed")


def test_a_port_that_another_program_has_taken_is_left_to_it(
    definition: Define, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken, free = other.getsockname()[1], base.free_port()
        ports = iter([taken, free])
        for place in (base, module):
            monkeypatch.setattr(place, "free_port", lambda: next(ports))
        task, fault = start(definition(), sources)
    assert (fault, task.port) == ("", free)


def test_a_task_that_is_killed_from_outside_says_so(definition: Define, sources: Path) -> None:
    async def play() -> str:
        task = ProcessTask(definition(), asyncio.Semaphore(2), 20, sources=sources)
        await task.start()
        try:
            psutil.Process(task.pid).kill()
            await task.ended()
            return task.stopped_reason()
        finally:
            await task.stop()

    assert asyncio.run(asyncio.wait_for(play(), 20)) == "it was ended by SIGKILL from outside: it printed nothing"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("ModuleNotFoundError: no x", "ModuleNotFoundError: no x"),
        ("[1, 2]", "[1, 2]"),
        ("x" * 300 + " the cause", f"{'x' * 120}…{'x' * 109} the cause"),
    ],
)
def test_what_a_program_said_last_fits_in_a_sentence(said: str, line: str) -> None:
    assert base.last_words([said]) == line


@pytest.mark.exhaustive("test_a_task_that_is_killed_from_outside_says_so")
def test_a_secret_has_a_stand_in(definition: Define, sources: Path) -> None:
    script = "import os; raise SystemExit(os.environ['API_TOKEN'])"
    command = (sys.executable, "-S", "-c", script)
    fault = start(replace(definition(), command=command, secrets={"API_TOKEN": "shop/token"}), sources)[1]
    assert fault.endswith(": stand-in-of-the-rehearsal")


def test_a_program_that_is_not_there_is_a_failed_task(definition: Define, sources: Path) -> None:
    missing = replace(definition(), command=("no-such-program",))
    fault = start(missing, sources)[1]
    assert fault.startswith("CannotStartContainerError: no-such-program")


def test_a_container_health_check_that_stays_red_says_what_it_said(definition: Define, sources: Path) -> None:
    check = HealthCheck(("CMD-SHELL", "echo still cold; exit 1"), interval=0.1, timeout=5, retries=2)
    fault = start(replace(definition(), health_check=check), sources, patience=4)[1]
    assert re.fullmatch(r"its container health check failed \d+ times: still cold", fault)
    check = replace(check, command=("CMD-SHELL", "echo Connection refused; exit 1"))
    fault = start(replace(definition(), health_check=check), sources, patience=1)[1]
    assert fault.endswith(": Connection refused; its program listens on 127.0.0.1:8080")


@pytest.mark.exhaustive("test_a_container_health_check_that_stays_red_says_what_it_said")
def test_a_container_health_check_that_hangs_counts_as_failed(definition: Define, sources: Path) -> None:
    check = HealthCheck(("CMD", "sleep", "60"), interval=0.1, timeout=0.1, retries=1)
    hanging = replace(definition(), health_check=check)
    assert "did not end within 0.1 s" in start(hanging, sources, patience=4)[1]


@pytest.mark.exhaustive("test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it")
def test_a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(
    definition: Define, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nova_infra.rehearsal.tasks.task.SPARE_STOP_SECONDS", 0.1)
    assert start(definition("stubborn"), sources)[0].killed_at_stop


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what a process does about signals")
@pytest.mark.parametrize(
    ("command", "init", "killed"),
    one_of_each(
        [
            (("sh", "-c", '"$0" -S -m serve; true'), False, True),
            (("sh", "-c", '"$0" -S -m serve; true'), True, False),
            (("sh", "-c", 'exec "$0" -S -m serve'), False, False),
        ]
    ),
    ids=["a shell that stays", "a shell behind an init process", "a shell that becomes the program"],
)
def test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it(
    definition: Define,
    sources: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    init: bool,
    killed: bool,
) -> None:
    monkeypatch.setattr("nova_infra.rehearsal.tasks.task.SPARE_STOP_SECONDS", 0.1)
    task, fault = start(replace(definition(), command=(*command, sys.executable), init=init), sources)
    assert (fault, task.killed_at_stop) == ("", killed)


@pytest.mark.exhaustive("test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what a process does about signals")
def test_a_server_of_node_gets_its_signals_whatever_stands_before_it(
    definition: Define, sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of Python's puts a program before it that passes no signal on."""
    shim = tmp_path / "node"
    shim.write_text(f'#!/bin/sh\n"{tools.node()}" "$@"\ntrue\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    server = """require("http").createServer().listen(process.env.PORT, "127.0.0.1")
    process.on("SIGTERM", () => process.exit(0))"""
    task, fault = start(replace(definition(), entry_point=(), command=("node", "-e", server)), sources)
    assert (fault, task.killed_at_stop) == ("", False)


@pytest.mark.exhaustive("test_only_the_first_process_gets_sigterm_and_it_has_to_handle_it")
def test_a_task_that_takes_its_time_to_stop_gets_it(definition: Define, sources: Path) -> None:
    # 1.3 of the two seconds that it is granted: real ones, though health checks pass twenty times faster.
    assert not start(definition("slow-to-stop"), sources)[0].killed_at_stop


def test_a_task_that_holds_more_memory_than_granted_is_killed(definition: Define, sources: Path) -> None:
    async def play() -> str:
        task = ProcessTask(definition(memory=1), asyncio.Semaphore(2), 20, sources=sources)
        try:
            await task.start()
            await task.ended()
            return task.stopped_reason()
        except TaskFailedError as error:
            return str(error)
        finally:
            await task.stop()

    said = asyncio.run(asyncio.wait_for(play(), 20))
    assert re.fullmatch(r"OutOfMemoryError: it held \d+ MiB and was granted 1 MiB", said)


def test_a_start_that_is_cancelled_leaves_no_process(definition: Define, sources: Path) -> None:
    async def play() -> None:
        task = ProcessTask(definition("deaf"), asyncio.Semaphore(2), 20, sources=sources)
        starting = asyncio.create_task(task.start())
        while not task.running:
            await asyncio.sleep(0.01)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await task.stop()
        assert not task.running

    asyncio.run(asyncio.wait_for(play(), 10))
