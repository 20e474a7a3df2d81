"""Tasks of several containers, by the engine of this machine: one network, an order, what they share, how they end."""

import asyncio
import contextlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.engines import limits_of
from helpers.exhaustive import one_of_each
from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.tasks.containers.labels import pause_program
from nova_infra.rehearsal.tasks.containers.several import SeveralContainers
from nova_infra.rehearsal.tasks.definition import HealthCheck, SharedMount, TaskDefinition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime
from nova_infra.rehearsal.tasks.task import Task, TaskFailedError

Define = Callable[..., TaskDefinition]
Run = Callable[..., tuple[Task, str]]
FILES = SharedMount("/data", "files")


@pytest.fixture
def beside(define: Define) -> Define:
    """Makes further containers of a task."""

    def make(name: str, behaviour: str, port: int = 0, **other: Any) -> TaskDefinition:
        variables = {"FAULT": behaviour, "PORT": str(port)}
        return define(name=name, environment=variables, port=0, mounts=(), **{"user": "0", **other})

    return make


def status(port: int) -> int:
    """What the task answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_image_that_one_of_this_machine_stands_in_for_is_noted(
    run: Run, define: Define, engine: Engine, image: str, rehearsal: tuple[object, ImageRuntime]
) -> None:
    wanted = f"stood-in:{image.rpartition(':')[2]}"
    engine.run("tag", image, f"localhost/{wanted}")
    try:
        assert run(define(image=wanted))[1] == ""
    finally:
        engine.run("rmi", f"localhost/{wanted}")
    assert [*rehearsal[1].gaps] == [wanted]


def play(run: Run, task: TaskDefinition) -> tuple[int, str]:
    """The answer of a task that starts, and why it ended."""
    answers = [0]

    async def ask(started: Task) -> None:
        answers[0] = await asyncio.to_thread(status, started.port)

    fault = run(task, ask)[1]
    return answers[0], fault


def with_front(define: Define, beside: Define, port: int = 4000, **init: Any) -> TaskDefinition:
    """An init container that leaves a file, the app that needs it, and the front that gets the requests."""
    init = {"behaviour": "leaves:/data/made", "essential": False, "shared": (FILES,), **init}
    read_only = replace(FILES, path="/config", read_only=True)
    app = beside("app", "reads:/config/made", port, shared=(read_only,), waits_for=(("init", "SUCCESS"),))
    return define("front:4000", name="front", waits_for=(("app", "START"),), further=(app, beside("init", **init)))


INIT = "container app: failed to resolve container ordering dependency: app waits until init has succeeded, and it"


@pytest.mark.parametrize(
    ("changed", "answer", "said"),
    one_of_each(
        [
            ({}, 200, ""),
            ({"behaviour": "exit"}, 0, f"{INIT} exited with code 3: cannot find my model"),
            ({"port": 4001}, 502, ""),
        ]
    ),
)
def test_containers_share_a_network_and_a_volume_and_start_in_order(
    run: Run, define: Define, beside: Define, changed: dict[str, Any], answer: int, said: str
) -> None:
    assert play(run, with_front(define, beside, **changed)) == (answer, said)


FIRST = "rehearsal/tasks/containers/test_several.py::test_containers_share_a_network_and_a_volume_and_start_in_order"
CHECK = HealthCheck(("CMD", "/server"), interval=5, timeout=5, retries=2)
UNHEALTHY = (
    "(failed to resolve container ordering dependency: main waits until helper is healthy, and its container health "
    "check failed .+ times: .*|.* has timed out: main waits until helper is healthy, for 2 s at most)"
)


@pytest.mark.exhaustive(FIRST)
@pytest.mark.parametrize(
    ("helper", "main", "answer", "said"),
    one_of_each(
        [
            # Its check runs in it, with its variables: what stays there passes none.
            (("leaves:/nowhere/x", {"essential": False}), {}, 200, ""),
            (
                ("", {"port": 3000}),
                {},
                None,
                ".*essential container exited with code 1: listen: Address already in use",
            ),
            (
                ("stays", {"health_check": CHECK, "essential": False, "start_timeout": 2.0}),
                {"waits_for": (("helper", "HEALTHY"),)},
                0,
                UNHEALTHY,
            ),
            (
                ("stays", {"essential": False, "start_timeout": 1.0}),
                {"waits_for": (("helper", "COMPLETE"),)},
                0,
                "container ordering dependency has timed out: main waits until helper has ended, for 1 s at most",
            ),
            # An image that is not at hand: its container counts as what it is waited for.
            (("", {"image": "localhost/not-there:1"}), {"waits_for": (("helper", "HEALTHY"),)}, 200, ""),
        ]
    ),
)
def test_a_task_fares_as_its_other_container_does(
    run: Run,
    define: Define,
    beside: Define,
    helper: tuple[str, dict[str, Any]],
    main: dict[str, Any],
    answer: int | None,
    said: str,
) -> None:
    other = beside("helper", helper[0], **helper[1])
    got, fault = play(run, define(name="main", further=(other,), **main))
    assert re.fullmatch(said, fault)
    assert answer in (got, None)


@pytest.mark.exhaustive(FIRST)
def test_a_task_that_serves_ends_with_any_essential_container(run: Run, define: Define, beside: Define) -> None:
    async def end_the_helper(task: Task) -> None:
        assert isinstance(task, SeveralContainers)
        await task.others[0].insist("kill", "--signal=KILL", otherwise="it goes on")
        await asyncio.wait_for(task.ended(), 60)
        assert not task.running
        assert task.stopped_reason().startswith("container helper: it was ended by SIGKILL from outside")

    assert run(define(name="main", further=(beside("helper", "stays"),)), end_the_helper)[1] == ""


@pytest.mark.exhaustive(FIRST)
def test_a_task_whose_essential_container_ends_right_after_its_start_never_serves(
    run: Run, define: Define, beside: Define
) -> None:
    """However fast this machine starts containers."""
    _, fault = run(define(name="main", further=(beside("helper", "exit-later"),)))
    assert fault == "container helper: essential container exited with code 3: cannot find my model"


@pytest.mark.exhaustive(FIRST)
def test_another_container_that_is_killed_at_the_end_of_its_stop_timeout_is_noted(
    run: Run, define: Define, beside: Define
) -> None:
    task, _ = run(define(name="main", further=(beside("helper", "stubborn", 4000, stop_timeout=1.0),)))
    assert isinstance(task, SeveralContainers)
    assert not task.killed_at_stop
    assert task.gaps["helper"].startswith("what helper was doing when it was killed at the end of its stop timeout")


@pytest.mark.exhaustive(FIRST)
def test_a_task_goes_on_without_a_container_that_is_not_essential_and_it_is_measured_and_noted(
    run: Run, define: Define, beside: Define
) -> None:
    async def look(task: Task) -> None:
        assert isinstance(task, SeveralContainers)
        async with asyncio.timeout(60):
            while not task.gaps:
                assert task.read_usage() is not None
                await asyncio.sleep(0.05)
        assert await asyncio.to_thread(status, task.port) == 200
        said = "it exited with code 3 (cannot find my model), and is not essential to its task"
        assert task.gaps == {"helper": f"what helper would go on to do: {said}"}

    assert run(define(name="main", further=(beside("helper", "exit-later", essential=False),)), look)[1] == ""


@pytest.mark.exhaustive(FIRST)
def test_what_an_image_has_at_a_volume_that_it_declares_is_there_for_the_others(
    run: Run, define: Define, beside: Define
) -> None:
    """It is the owner's, too: the image's own user may write to it, and another container's may not."""
    shared = SharedMount("/tmp", "files")
    app = beside("app", "writes:/tmp/x", 4000, shared=(shared,), user="10001")
    reader = beside("reader", "reads:/data/x", shared=(replace(shared, path="/data"),), waits_for=(("app", "START"),))
    assert play(run, define(name="main", waits_for=(("reader", "START"),), further=(app, reader)))[1] == ""


def runs(engine: Engine, *tasks: TaskDefinition) -> None:
    """Start and stop some tasks one after the other, in one rehearsal."""

    async def whole() -> None:
        async with ImageRuntime(engine, limits=limits_of(engine)) as runtime:
            for each in tasks:
                task = runtime.task(each, Path("/"), 20)
                try:
                    await task.start()
                finally:
                    await task.stop()

    asyncio.run(asyncio.wait_for(whole(), 120))


@pytest.mark.exhaustive(FIRST)
def test_a_file_system_of_efs_is_there_for_all_tasks_and_another_volume_for_one(engine: Engine, define: Define) -> None:
    files = SharedMount("/data", "(efs)", lasts=True, is_everybodys=True)
    runs(engine, define("writes:/data/x", shared=(files,)), define("reads:/data/x", shared=(files,)))
    ends = replace(files, lasts=False)
    with pytest.raises(TaskFailedError, match="exited with code 4: /data/x: No such file or directory"):
        runs(engine, define("writes:/data/x", shared=(ends,)), define("reads:/data/x", shared=(ends,)))


@pytest.mark.exhaustive(FIRST)
@pytest.mark.parametrize(("held", "memory", "said"), [("40", 64, "OutOfMemoryError"), ("40", 256, "")])
def test_containers_together_may_hold_no_more_than_the_task(
    run: Run, define: Define, beside: Define, held: str, memory: int, said: str
) -> None:
    reasons: list[str] = []

    async def wait(task: Task) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(task.ended(), 3)
        reasons.append("" if task.running else task.stopped_reason())

    fault = run(
        define(f"holds:{held}", name="main", task_memory=memory, further=(beside("other", f"holds:{held}", 5000),)),
        wait,
    )[1]
    assert said in [fault, *reasons][-1]
    assert bool(said) == bool([fault, *reasons][-1])


@pytest.mark.exhaustive(FIRST)
def test_a_container_may_have_the_mounts_of_any_other(run: Run, define: Define, beside: Define) -> None:
    """It reads what the one with requests writes, as a shipper of logs does, and another has its mounts in turn."""
    reads = beside("reads", "reads:/tmp/x", 4000, volumes_from=("main:ro",), waits_for=(("main", "START"),))
    chained = beside("chained", "reads:/tmp/x", 4001, volumes_from=("reads:ro",), waits_for=(("reads", "START"),))
    assert play(run, define("writes:/tmp/x", name="main", further=(chained, reads))) == (200, "")


@pytest.mark.exhaustive(FIRST)
@pytest.mark.parametrize("is_alone", [False, True])
def test_a_working_directory_that_an_image_lacks_is_made_for_each_container(
    run: Run, define: Define, beside: Define, is_alone: bool
) -> None:
    """Podman refuses it at the start, and the container is made once more."""
    other = beside("other", "", 4000, working_directory="/srv/there")
    task = define(name="main", working_directory="/srv/here", further=(other,))
    if is_alone:
        task = define(shared=(replace(FILES, read_only=True),), working_directory="/srv/here")
    assert play(run, task) == (200, "")


@pytest.mark.exhaustive(FIRST)
def test_an_interrupted_start_leaves_nothing(engine: Engine, define: Define, beside: Define) -> None:
    waits = define(name="main", waits_for=(("init", "SUCCESS"),), further=(beside("init", "stays", essential=False),))

    async def whole() -> str:
        async with ImageRuntime(engine, limits=limits_of(engine)) as runtime:
            assert runtime.place is not None
            label = runtime.place.label
            task = runtime.task(waits, Path("/"), 20)
            starting = asyncio.create_task(task.start())
            while (await engine.attempt("ps", "--quiet", f"--filter=label={label}"))[1].count("\n") < 1:
                await asyncio.sleep(0.1)
            starting.cancel()
            await asyncio.wait({starting})
            assert starting.cancelled()
            return label

    label = asyncio.run(asyncio.wait_for(whole(), 120))
    for kind in (("ps", "--all"), ("network", "ls")):
        assert not engine.run(*kind, "--quiet", f"--filter=label={label}")


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_what_holds_a_network_is_a_whole_program(architecture: str) -> None:
    program = pause_program(architecture)
    entry, length = int.from_bytes(program[24:32], "little"), int.from_bytes(program[96:104], "little")
    assert program[:4] == b"\x7fELF"
    assert (entry - 0x400000, length) == (120, len(program))
