"""The way into an environment's account: by nova.toml and its role, or by the credentials at hand."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nova_infra.deployed.aws.client import session as aws_session
from nova_infra.deployed.aws.client.errors import DeniedError
from nova_infra.deployed.aws.client.session import sign_in
from nova_infra.deployed.connect import (
    REHEARSAL_VARIABLE,
    Whereabouts,
    connect,
    connect_followed,
    connect_gate,
    connect_operated,
    connect_steered,
    connect_to_change,
)
from nova_infra.errors import RefusedError

CONFIG = """
[platform]
name = "acme"
[[environments]]
name = "live"
account = "333333333333"
region = "eu-west-1"
"""


@pytest.fixture
def project(tmp_path: Path) -> Whereabouts:
    (tmp_path / "nova.toml").write_text(CONFIG)
    return Whereabouts(tmp_path)


def identity(environment: Any) -> str:
    found: str = environment.aws.call("sts", "get_caller_identity")["Arn"]
    return found


@pytest.mark.exhaustive("test_a_region_on_the_command_line_turns_the_configuration_off")
def test_with_a_configuration_the_environment_s_role_is_taken(aws: None, project: Whereabouts) -> None:
    for role in ("observer", "release"):
        environment: Any = connect("live", role=role, where=project)
        assert environment.prefix == "acme-live"
        assert environment.aws.region == "eu-west-1"
        assert f":assumed-role/acme-live-{role}/nova-" in identity(environment)


def test_a_region_on_the_command_line_turns_the_configuration_off(aws: None, project: Whereabouts) -> None:
    environment: Any = connect("prod", role="release", where=Whereabouts(project.root, region="us-west-2"))
    assert (environment.prefix, environment.aws.region) == ("nova-prod", "us-west-2")
    assert "assumed-role" not in identity(environment)


def test_an_environment_that_the_configuration_does_not_name_is_refused(project: Whereabouts) -> None:
    with pytest.raises(RefusedError, match="environment: 'qa' is not one of live: choose one of them"):
        connect("qa", role="observer", where=project)


def test_a_broken_configuration_names_the_way_around_it(tmp_path: Path) -> None:
    (tmp_path / "nova.toml").write_text("[[environments")
    with pytest.raises(RefusedError, match="fix it, or run the command elsewhere with --region"):
        connect("live", role="release", where=Whereabouts(tmp_path))


@pytest.mark.parametrize(("own", "enters"), [("333333333333", True), ("999999999999", False)])
def test_who_may_not_take_the_role_enters_its_own_account_only(
    aws: None, monkeypatch: pytest.MonkeyPatch, own: str, enters: bool
) -> None:
    def denied(_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")

    monkeypatch.setattr("botocore.credentials.AssumeRoleCredentialFetcher.fetch_credentials", denied)
    monkeypatch.setattr(aws_session, "whoami", lambda _: (own, "user/alice"))
    if enters:
        assert sign_in(region="eu-west-1", role="nova-prod-release", account="333333333333").region == "eu-west-1"
    else:
        with pytest.raises(DeniedError, match="sts:AssumeRole of arn:aws:iam::333333333333:role/nova-prod-release"):
            sign_in(region="eu-west-1", role="nova-prod-release", account="333333333333")


def test_a_variable_that_is_set_and_empty_is_no_rehearsal(
    aws: None, project: Whereabouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REHEARSAL_VARIABLE, "")
    environments: list[Any] = [
        connect("live", role="observer", where=project),
        *(way("live", where=project) for way in (connect_to_change, connect_operated, connect_followed)),
        *(way("live", where=project) for way in (connect_steered, connect_gate)),
    ]
    assert all(":assumed-role/acme-live-" in identity(each) for each in environments)


def test_nothing_is_changed_in_a_rehearsal(project: Whereabouts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REHEARSAL_VARIABLE, "http://127.0.0.1:1/candidate")
    assert connect("live", role="release", where=project).name == "live", "it records what was released"
    with pytest.raises(RefusedError, match="rollback: is not rehearsed: the rehearsal's drills show"):
        connect_to_change("live", where=project)
    with pytest.raises(RefusedError, match="'live' is a rehearsal's: its report has the logs and tasks"):
        connect_operated("live", where=project)
