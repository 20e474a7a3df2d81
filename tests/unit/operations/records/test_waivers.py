"""The recorded way past a preflight that is red for a reason outside the release."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from helpers.deployed_environment import Deployment as Production
from nova_infra.cli.main import nova
from nova_infra.deployed.aws.client.session import whoami
from nova_infra.deployed.model import Alarm, Deployment, RunningService, RunningTask
from nova_infra.deployed.stack import Certificate, Stack
from nova_infra.errors import RefusedError
from nova_infra.operations.gates import preflight
from nova_infra.operations.gates.preflight import Conditions, judge, waivable
from nova_infra.operations.records.holds import Hold, hold
from nova_infra.operations.records.waivers import Waiver, read_waivers, waivable_release, waived

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
FIX, OTHER = "3f2a91c" + "0" * 33, "b" * 40
TASK = RunningTask("audio:1", "RUNNING", True, "x/audio:v1", f"sha256:{'a' * 64}", 1024)
DONE = Deployment("PRIMARY", "COMPLETED", "", "audio:1", None, 2, 2, 0)
MEMORY, ERRORS = "nova-prod-audio-memory", "nova-prod-audio-errors"
AUDIO = RunningService("audio", "nova-prod-audio", "audio:1", 2, 2, (DONE,), (TASK, TASK), (MEMORY, ERRORS))
RED = Conditions(
    services=(AUDIO,),
    stacks=(Stack("nova-prod-audio", "UPDATE_COMPLETE"),),
    alarms=(Alarm(MEMORY, "ALARM", "95 %", None), Alarm(ERRORS, "OK", "fine", None)),
    holds=(),
    certificates=(),
    vcpu_quota=None,
    waivers=(Waiver(FIX, (f"{MEMORY} in ALARM",), "it leaks", "mei", NOW, NOW + timedelta(hours=4)),),
)


def refused(conditions: Conditions, release: str | None = FIX, *, now: datetime = NOW) -> list[str]:
    return [blocker.text for blocker in judge(conditions, release, {}, now=now).refused]


@pytest.mark.parametrize("written", [FIX, FIX[:7], FIX[:12]])
def test_what_is_waived_for_a_release_no_longer_blocks_it(written: str) -> None:
    [given] = RED.waivers
    judged = judge(replace(RED, waivers=(replace(given, release=written),)), FIX, {}, now=NOW)
    assert judged.refused == ()
    [(blocker, waiver)] = judged.waived
    assert (blocker.subject, waiver.by) == (f"{MEMORY} in ALARM", "mei")
    assert "ECS then watches none of this service's alarms in this deployment" in blocker.lost
    assert str(waiver) == "waived by mei because 'it leaks', until 2026-11-24 06:00 UTC"


def test_it_counts_for_that_release_that_alarm_and_those_hours_alone() -> None:
    both = replace(RED, alarms=tuple(replace(alarm, state="ALARM") for alarm in RED.alarms))
    assert refused(RED) == []
    assert MEMORY in refused(RED, OTHER)[0]
    assert MEMORY in refused(RED, None)[0]
    assert [text.partition(":")[0] for text in refused(both)] == [ERRORS]
    assert MEMORY in refused(RED, now=NOW + timedelta(hours=4))[0]


def test_an_alarm_that_was_accepted_without_data_is_not_accepted_in_alarm() -> None:
    [given] = RED.waivers
    silent = replace(RED, alarms=(replace(RED.alarms[0], state="INSUFFICIENT_DATA"), RED.alarms[1]))
    [red], _ = waivable(silent, FIX, now=NOW)
    waivers = (replace(given, subjects=(red.subject,)),)
    assert refused(replace(silent, waivers=waivers)) == []
    assert [text.partition(":")[0] for text in refused(replace(RED, waivers=waivers))] == [MEMORY]


@pytest.mark.exhaustive("test_an_operator_accepts_what_is_red_and_the_release_gets_through_with_it_on_record")
def test_a_parameter_that_claims_more_than_the_hours_ends_with_them(deployment: Production) -> None:
    value = {"subjects": [], "why": "x", "by": "mei", "at": NOW.isoformat(), "until": "2999-01-01T00:00:00+00:00"}
    deployment.client("ssm").put_parameter(Name=f"/nova/prod/accepted/{FIX}", Value=json.dumps(value), Type="String")
    [given] = read_waivers(deployment.environment)
    assert given.until == NOW + timedelta(hours=4)


@pytest.mark.parametrize(("written", "name"), [(FIX.upper(), FIX), (FIX[:12].upper(), FIX[:12])])
def test_a_commit_is_accepted_in_either_case_and_another_name_unchanged(written: str, name: str) -> None:
    assert waivable_release(written) == name
    assert waivable_release("Working-Tree") == "Working-Tree"


@pytest.mark.parametrize("written", [FIX[:7], FIX[:11]])
def test_red_is_accepted_for_as_much_of_a_commit_as_the_preflight_prints(written: str) -> None:
    with pytest.raises(RefusedError, match="is too short: give at least 12 hex digits"):
        waivable_release(written)


def test_the_latest_waiver_of_a_release_is_the_one_that_counts() -> None:
    later = Waiver(
        FIX[:7], (f"{MEMORY} in ALARM",), "it leaks still", "kim", NOW + timedelta(hours=3), NOW + timedelta(hours=7)
    )
    conditions = replace(RED, waivers=(later, *RED.waivers))
    [(_, waiver)] = judge(conditions, FIX, {}, now=NOW + timedelta(hours=3)).waived
    assert waiver.by == "kim"


@pytest.mark.parametrize(("ahead", "counts"), [(4, True), (6, False), (10**6, False)])
def test_a_waiver_that_is_dated_later_waives_nothing_yet(ahead: int, counts: bool) -> None:
    """Otherwise one written by hand would last from now until four hours after any date."""
    dated = NOW + timedelta(minutes=ahead)
    later = Waiver(FIX[:7], ("Fargate",), "it leaks", "kim", dated, dated + timedelta(hours=4))
    assert ("Fargate" in waived((later,), FIX, now=NOW)) is counts


@pytest.mark.parametrize("held", [FIX, FIX[:7]])
@pytest.mark.parametrize("release", [FIX, FIX[:9]])
def test_nothing_is_accepted_for_a_release_on_hold(held: str, release: str) -> None:
    conditions = replace(RED, holds=(Hold(held, "corrupts uploads", "kim", NOW, {}),))
    assert "on hold since" in refused(conditions)[0]
    with pytest.raises(RefusedError, match="on hold, by kim: corrupts uploads: a release on hold gets no waiver"):
        waivable(conditions, release, now=NOW)


def test_a_person_accepts_alarms_certificates_and_quotas_and_nothing_else() -> None:
    conditions = replace(
        RED,
        certificates=(Certificate("nova.example.com", "EXPIRED", None),),
        vcpu_quota=1.0,
        stacks=(Stack("nova-prod-audio", "UPDATE_IN_PROGRESS"),),
    )
    red, others = waivable(conditions, FIX, now=NOW)
    assert [blocker.subject for blocker in red] == [
        f"{MEMORY} in ALARM",
        "Fargate",
        "certificate of nova.example.com",
    ]
    assert all(blocker.lost for blocker in red)
    assert [blocker.text for blocker in others] == ["nova-prod-audio: an update is under way (UPDATE_IN_PROGRESS)"]


def test_no_parameter_whoever_wrote_it_accepts_what_nobody_can() -> None:
    [given] = RED.waivers
    held = Hold(FIX, "corrupts uploads", "kim", NOW, {})
    conditions = replace(RED, holds=(held,), waivers=(replace(given, subjects=("", f"{MEMORY} in ALARM", "hold")),))
    assert [text.partition(" has been on hold")[0] for text in refused(conditions)] == [f"release {FIX}"]


def test_where_nothing_is_red_there_is_nothing_to_accept() -> None:
    green = replace(RED, alarms=tuple(replace(alarm, state="OK") for alarm in RED.alarms))
    with pytest.raises(RefusedError, match="no deployment alarm, certificate or quota is red"):
        waivable(green, FIX, now=NOW)
    with pytest.raises(RefusedError, match="this cannot be waived: nova-prod-audio: is ROLLBACK_COMPLETE"):
        waivable(replace(green, stacks=(Stack("nova-prod-audio", "ROLLBACK_COMPLETE"),)), FIX, now=NOW)
    broken = tuple(Stack(f"nova-prod-{name}", "ROLLBACK_COMPLETE") for name in ("audio", "video", "zoom"))
    with pytest.raises(RefusedError, match=r"red there now; this cannot be waived: nova-prod-audio: is ROLLBACK"):
        waivable(replace(green, stacks=broken), FIX, now=NOW)


@pytest.fixture
def run(deployment: Any, monkeypatch: pytest.MonkeyPatch, example: Path) -> Callable[..., Result]:
    """Runs a command about production, whose checkout is the fix and whose carts service's memory alarm is red."""
    monkeypatch.chdir(example)
    entry = deployment.release(2, "carts-service")
    cloudwatch = deployment.client("cloudwatch")
    for service in deployment.environment.services():
        for name in service.deployment_alarms:
            cloudwatch.put_metric_alarm(
                AlarmName=name, Namespace="N", MetricName="M", Statistic="Sum", Period=60,
                EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
            )  # fmt: skip
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="fine")
    cloudwatch.set_alarm_state(AlarmName="nova-prod-carts-service-memory", StateValue="ALARM", StateReason="95 %")
    monkeypatch.setattr("nova_infra.cli.commands.releases.open_environment", lambda *_: deployment.environment)
    monkeypatch.setattr("nova_infra.operations.gates.release.released", lambda *_: (FIX, dict(entry.images), None))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(nova, arguments)

    return run


def test_an_operator_accepts_what_is_red_and_the_release_gets_through_with_it_on_record(
    deployment: Production, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEBUILD_INITIATOR", "somebody-else")
    assert "give at least 12 hex digits" in str(run("accept-red", "prod", "3f2a91c", "--why", "x").exception)
    before = run("preflight", "prod", "--checkout")
    assert "nova-prod-carts-service-memory: is already in ALARM" in str(before.exception)
    assert 'nova accept-red prod 3f2a91c00000 --why "…"' in str(before.exception)

    said = run("accept-red", "prod", "3F2A91C00000", "--why", "the old revision leaks, this mends it").output
    assert "ECS then watches none of this service's alarms in this deployment: only the circuit breaker" in said
    [given] = read_waivers(deployment.environment)
    assert given.subjects == ("nova-prod-carts-service-memory in ALARM",)
    assert (given.release, given.by) == ("3f2a91c00000", whoami()[1])
    assert given.until - given.at == timedelta(hours=4)

    through = run("preflight", "prod", "--checkout")
    assert through.exception is None
    assert "because 'the old revision leaks, this mends it', until " in through.output
    assert "prod: a deployment may start" in through.output

    # It may stay red afterwards, and is then what the ledger says of the release.
    verified = run("verify", "prod", "--checkout")
    assert verified.exception is None, verified.output
    latest = deployment.ledger()[0]
    assert (latest.release, latest.outcome) == (FIX, "verified")
    assert latest.reason.startswith("nova-prod-carts-service-memory: is in ALARM: 95 %: waived by ")

    hold(deployment.environment, FIX, why="corrupts uploads")
    assert "on hold since" in str(run("preflight", "prod", "--checkout").exception)
    assert "on hold" in str(run("accept-red", "prod", "3f2a91c00000", "--why", "x").exception)


@pytest.mark.exhaustive("test_an_operator_accepts_what_is_red_and_the_release_gets_through_with_it_on_record")
def test_for_a_release_on_hold_the_preflight_offers_no_way_past_what_is_red(
    deployment: Production, run: Callable[..., Result]
) -> None:
    hold(deployment.environment, FIX, why="corrupts uploads")
    said = str(run("preflight", "prod", "--checkout").exception)
    assert "on hold since" in said
    assert "is already in ALARM" in said
    assert "accept-red" not in said


@pytest.mark.exhaustive("test_an_operator_accepts_what_is_red_and_the_release_gets_through_with_it_on_record")
def test_what_cannot_be_waived_is_reported_before_what_was(
    deployment: Production, run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "under_way", lambda *_: ["nova-prod-carts-service: an update is under way"])
    lines = run("accept-red", "prod", FIX, "--why", "it leaks").output.splitlines()
    assert lines[0] == (
        "still blocks the release, and cannot be waived: nova-prod-carts-service: an update is under way"
    )
    assert not [line for line in lines if "may be deployed until" in line]


def test_a_name_that_no_release_has_is_told_to_wait_for_one(deployment: Production, run: Callable[..., Result]) -> None:
    unknown = "no release is called 3f2a91x yet: this takes effect when one is"
    assert unknown in run("hold", "prod", "3f2a91x", "--why", "a slip").output
    assert "takes effect" not in run("hold", "prod", "3f2a91c", "--why", "a commit").output


def test_what_is_no_waiver_waives_nothing_and_stops_nothing(deployment: Production) -> None:
    deployment.client("ssm").put_parameter(Name=f"/nova/prod/accepted/{FIX}", Value=json.dumps([]), Type="String")
    [found] = read_waivers(deployment.environment)
    assert "was not written by `nova accept-red`" in found.why
    assert waived([found], FIX, now=datetime.now(UTC)) == {}


@pytest.mark.exhaustive("test_an_operator_accepts_what_is_red_and_the_release_gets_through_with_it_on_record")
def test_nothing_gets_an_image_past_that_the_registry_has_not_signed(
    deployment: Production, run: Callable[..., Result]
) -> None:
    deployment.environment.unsigned.add("store-service")
    assert run("accept-red", "prod", "3f2a91c00000", "--why", "the old revision leaks").exception is None
    said = str(run("preflight", "prod", "--checkout").exception)
    assert said.startswith("store-service: its image sha256:")
    assert "is not signed, so nobody knows who pushed it" in said
    assert "carts-service" not in said
    assert "is not signed" in str(run("verify", "prod", "--checkout").exception)
    assert deployment.ledger()[0].outcome == "failed"
