"""The commands as an operator runs them, somewhere without a project, AWS over HTTP."""

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.records.holds import read_holds


@pytest.fixture
def served(served: Any) -> Any:
    """Production at release 2, which brought one service a new image, over HTTP."""
    served.release(2, "carts-service")
    return served


@pytest.fixture
def run(nova: Any, tmp_path: Path) -> Any:
    """Runs the command somewhere without a project: run("rollback", "prod", …, VARIABLE=…)."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "AWS_REGION": "us-east-1", **environment}
        ended: subprocess.CompletedProcess[str] = nova(*arguments, directory=tmp_path, variables=variables)
        return ended

    return run


def test_an_operator_rolls_back_from_anywhere(served: Any, run: Any) -> None:
    listed = run("releases", "prod")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0].startswith("020202020202  ")
    assert "carts-service" in listed.stdout.splitlines()[0]

    planned = run("rollback", "prod", "--plan")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "carts-service: v2 (sha256:" in planned.stdout
    assert "Modify AWS::ECS::TaskDefinition" in planned.stdout
    assert served.image_tag("carts-service") == "v2"
    as_json = run("rollback", "prod", "--plan", "--format", "json")
    assert "Roll prod back to 010101010101" in json.loads(as_json.stdout)["title"]

    # This implementation runs no tasks, which the verification at the end must not overlook.
    done = run("rollback", "prod", "--yes", "--why", "users hear noise", "--wait", "0")
    assert done.returncode == 1
    assert "carts-service: is scaled to zero" in done.stderr
    assert served.image_tag("carts-service") == "v1"
    assert [(held.release, held.why) for held in read_holds(served.environment)] == [
        (served.commit(2), "users hear noise")
    ]
    assert served.ledger()[0].outcome == "deployed"

    again = run("rollback", "prod", "--yes", "--to", served.commit(2), "--wait", "0")
    assert again.returncode == 1
    assert served.image_tag("carts-service") == "v2"


REFUSED = {
    "rollback prod": "rollback: there is no terminal to ask on: check with --plan, then add --yes",
    "rollback qa --yes": "environment: 'qa' is not deployed in this account and region",
    "rollback prod --yes --to deadbeef": "release: 'deadbeef' was never released here",
    "rollback prod --yes --service billing": "service: 'billing' is not one of carts-service",
    "rollback prod --yes --to 0202": "release: prod already runs the images of 020202020202",
    "verify prod --release deadbeef": "release: 'deadbeef' was never released here",
    "release-hold prod 0101 --why x": "release: '0101' is not on hold in prod: nothing is on hold",
    "hold prod no/commit --why x": "release: 'no/commit' is not the name of a release",
}


def test_what_is_refused_is_one_line_and_exit_code_2(served: Any, run: Any) -> None:
    for arguments, fault in REFUSED.items():
        result = run(*arguments.split())
        assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), arguments
        assert result.stderr.startswith(fault), arguments
    assert served.image_tag("carts-service") == "v2"


def test_a_check_that_fails_has_exit_code_1_and_a_line_for_each_fault(served: Any, run: Any) -> None:
    result = run("verify", "prod")
    assert result.returncode == 1
    assert "carts-service: is scaled to zero: no tasks are meant to run" in result.stderr
    assert "store-service: is scaled to zero" in result.stderr


@pytest.mark.exhaustive("test_an_operator_rolls_back_from_anywhere")
def test_a_release_is_held_and_let_go(served: Any, run: Any) -> None:
    assert run("hold", "prod", served.commit(2), "--why", "noise").returncode == 0
    assert "verified, on hold" in run("releases", "prod").stdout
    released = run("release-hold", "prod", "0202", "--why", "mended")
    assert (released.returncode, released.stderr) == (0, "")
    assert read_holds(served.environment) == ()


NOVA = [sys.executable, "-c", "from nova_infra.cli.main import main; main()"]


@contextlib.contextmanager
def on_a_terminal(directory: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int, bytes]]:
    """The command on a terminal, when it has asked its question: the process, the terminal's end, what it said."""
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [*NOVA, *arguments],
        cwd=directory,
        env={**os.environ, "AWS_REGION": "us-east-1"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    said = b""
    try:
        while b"Type prod to roll it back: " not in said:
            said += os.read(outside, 65536)
        yield process, outside, said
    finally:
        with contextlib.suppress(OSError):
            os.close(outside)
        process.kill()
        process.wait()


def rest(outside: int) -> bytes:
    """All that the command still says."""
    said = b""
    with contextlib.suppress(OSError):
        while part := os.read(outside, 65536):
            said += part
    return said


@pytest.mark.parametrize(("answer", "code"), one_of_each([("yes", 2), ("prod", 1), ("\x04", 2), ("\x03", 130)]))
def test_a_rollback_wants_the_environment_s_name_typed(served: Any, tmp_path: Path, answer: str, code: int) -> None:
    with on_a_terminal(tmp_path, "rollback", "prod", "--wait", "0") as (process, outside, _):
        if answer == "\x03":
            os.killpg(process.pid, signal.SIGINT)
        else:
            os.write(outside, f"{answer}\n".encode())
        said = rest(outside)
        assert process.wait() == code, said
    assert served.image_tag("carts-service") == ("v1" if answer == "prod" else "v2")
    if answer != "prod":
        assert len(said.replace(answer.encode(), b"").splitlines()) <= 3, "the answer, and one line"
        assert read_holds(served.environment) == ()
        assert not left_over(served)


def left_over(deployment: Any) -> list[str]:
    """The names of change sets that are ready and were not executed."""
    stacks = ("nova-prod-carts-service", "nova-prod-store-service")
    return [name for stack in stacks for name in deployment.environment.change_set_names(stack)]


@pytest.mark.exhaustive("test_an_operator_rolls_back_from_anywhere")
def test_a_terminal_that_goes_away_is_no_confirmation(served: Any, tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, "rollback", "prod", "--wait", "0") as (process, outside, _):
        os.close(outside)
        assert process.wait() == 2
    assert served.image_tag("carts-service") == "v2"
    assert not left_over(served)


@pytest.mark.exhaustive("test_an_operator_rolls_back_from_anywhere")
def test_what_a_killed_one_left_goes_with_the_next(served: Any, run: Any, tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, "rollback", "prod", "--wait", "0") as (process, _, _):
        process.kill()
        process.wait()
    [stray] = left_over(served)
    done = run("rollback", "prod", "--yes", "--wait", "0")
    assert f"deleted the change set {stray}, left by a rollback that was killed" in done.stdout
    assert not left_over(served)
    assert served.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("test_an_operator_rolls_back_from_anywhere")
@pytest.mark.parametrize("closed", one_of_each(["<&-", "</dev/null", "<&- >&-", "<&- >&- 2>&-"]))
def test_without_a_terminal_nothing_is_asked(served: Any, tmp_path: Path, closed: str) -> None:
    command = f"{shlex.join(NOVA)} rollback prod {closed}"
    variables = {**os.environ, "AWS_REGION": "us-east-1"}
    ended = subprocess.run(
        command, cwd=tmp_path, env=variables, shell=True, check=False, capture_output=True, text=True
    )
    said = [] if "2>&-" in closed else ["rollback: there is no terminal to ask on: check with --plan, then add --yes"]
    assert (ended.returncode, ended.stderr.splitlines()) == (2, said)
    assert not left_over(served)


@pytest.mark.exhaustive("cli/test_main.py::test_an_interruption_has_exit_code_130_and_one_line")
@pytest.mark.parametrize("command", one_of_each(["status prod", "releases prod"]))
def test_a_reader_who_has_gone_ends_a_listing_without_a_word(served: Any, tmp_path: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*NOVA, *command.split()],
            cwd=tmp_path,
            env={**os.environ, "AWS_REGION": "us-east-1"},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


EVERYTHING = """
status prod
status prod --json
releases prod
verify prod
hold prod 3f2a91c00000 --why x
release-hold prod 3f2a91c00000 --why x
accept-red prod 3f2a91c00000 --why x
rollback prod --plan
rollback prod --yes
rollback prod --yes --cancel
explain prod
logs carts-service prod
tasks carts-service prod
run carts-service prod -- x
scale carts-service prod --min 3 --why x
scale carts-service prod --end --why x
open prod
""".strip().splitlines()


def ask_everything(run: Any, subtests: Any, said: str, **variables: str) -> None:
    for line in EVERYTHING:
        with subtests.test(line):
            ended = run(*line.split(), **variables)
            assert (ended.returncode, ended.stdout) == (2, "")
            [fault] = ended.stderr.splitlines()
            assert fault.startswith(said)


@pytest.mark.exhaustive("test_what_is_refused_is_one_line_and_exit_code_2")
def test_where_nothing_is_deployed_each_command_says_so_in_a_line_and_writes_nothing(
    aws: None, run: Any, subtests: pytest.Subtests
) -> None:
    ask_everything(run, subtests, "environment: 'prod' ")
    assert boto3.client("ssm").describe_parameters()["Parameters"] == []
    preflight = run("preflight", "prod")
    assert preflight.stdout == "prod: nothing is deployed there yet: a first deployment may start\n"


@pytest.mark.parametrize("region", one_of_each(["", "moon", "us-east-1 ", "us east 1", "US-EAST-1"]))
def test_each_command_names_an_unknown_region(run: Any, tmp_path: Path, subtests: pytest.Subtests, region: str) -> None:
    (tmp_path / "nova.toml").write_text(
        f'[[environments]]\nname = "prod"\naccount = "111111111111"\nregion = "{region}"\n'
    )
    ask_everything(run, subtests, f"region: {region!r} is not the name of an AWS region: write one such as us-east-1")


def test_aws_out_of_reach_is_one_line_and_exit_code_3(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    result = run(
        "releases",
        "prod",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_MAX_ATTEMPTS="1",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="x",
    )
    assert result.returncode == 3
    assert "check the network and the credentials, then run the same command" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_region_has_to_come_from_somewhere(run: Any) -> None:
    result = run("releases", "prod", AWS_REGION="", AWS_DEFAULT_REGION="")
    assert result.returncode == 2
    assert result.stderr.startswith("region: not given: pass --region, set AWS_REGION, or run the command where nova")
