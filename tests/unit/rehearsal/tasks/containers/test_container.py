"""Tasks as containers, of an image without a shell, by the engine of this machine."""

import asyncio
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from helpers.engines import limits_of
from helpers.exhaustive import one_of_each
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.tasks import task as base
from nova_infra.rehearsal.tasks.containers import container
from nova_infra.rehearsal.tasks.definition import HealthCheck, TaskDefinition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime
from nova_infra.rehearsal.tasks.task import Task
from nova_infra.rehearsal.usage.cgroup import ControlGroup

Define = Callable[..., TaskDefinition]
Run = Callable[..., tuple[Task, str]]


def ask(port: int) -> dict[str, str]:
    """What the service answers: its environment, and whom it runs as."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        text: str = response.read().decode()
    return dict(line.split("=", 1) for line in text.splitlines())


def asked(run: Run, definition: TaskDefinition) -> dict[str, str]:
    """What the service in a container answers."""
    answers: list[dict[str, str]] = []

    async def play(task: Task) -> None:
        answers.append(await asyncio.to_thread(ask, task.port))

    assert run(definition, play)[1] == ""
    return answers[0]


def test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine(
    run: Run, define: Define, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "https_proxy", "NOVA_SECRET"):
        monkeypatch.setenv(name, "of-this-machine")
    answer = asked(run, define(secrets={"API_TOKEN": "shop/token"}))
    assert answer["uid"] == "10001", "the image's user"
    assert answer["PORT"] == "3000"
    assert answer["API_TOKEN"] == "stand-in-of-the-rehearsal"
    assert "of-this-machine" not in answer.values()
    by_the_engine = {"PATH", "HOME", "HOSTNAME", "TERM", "container"}
    assert set(answer) - by_the_engine == {"uid", "files", "PORT", "FAULT", "API_TOKEN"}
    assert answer["files"] == str(min(65535, limits_of(engine).open_files)), (
        "as many as on Fargate, or as this machine allows"
    )


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
@pytest.mark.parametrize(("refusals", "fault"), [(1, ""), (99, "it cannot limit processor time")])
def test_a_limit_that_a_busy_runtime_refuses_is_set_again(
    run: Run, define: Define, monkeypatch: pytest.MonkeyPatch, refusals: int, fault: str
) -> None:
    left, attempt = [1] * refusals, Engine.attempt

    async def busy(engine: Engine, *words: str, **options: Any) -> tuple[int, str, str]:
        if words[0] == "update" and left:
            return left.pop(), "", "exit status 1"
        return await attempt(engine, *words, **options)

    monkeypatch.setattr(Engine, "attempt", busy)
    monkeypatch.setattr(ControlGroup, "limit_processor", lambda *_: False)
    monkeypatch.setattr(container, "GONE_SECONDS", 0.01)
    if fault:
        with pytest.raises(EngineError, match=fault):
            run(define())
    else:
        assert run(define())[1] == ""
        assert left == []


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_the_user_and_the_open_files_of_the_definition_count(run: Run, define: Define) -> None:
    answer = asked(run, define(user="4242:4242", open_files=(512, 700)))
    assert (answer["uid"], answer["files"]) == ("4242", "512")


def test_more_files_than_this_machine_allows_are_as_many_as_it_allows(define: Define, engine: Engine) -> None:
    most = limits_of(engine).open_files
    runtime = ImageRuntime(engine, limits=limits_of(engine))
    assert runtime.as_here(define(open_files=(512, 2**31))).open_files == (512, most)


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
@pytest.mark.parametrize(
    ("path", "other", "said"),
    one_of_each(
        [
            ("/written", {}, "Read-only file system"),
            # Podman makes a /run, Docker none.
            ("/run/written", {}, "(Read-only file system|No such file or directory)"),
            ("/tmp/written", {}, ""),
            ("/tmp/written", {"mounts": (), "fault": "no-tmp"}, "(Read-only file system|No such file or directory)"),
            # ECS gives a mount to root, unless the image declares its path as a volume.
            ("/data/written", {"mounts": ("/data",)}, "Permission denied"),
            ("/data/written", {"mounts": ("/data",), "user": "0"}, ""),
            ("/tmp/written", {"user": "10002"}, "Permission denied"),  # It is the image's user's.
            # Docker makes it, as the runtime of containers does.
            ("/tmp/written", {"working_directory": "/nowhere"}, ""),
        ]
    ),
)
def test_only_mounts_can_be_written(run: Run, define: Define, path: str, other: dict[str, Any], said: str) -> None:
    fault = run(define(f"writes:{path}", **other))[1]
    assert re.fullmatch(f"essential container exited with code 4: {path}: {said}" if said else "", fault)


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
@pytest.mark.parametrize(
    ("behaviour", "other", "said"),
    one_of_each(
        [
            ("exit", {}, "essential container exited with code 3: cannot find my model"),
            ("exit-later", {}, "essential container exited with code 3: cannot find my model"),
            ("", {"entry_point": ("/not-there",)}, r"CannotStartContainerError: /not-there: .*no such file.*"),
            ("", {"entry_point": ("pytest",)}, r"CannotStartContainerError: pytest: .*executable file.*not found.*"),
            ("", {"user": "nobody-there"}, r"CannotStartContainerError: .*nobody-there.*"),
            ("", {"port": 3001}, "nothing listens on port 3001, .*: the program listens on 3000 instead"),
            (
                "loopback",
                {},
                "the program listens on port 3000 of 127.0.0.1 or ::1 only, where nothing reaches it: bind 0.0.0.0",
            ),
            # Docker by itself lets anybody listen there, and ECS does not.
            (
                "",
                {"environment": {"FAULT": "", "PORT": "80"}, "port": 80},
                "essential container exited with code 1: listen: Permission denied",
            ),
            ("", {"architecture": "riscv"}, "CannotStartContainerError: exec format error: the image is for .*"),
            ("", {"fault": "missing-secret"}, "ResourceInitializationError: .*"),
        ]
    ),
)
def test_a_container_that_cannot_serve_says_why_in_a_line(
    run: Run, define: Define, behaviour: str, other: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "ELSEWHERE_SECONDS", 0.7)
    assert re.fullmatch(said, run(define(behaviour, **other))[1], re.IGNORECASE)


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_an_image_that_is_nowhere_cannot_be_pulled(run: Run, define: Define) -> None:
    missing = define(image="localhost/nova-test/nowhere:1")
    assert run(missing)[1].startswith("CannotPullContainerError: localhost/nova-test/nowhere:1: is not in ")


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_machine_that_does_not_show_what_containers_use_says_so(
    run: Run, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlGroup, "of", lambda *_: None)
    measured: list[object] = []

    async def play(task: Task) -> None:
        measured.append(task.measure())

    assert run(define(), play)[1] == ""
    assert measured == [None], "which is not the same as nothing"


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_children_that_eat_the_memory_are_counted_and_the_kernel_ends_them(run: Run, define: Define) -> None:
    held: list[float] = []

    async def play(task: Task) -> None:
        for _ in range(100):
            usage = task.measure()
            assert usage is not None
            held.append(usage.memory)
            if held[-1] > 48:
                return
            await asyncio.sleep(0.05)

    run(define("children"), play)
    assert max(held) > 48, "of 64 MiB, none of it the service's own"


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_container_that_the_kernel_kills_for_its_memory_says_so(run: Run, define: Define) -> None:
    reasons: list[str] = []

    async def play(task: Task) -> None:
        await task.suffer()
        assert not task.running, "the memory alarm, whose minutes are seconds, must not be first"
        reasons.append(task.stopped_reason())

    run(define(fault="killed-by-kernel"), play)
    assert reasons == ["OutOfMemoryError: the kernel killed it at the 64 MiB that it was granted"]


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_container_that_is_killed_from_outside_says_so(run: Run, define: Define) -> None:
    reasons: list[str] = []

    async def play(task: Task) -> None:
        await task.suffer()
        await task.ended()
        reasons.append(task.stopped_reason())

    run(define(fault="killed"), play)
    assert reasons == ["it was ended by SIGKILL from outside: it printed nothing"]


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_program_beside_the_service_keeps_its_cpu_units_busy(run: Run, define: Define) -> None:
    used: list[float] = []

    async def play(task: Task) -> None:
        await task.suffer()
        await asyncio.sleep(1.5)
        task.measure()
        await asyncio.sleep(1.5)
        usage = task.measure()
        assert usage is not None
        used.append(usage.cpu)

    run(define(fault="cpu"), play)
    assert used[0] > 80


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_frozen_container_stops_all_the_same(run: Run, define: Define) -> None:
    async def play(task: Task) -> None:
        await task.suffer()

    task, _ = run(define(fault="paused"), play)
    assert task is not None
    assert not task.killed_at_stop


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_container_that_ignores_its_stop_signal_is_killed(
    run: Run, define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nova_infra.rehearsal.tasks.task.SPARE_STOP_SECONDS", 0.2)
    for definition in (define("stubborn"), define(fault="ignored-signal")):
        task, _ = run(definition)
        assert task is not None
        assert task.killed_at_stop


@pytest.mark.exhaustive("test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine")
def test_a_health_check_runs_in_the_container_where_a_shell_may_be_missing(run: Run, define: Define) -> None:
    shell = HealthCheck(("CMD-SHELL", "exit 0"), interval=0.1, timeout=20, retries=1)
    assert re.fullmatch(
        "its container health check failed .*: .*/bin/sh.*", run(define(health_check=shell), patience=1)[1]
    )
    program = HealthCheck(("CMD", "/server", "--fails"), interval=0.1, timeout=20, retries=1)
    assert "listen: Address already in use" in run(define(health_check=program), patience=1)[1]
