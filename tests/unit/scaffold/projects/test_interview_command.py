"""``nova init`` as it is typed: what it asks, what it refuses, what it says at the end."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.exhaustive import one_of_each
from nova_infra.cli.main import nova as command
from nova_infra.config import load_config
from nova_infra.operations.doctor.first import left_to_fill_in
from nova_infra.scaffold.projects import interview as interviewing


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "made" / "of it"


@pytest.mark.exhaustive("test_with_every_option_nothing_is_asked_and_the_next_steps_are_reported")
@pytest.mark.own_project  # it is what the project is made from
def test_each_question_is_asked_until_its_answer_can_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interviewing, "has_terminal", lambda: True)
    lines = [
        "Acme!",
        "acme",
        "shop",
        "acme-corp/shop",
        "mars",
        "eu-west-1",
        "12",
        "900000000001",
        "",
        "",
        "",
        "json",
        "a, b",
    ]
    given = ["--engine", "github-actions"]
    result = CliRunner().invoke(command, ["init", str(tmp_path / "new"), *given], input="\n".join(lines) + "\n")
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "new")
    assert (config.platform.name, config.source.repository) == ("acme", "acme-corp/shop")
    assert (config.toolchain.account, config.toolchain.region) == ("900000000001", "eu-west-1")
    assert [service.name for service in config.services] == ["a", "b"]
    for complaint in ("is not a name", "is not a repository", "is not an AWS region", "is not an AWS account"):
        assert complaint in result.output
    assert "What delivers" not in result.output
    marked = [each.what for each in left_to_fill_in((tmp_path / "new" / "nova.toml").read_text())]
    assert sum("placeholder" in each for each in marked) == 3, "the accounts that nobody gave"
    assert "`.venv/bin/nova doctor` lists it" in result.output


ALL = {
    "--name": "acme",
    "--repository": "a/b",
    "--region": "eu-west-1",
    "--account": "900000000001",
    "--engine": "codepipeline",
    "--service": "billing",
}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    one_of_each(
        [
            ({"--name": "Acme"}, "--name 'Acme' is not a name"),
            ({"--name": "aws"}, "--name 'aws' is a prefix that AWS reserves"),
            ({"--repository": "b"}, "--repository 'b' is not a repository"),
            ({"--region": "mars"}, "--region 'mars' is not an AWS region"),
            ({"--region": "dev=mars"}, "--region 'mars' is not an AWS region"),
            ({"--account": "123"}, "--account '123' is not an AWS account: give its 12 digits"),
            ({"--account": "１２３４５６７８９０１２"}, "is not an AWS account"),
            ({"--account": "qa=900000000001"}, "'qa' is not one of toolchain, dev, staging, prod"),
            (
                {"--engine": "jenkins"},
                "--engine 'jenkins' is not a delivery engine: choose codepipeline or github-actions",
            ),
            ({"--service": "kit"}, "--service 'kit' is reserved by the platform"),
            ({"--service": "json"}, "--service 'json' is also a Python module"),
            ({"--service": "a a"}, "--service 'a' is named twice"),
            *[
                ({option: ""}, f"{option} '' is not")
                for option in ("--name", "--repository", "--engine", "--region", "--account")
            ],
            ({"--service": ""}, "--service '' names none"),
            ({"--service": "smoke"}, "--service 'smoke' is reserved by the platform"),
            (
                {"--service": "cache-pay search-carts"},
                "--service search-carts: 34960 is also the priority of cache-pay: ",
            ),
            ({"--service": " ".join(f"s{n}" for n in range(51))}, "--service: has 51 entries"),
            (
                {"--region": "us-gov-west-1"},
                "nor has another one of aws-us-gov: start again with --engine github-actions",
            ),
            ({"--account": "=900000000001"}, "--account =900000000001: '' is not one of toolchain"),
            ({"--repository": "a/b.git"}, "--repository 'a/b.git' is not a repository: write owner/name"),
            ({"--repository": "git@github.com:a/b"}, "--repository 'git@github.com:a/b' is not a repository"),
            ({"--name": None}, "--name: not given, and there is no terminal to ask on"),
        ]
    ),
)
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(
    target: Path,
    nova: Callable[..., subprocess.CompletedProcess[str]],
    changed: Mapping[str, str | None],
    complaint: str,
) -> None:
    options = [word for option, value in {**ALL, **changed}.items() if value is not None for word in (option, value)]
    refused = nova("init", str(target), *options)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert complaint in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not target.parent.exists()


@pytest.mark.own_project  # it is what the project is made from
def test_with_every_option_nothing_is_asked_and_the_next_steps_are_reported(
    target: Path, nova: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = nova("init", str(target), *(word for pair in ALL.items() for word in pair))
    assert (made.returncode, made.stderr) == (0, "")
    steps = [line.strip() for line in made.stdout.splitlines()]
    assert {"make test", "make rehearse"} <= set(steps)
    assert any(line.startswith("cd '") for line in steps), "its path has a space"
    assert "placeholder" not in (target / "nova.toml").read_text()
    assert "@a/platform" in made.stdout
