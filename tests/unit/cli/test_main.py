"""The ``nova`` command as a user meets it: exit codes, one line for each fault, no traceback, a quick start."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from helpers.exhaustive import one_of_each
from nova_infra.cli import main as cli

ROOT = Path(__file__).parents[3]


@pytest.mark.exhaustive("test_an_interruption_has_exit_code_130_and_one_line")
def test_the_image_tag_of_a_service_is_printed_alone(example: Path) -> None:
    command = [sys.executable, "-c", "from nova_infra.cli.main import main; main()", "image", "tag", "carts-service"]
    result = subprocess.run(command, cwd=example, check=False, capture_output=True, text=True)
    assert (result.returncode, len(result.stdout.strip())) == (0, 64)


@pytest.mark.exhaustive("test_an_unknown_service_is_refused_in_one_line_that_names_the_known_ones")
def test_without_a_service_every_image_tag_is_printed(nova: Any) -> None:
    tag = nova("image", "tag", "store-service").stdout.strip()
    assert ["store-service", tag] in [line.split() for line in nova("image", "tag").stdout.splitlines()]


@pytest.mark.parametrize("arguments", [("image", "tag", "radio-service"), ("image", "build", "radio-service")])
def test_an_unknown_service_is_refused_in_one_line_that_names_the_known_ones(
    nova: Any, arguments: tuple[str, ...]
) -> None:
    result = nova(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert "'radio-service'" in line
    assert "carts-service" in line


def test_outside_a_project_the_message_says_where_to_run_it(nova: Any, tmp_path: Path) -> None:
    result = nova("image", "tag", "carts-service", directory=tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"nova.toml: not found in {tmp_path}: run the command in the project's directory"
    ]


@pytest.mark.parametrize("group", [(), ("image",), ("service",)])
def test_the_list_of_commands_says_what_each_does_in_a_whole_sentence(group: tuple[str, ...]) -> None:
    listed = CliRunner().invoke(cli.nova, [*group, "--help"], terminal_width=80).output.partition("Commands:")[2]
    assert [line for line in listed.strip().splitlines() if not line.endswith(".") or line.endswith("...")] == []


def test_wrong_usage_has_exit_code_2(nova: Any) -> None:
    assert nova("image", "build").returncode == 2
    assert nova("no-such-command").returncode == 2


@pytest.mark.parametrize(
    "module", one_of_each(["nova_infra.cli.main", "nova_infra.rehearsal.run", "nova_infra.images.build"])
)
def test_neither_the_command_nor_its_tools_import_cdk(module: str) -> None:
    program = f"import sys, {module}; print('aws_cdk' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"


def test_the_command_starts_without_the_libraries_that_take_long_to_import() -> None:
    slow = {"aiohttp", "boto3", "psutil", "pydantic", "rich", "subprocess"}
    program = f"import sys, nova_infra.cli.main; print(sorted({slow} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_an_interruption_has_exit_code_130_and_one_line() -> None:
    program = "import nova_infra.cli.main as c\n@c.nova.command()\ndef stop():\n    raise KeyboardInterrupt\nc.main()"
    result = subprocess.run([sys.executable, "-c", program, "stop"], check=False, capture_output=True, text=True)
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1] == "interrupted: everything that was started has been stopped"


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", one_of_each(PAGES), ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    # Code is between backticks, or begins a line of a block.
    for words in re.findall(r"(?:`|^    |^\$ )((?:nova|make) [^`\n#]+)", text, re.MULTILINE):
        tool, *rest = words.split()
        if tool == "make":
            assert rest[0] in targets, words
            continue
        command: click.Command = cli.nova
        while isinstance(command, click.Group) and rest and not rest[0].startswith("…"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        rest = rest[: rest.index("--")] if "--" in rest else rest  # what follows is another program's
        assert {word.strip("[].,") for word in rest if word.strip("[").startswith("--")} <= known, words


@pytest.mark.exhaustive("test_an_interruption_has_exit_code_130_and_one_line")
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(example: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [str(Path(sys.executable).with_name("nova")), "config", "check"]
        ended = subprocess.run(command, cwd=example, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_output_that_nobody_reads_ends_no_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "from nova_infra.cli.output import notify\nfor _ in range(3): notify('a line')\nimport sys\nsys.exit(7)"
    try:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (7, "")
