"""What the steering commands say without AWS: options that do not go together, and an interrupted watch."""

import pytest
from click.testing import CliRunner

from nova_infra.cli.main import nova


def test_a_suite_is_run_for_some_service() -> None:
    refused = CliRunner().invoke(nova, ["gate", "prod", "--run", "true"])
    assert str(refused.exception).startswith("service: not given: name the services that wait for the suite")


def test_only_a_plan_has_a_format() -> None:
    refused = CliRunner().invoke(nova, ["rollback", "prod", "--yes", "--format", "json"])
    assert str(refused.exception) == "--format: applies only to a plan: add --plan, or leave it out"


def test_an_interrupted_watch_says_that_the_deployments_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nova_infra.deployed.connect.connect_followed", lambda *_, **__: None)
    monkeypatch.setattr("nova_infra.operations.rollout.watch.watch", interrupted)
    stopped = CliRunner().invoke(nova, ["watch", "prod"], standalone_mode=False).exception
    assert getattr(stopped, "exit_code", None) == 130
    assert str(stopped) == "interrupted: the deployments in prod go on: `nova watch prod` shows them again"
