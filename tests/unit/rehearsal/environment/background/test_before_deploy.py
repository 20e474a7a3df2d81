"""Commands that run before a service takes a new image: failures deploy nothing, and each runs once for an image."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.clock import Clock, Pace
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.environment.background import before_deploy
from nova_infra.rehearsal.environment.background.before_deploy import PlayedBeforeDeploy
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.slowness import Waits
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

DEFINITION = TaskDefinition(
    revision="shop:1",
    image="example/shop:1",
    command=(sys.executable, "-c", "raise SystemExit('the service itself was run')"),
    environment={"WORD": "migrated"},
    port=8080,
    health_check=None,
    stop_timeout=2,
    memory=512,
)


class Project:
    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.told: list[str] = []
        runtime = SourceRuntime()
        runtime.pace = Pace(timeouts=400)  # of no account to a command, whose seconds are real ones
        self.waits = Waits()
        self.before = PlayedBeforeDeploy(runtime, self.told.append, self.waits)

    def run(self, code: str, key: str = "first", family: str = "shop", fault: str = "", **others: str) -> None:
        command = [sys.executable, "-c", code]
        properties = {"Cluster": "live", "Family": family, "Container": "app", "Command": command, "Key": key, **others}
        template: dict[str, Any] = {
            "Resources": {
                "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "shop"}},
                "Run": {"Type": "Custom::NovaBeforeDeploy", "Properties": properties},
            }
        }
        stack = PlayedStack("shop", template, exports={}, revisions={"Definition": "shop/Definition:1"})
        asyncio.run(
            self.before.run(stack, {"shop/Definition:1": replace(DEFINITION, fault=fault)}.__getitem__, self.path)
        )

    def writes(self, name: str) -> str:
        return f"import os; open({str(self.path / name)!r}, 'a').write(os.environ['WORD'])"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_it_runs_in_the_new_definition_once_for_each_image(project: Project) -> None:
    for key in ("first", "first", "second", "first"):
        project.run(project.writes("ran"), key)
    assert (project.path / "ran").read_text() == "migrated" * 2
    assert project.told == ["shop: before_deploy has run in shop:1"] * 2


@pytest.mark.exhaustive("test_a_jobs_own_setting_is_named")
def test_a_failed_command_is_reported_with_its_last_output_and_runs_again_next_time(project: Project) -> None:
    with pytest.raises(DeploymentFailedError, match=r"shop: before_deploy exited with 3: no table"):
        project.run("print('no table'); raise SystemExit(3)")
    project.run(project.writes("ran"))
    assert (project.path / "ran").exists()


def test_a_jobs_own_setting_is_named(project: Project) -> None:
    with pytest.raises(DeploymentFailedError, match=r"shop: run_before_promotion exited with 4: no orders"):
        project.run("print('no orders'); raise SystemExit(4)", Setting="run_before_promotion")


def test_users_whom_its_lock_keeps_waiting_are_noted(
    environment_template: Callable[..., Any], sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    record, table = Record("pipe", "two", "one", []), sources / "table"
    table.touch()
    # The migration's own duration: users have to wait for several seconds, and nothing tells a program when they do.
    locks = f"import fcntl, time; f = open({str(table)!r}); fcntl.flock(f, fcntl.LOCK_EX); time.sleep(3.5)"
    command = {"Cluster": "prod", "Container": "app", "Command": [sys.executable, "-c", locks]}
    properties = {**command, "Family": "prod-tiny", "Key": "two"}
    before, after = (environment_template("prod", fault=f"lock:{table}") for _ in range(2))
    after["Resources"]["Run"] = {"Type": "Custom::NovaBeforeDeploy", "Properties": properties}

    async def play() -> None:
        runtime, clock = SourceRuntime(), Clock(seconds_per_minute=0.1)
        async with PlayedEnvironment("Prod", record=record, tell=print, runtime=runtime, clock=clock) as environment:
            await environment.deploy("prod", before, sources=sources, baseline=True)
            await environment.get_to_know_services()
            environment.let_time_pass()
            await environment.deploy("prod", after, sources=sources)

    asyncio.run(asyncio.wait_for(play(), 60))
    [said] = record.waits["Prod"]
    assert said.startswith("while before_deploy of prod-tiny ran, prod-tiny:1 took ")
    assert said.endswith(" ms before), as if the command locked a table")


def test_a_command_that_hangs_is_ended(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_deploy, "LIMIT_SECONDS", 2)
    with pytest.raises(DeploymentFailedError, match="shop: before_deploy failed: it did not end within 2 s: waiting"):
        project.run("import time; print('waiting', flush=True); time.sleep(600)")


def test_a_slow_command_has_the_minutes_that_it_has_in_aws(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert before_deploy.LIMIT_SECONDS == 15 * 60 - 45
    monkeypatch.setattr(before_deploy, "TOLD_SECONDS", 0.0)
    project.run("pass")  # starting Python takes longer than that
    assert project.told == [
        "shop: before_deploy still runs: it has 14 minutes, as in AWS",
        "shop: before_deploy has run in shop:1",
    ]


def test_a_job_has_no_longer_than_its_own_limit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_deploy, "TOLD_SECONDS", 0.0)
    said = r"shop: run_before_promotion failed: it did not end within 3 s \(timeout_seconds\): waiting"
    sleeps = "import time; print('waiting', flush=True); time.sleep(600)"
    with pytest.raises(DeploymentFailedError, match=said):
        project.run(sleeps, Seconds="3", Setting="run_before_promotion")
    assert project.told == ["shop: run_before_promotion still runs: it has 3 s, as in AWS"]


@pytest.mark.exhaustive("test_a_jobs_own_setting_is_named")
def test_a_program_that_is_not_there_fails(project: Project) -> None:
    before = project.run
    with pytest.raises(DeploymentFailedError, match="before_deploy"):
        before("import a_module_that_nobody_has")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("command-fails", "shop: before_deploy failed: CannotStartContainerError: /no-such-program: No such file"),
        ("command-hangs", "shop: before_deploy failed: it did not end within 14 minutes: no output"),
    ],
)
def test_a_drill_lets_it_fail_or_hang_and_it_runs_in_the_next_release(project: Project, fault: str, said: str) -> None:
    with pytest.raises(DeploymentFailedError, match=said):
        project.run(project.writes("ran"), fault=fault)
    assert not (project.path / "ran").exists()
    project.run(project.writes("ran"), fault="errors:0.8")
    assert (project.path / "ran").exists(), "another fault is none of the command's"
