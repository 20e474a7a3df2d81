"""Options that do not go together are refused before AWS is asked."""

from click.testing import CliRunner

from nova_infra.cli.main import nova


def test_a_suite_is_run_for_some_service() -> None:
    refused = CliRunner().invoke(nova, ["gate", "prod", "--run", "true"])
    assert str(refused.exception).startswith("service: not given: name the services that wait for the suite")


def test_only_a_plan_has_a_format() -> None:
    refused = CliRunner().invoke(nova, ["rollback", "prod", "--yes", "--format", "json"])
    assert str(refused.exception) == "--format: applies only to a plan: add --plan, or leave it out"
