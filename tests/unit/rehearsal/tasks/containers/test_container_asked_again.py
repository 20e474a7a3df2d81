"""What an engine is asked again, because it cannot always do it: no engine runs here."""

import asyncio

import pytest

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.tasks.containers import container
from nova_infra.rehearsal.tasks.containers.container import ContainerTask
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition


@pytest.mark.parametrize(
    ("command", "said", "succeeds"),
    [
        ("pause", 'Error: "0f3a" is already paused: container state improper', True),
        ("pause", "Error response from daemon: Container 0f3a is already paused", True),
        ("unpause", 'Error: "0f3a" is not paused, can\'t unpause: container state improper', True),
        ("unpause", "Error response from daemon: Container 0f3a is not paused", True),
        ("unpause", "Error response from daemon: Container 0f3a is already paused", False),
        ("update", "Error response from daemon: Container 0f3a is already paused", False),
    ],
)
def test_what_a_try_that_failed_has_done_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, command: str, said: str, succeeds: bool
) -> None:
    answers = iter(["runc did not complete successfully: exit status 1", *[said] * 99])

    async def attempt(*_: object, **__: object) -> tuple[int, str, str]:
        return 125, "", next(answers)

    async def ask_for_it() -> None:
        definition = TaskDefinition("shop:1", "shop:7", (), {}, 3000, None, stop_timeout=2.0, memory=512)
        image, network = EngineImage("shop:7", "amd64", (), "SIGTERM", ()), ContainerNetwork("n1", None)
        task = ContainerTask(
            definition, asyncio.Semaphore(1), 9.0, Engine("podman", "amd64"), image, network, "n1-2", "l=3", ""
        )
        task.pid = 1  # it runs
        await task.insist(command, otherwise="play it again")

    monkeypatch.setattr(Engine, "attempt", attempt)
    monkeypatch.setattr(container, "GONE_SECONDS", 0.01)
    if succeeds:
        asyncio.run(ask_for_it())
    else:
        with pytest.raises(EngineError, match="play it again"):
            asyncio.run(ask_for_it())
