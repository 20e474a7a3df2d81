"""A service without a shell, in an image from scratch, run by this machine's engine."""

import asyncio
import shutil
import subprocess
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.engines import engine_or_skip, limits_of
from nova_infra.containers.engine import Engine
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime
from nova_infra.rehearsal.tasks.task import Task, TaskFailedError

SERVER = Path(__file__).with_name("server.c")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """This machine's engine."""
    return engine_or_skip()


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that holds one static program and nothing else."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler to make a static program with")
    context = tmp_path_factory.mktemp("scratch")
    made = subprocess.run(
        ["cc", "-O1", "-static", "-w", "-o", context / "server", SERVER], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("the C compiler makes no static programs")
    (context / "tmp").mkdir()
    (context / "Dockerfile").write_text(
        "FROM scratch\nCOPY server /server\nCOPY --chown=10001:10001 tmp /tmp\n"
        'USER 10001\nVOLUME ["/tmp"]\nENTRYPOINT ["/server"]\n'
    )
    name = f"localhost/nova-test/scratch:{uuid.uuid4().hex[:16]}"
    host = [] if engine.is_docker else ["--network=host"]
    engine.run("build", *host, "--tag", name, str(context))
    yield name
    engine.run("rmi", "--force", name)


@pytest.fixture
def define(image: str) -> Callable[..., TaskDefinition]:
    """Makes task definitions of the image."""

    def make(behaviour: str = "", **other: Any) -> TaskDefinition:
        base = TaskDefinition(
            revision="tiny:1",
            image=image,
            command=(),
            environment={"FAULT": behaviour, "PORT": "3000"},
            port=3000,
            health_check=None,
            stop_timeout=2,
            memory=64,
            cpu=256,
            read_only_root=True,
            mounts=("/tmp",),
        )
        return replace(base, **other)

    return make


Play = Callable[[Task], Awaitable[None]]


@pytest.fixture(scope="module")
def rehearsal(engine: Engine) -> Iterator[tuple[asyncio.Runner, ImageRuntime]]:
    """One rehearsal for all tests of a module: to begin and end one takes as long as to start a task."""
    with asyncio.Runner() as runner:
        runtime = ImageRuntime(engine, limits=limits_of(engine))
        runner.run(runtime.__aenter__())
        assert runtime.place is not None
        label = runtime.place.label
        yield runner, runtime
        runner.run(runtime.__aexit__(None, None, None))
    for kind in (("ps", "--all"), ("network", "ls")):
        assert not engine.run(*kind, "--quiet", f"--filter=label={label}"), "nothing is left behind"


@pytest.fixture
def run(rehearsal: tuple[asyncio.Runner, ImageRuntime]) -> Callable[..., tuple[Task | None, str]]:
    """Starts a task in a container, plays with it, stops it, and says how it failed, if it did."""
    runner, runtime = rehearsal
    runtime.gaps = {}

    def start(definition: TaskDefinition, play: Play | None = None, *, patience: float = 60) -> tuple[Task | None, str]:
        async def whole() -> tuple[Task | None, str]:
            await runtime.prepare(definition, 1)
            task, fault = None, ""
            try:
                task = runtime.task(definition, Path("/"), patience)
                await task.start()
                if play is not None:
                    await play(task)
            except TaskFailedError as error:
                fault = str(error)
            finally:
                if task is not None:
                    await task.stop()
                    await task.stop()
                    assert not task.running
            return task, fault

        return runner.run(asyncio.wait_for(whole(), 120))

    return start
