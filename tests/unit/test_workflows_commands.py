"""What the workflows call exists: targets of the Makefile, commands and their options."""

import re
from collections.abc import Iterator

import click
import pytest

from helpers.workflow_steps import commands, steps
from helpers.workflows import (
    ROOT,
)
from nova_infra.cli.main import nova


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [
        (place, word) for place, line in commands() for word in re.findall(r"\bmake (?:-C \S+ )?([a-z0-9-]+)", line)
    ]
    assert len(called) > 8
    assert [(place, target) for place, target in called if target not in targets] == []


def nova_calls() -> Iterator[tuple[str, str]]:
    for place, line in commands():
        for call in re.findall(r"\bnova ([^|>)\n]+)", line):
            yield place, call.strip()


def test_every_nova_command_and_option_exists() -> None:
    calls = list(nova_calls())
    assert len(calls) > 7
    for place, call in calls:
        command: click.Command = nova
        words = re.sub(r"\$\{\w+:\+(.*?)\}", r"\1", call).split()
        while isinstance(command, click.Group):
            assert words[0] in command.commands, (place, call)
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, (place, call)


@pytest.mark.parametrize("option", ["--plan", "--yes"])
def test_what_the_rollback_may_be_told_exists(option: str) -> None:
    [variables] = [step["env"] for _, _, step in steps() if "nova rollback" in step.get("run", "")]
    assert f"'{option}'" in variables["MODE"]
    assert option in {opt for parameter in nova.commands["rollback"].params for opt in parameter.opts}
