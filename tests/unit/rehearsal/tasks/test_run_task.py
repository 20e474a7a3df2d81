"""What a command that ran once has said."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.process import ProcessTask
from nova_infra.rehearsal.tasks.run_task import run_once

SHOP = TaskDefinition("shop:1", "shop:1", (), {}, 0, None, 2, 64)


class Late(ProcessTask):
    """A task whose engine hands its output over only when somebody asks for it."""

    heard: tuple[str, ...] = ()
    exit_code, stopped_because = 3, "it exited with code 3"

    def __init__(self) -> None:
        """Nothing has to be made."""

    async def launch(self) -> None:
        """It has run."""

    async def ended(self) -> None:
        """It has ended."""

    async def hear_out(self) -> None:
        """The engine is busy."""

    async def stop(self) -> None:
        """Nothing runs."""

    @property
    def said(self) -> list[str]:
        return list(self.heard)

    async def said_now(self) -> list[str]:
        return ["column exists already"]


@pytest.mark.parametrize(("heard", "said"), [((), "column exists already"), (("no disk",), "no disk")])
def test_a_command_whose_output_comes_late_is_asked_for_it(heard: tuple[str, ...], said: str) -> None:
    task = Late()
    task.heard = heard
    runtime = cast(Any, SimpleNamespace(task=lambda *_: task))
    ended = asyncio.run(run_once(runtime, SHOP, sources=Path(), seconds=5))
    assert (ended.exit_code, ended.said) == (3, (said,))
