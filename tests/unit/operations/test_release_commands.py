"""The commands as an operator runs them, somewhere without a project, AWS over HTTP."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.operations.records.holds import read_holds


@pytest.fixture
def served(local_aws: Any, deploy, monkeypatch: pytest.MonkeyPatch):
    """Production at release 2, which brought one service a new image, over HTTP."""
    local_aws.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    made = deploy()
    made.release(2, "carts-service")
    return made


@pytest.fixture
def run(nova: Any, tmp_path: Path) -> Any:
    """Runs the command somewhere without a project: run("rollback", "prod", …, VARIABLE=…)."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "AWS_REGION": "us-east-1", **environment}
        return nova(*arguments, directory=tmp_path, variables=variables)

    return run


def test_an_operator_rolls_back_from_anywhere(served, run: Any) -> None:
    listed = run("releases", "prod")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0].startswith("020202020202  ")
    assert "carts-service" in listed.stdout.splitlines()[0]

    planned = run("rollback", "prod", "--plan")
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "carts-service: v2 (sha256:" in planned.stdout
    assert "Modify AWS::ECS::TaskDefinition" in planned.stdout
    assert served.image_tag("carts-service") == "v2"

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


def test_what_is_refused_is_one_line_and_exit_code_2(served, run: Any) -> None:
    for arguments, fault in REFUSED.items():
        result = run(*arguments.split())
        assert (result.returncode, len(result.stderr.splitlines())) == (2, 1), arguments
        assert result.stderr.startswith(fault), arguments
    assert served.image_tag("carts-service") == "v2"


def test_a_check_that_fails_has_exit_code_1_and_a_line_for_each_fault(served, run: Any) -> None:
    result = run("verify", "prod")
    assert result.returncode == 1
    assert "carts-service: is scaled to zero: no tasks are meant to run" in result.stderr
    assert "store-service: is scaled to zero" in result.stderr


def test_a_release_is_held_and_let_go(served, run: Any) -> None:
    assert run("hold", "prod", served.commit(2), "--why", "noise").returncode == 0
    assert "verified, on hold" in run("releases", "prod").stdout
    released = run("release-hold", "prod", "0202", "--why", "mended")
    assert (released.returncode, released.stderr) == (0, "")
    assert read_holds(served.environment) == ()


@pytest.mark.parametrize(("answer", "code"), [("prod", 1), ("yes", 2)])
def test_a_rollback_wants_the_environment_s_name_typed(served, tmp_path: Path, answer, code) -> None:
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from nova_infra.cli.main import main; main()", "rollback", "prod", "--wait", "0"],
        cwd=tmp_path,
        env={**os.environ, "AWS_REGION": "us-east-1"},
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.write(outside, f"{answer}\n".encode())
    output, _ = process.communicate(timeout=60)
    os.close(outside)
    os.close(inside)
    assert process.returncode == code, output
    assert served.image_tag("carts-service") == ("v1" if answer == "prod" else "v2")


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
