"""A shell in a task: the API opens the session over HTTP; AWS's plugin is a script that notes its arguments."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.deployed_environment import PREFIX, Deployment
from helpers.local_aws import STOPPING, LocalAws, allow_exec, keep_running, one_off_tasks

CARTS = "carts-service"


@pytest.fixture
def opened(nova: Any, served: Deployment, tmp_path: Path) -> Callable[..., tuple[Any, list[str]]]:
    """Runs `nova exec carts-service prod …`: what came of it, and the arguments that the plugin got."""
    plugin = tmp_path / "bin" / "session-manager-plugin"
    plugin.parent.mkdir()
    plugin.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/arguments\nexit 5\n")
    plugin.chmod(0o755)

    def run(*arguments: str) -> tuple[Any, list[str]]:
        noted = tmp_path / "arguments"
        noted.unlink(missing_ok=True)
        variables = {**os.environ, "AWS_REGION": "us-east-1", "PATH": f"{plugin.parent}:{os.environ['PATH']}"}
        done = nova("exec", CARTS, "prod", *arguments, directory=tmp_path, variables=variables)
        return done, noted.read_text().splitlines() if noted.exists() else []

    return run


@pytest.fixture
def tasks(served: Deployment) -> list[str]:
    """The ids of two tasks that run, where shells are allowed."""
    allow_exec(f"{PREFIX}-{CARTS}")
    started = [served.environment.start_task(CARTS, ["x"]) for _ in range(2)]
    keep_running()
    return [task.arn.rpartition("/")[2] for task in started]


def test_the_plugin_gets_the_session_and_its_exit_code_is_the_command_s(
    opened: Callable[..., tuple[Any, list[str]]], tasks: list[str], local_aws: LocalAws
) -> None:
    done, (session, region, action, profile, target) = opened("--task", tasks[1][:13], "--command", "/bin/bash")
    assert (done.returncode, done.stderr) == (5, "")
    asked = local_aws.requests["ExecuteCommand"]
    assert (asked["cluster"], asked["container"], asked["command"], asked["interactive"]) == (
        PREFIX,
        "app",
        "/bin/bash",
        True,
    )
    assert asked["task"].endswith(f"/{tasks[1]}")
    assert json.loads(session) == {
        "sessionId": "ecs-execute-command-1",
        "streamUrl": "wss://ssm.test/1",
        "tokenValue": "opens once",
    }
    assert (region, action, profile) == ("us-east-1", "StartSession", "")
    assert json.loads(target)["Target"].startswith(f"ecs:{PREFIX}_{tasks[1]}_")


@pytest.mark.exhaustive("test_the_plugin_gets_the_session_and_its_exit_code_is_the_command_s")
def test_what_stops_it_is_one_line_and_starts_no_plugin(
    opened: Callable[..., tuple[Any, list[str]]], tasks: list[str], local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    for name, (faults, said) in STOPPING.items():
        with subtests.test(name):
            local_aws.faults = {"ExecuteCommand": list(faults)}
            done, arguments = opened()
            assert (done.returncode, arguments) == (2 if name == "denied" else 3, [])
            [line] = done.stderr.splitlines()
            assert said in line


@pytest.mark.exhaustive("test_the_plugin_gets_the_session_and_its_exit_code_is_the_command_s")
def test_a_task_that_does_not_run_is_refused(
    opened: Callable[..., tuple[Any, list[str]]], tasks: list[str], local_aws: LocalAws
) -> None:
    for task in one_off_tasks():
        task.desired_status = task.last_status = "STOPPED"
    done, arguments = opened()
    assert (done.returncode, arguments) == (2, [])
    assert done.stderr == f"{CARTS}: no task of it runs: running are none\n"
    assert "ExecuteCommand" not in local_aws.calls


@pytest.mark.exhaustive("test_the_plugin_gets_the_session_and_its_exit_code_is_the_command_s")
def test_where_shells_are_off_it_says_how_to_allow_them(
    opened: Callable[..., tuple[Any, list[str]]], served: Deployment
) -> None:
    served.environment.start_task(CARTS, ["x"])
    keep_running()
    done, arguments = opened()
    assert (done.returncode, arguments) == (2, [])
    assert done.stderr.startswith("exec: is off in prod: set exec = true for it in nova.toml")
