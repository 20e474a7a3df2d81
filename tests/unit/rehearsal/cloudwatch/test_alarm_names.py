"""Alarms that something names and no stack makes."""

from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.pipeline.precheck import StageReading


def guarded(name: str, rule: str = "") -> dict[str, Any]:
    """A template with an alarm, and a service or a composite alarm that names one."""
    service = {"TaskDefinition": "shop:1", "Cluster": "shop", "ServiceName": "acme-dev-shop"}
    guard = {"Alarms": {"Enable": True, "Rollback": True, "AlarmNames": [name]}}
    resources: dict[str, Any] = {
        "Errors": alarm("acme-dev-shop-errors"),
        "Service": {"Type": "AWS::ECS::Service", "Properties": {**service, "DeploymentConfiguration": guard}},
    }
    if rule:
        whole = {"AlarmName": "acme-dev", "AlarmRule": rule}
        resources["Service"] = {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": whole}
    return {"Resources": resources}


def alarm(name: str) -> dict[str, Any]:
    said = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Period": 60, "EvaluationPeriods": 3}
    said |= {"Statistic": "Average", "Threshold": 80, "ComparisonOperator": "GreaterThanThreshold"}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": name, **said}}


@pytest.mark.parametrize("rule", ["", 'ALARM("acme-dev-shop-eror")'])
def test_a_name_of_the_environment_s_own_that_is_no_alarm_is_refused(rule: str) -> None:
    reading = StageReading()
    reading.read("acme-dev-shop", guarded("acme-dev-shop-eror", rule))
    with pytest.raises(
        UnresolvableError, match=r"'acme-dev-shop-eror' is not an alarm .*: write 'acme-dev-shop-errors'"
    ):
        reading.alarms.check("acme-dev-")
    reading.alarms.check("acme-dev-web-")
    reading.alarms.check("")
    later = {"Resources": {"Late": alarm("acme-dev-shop-eror")}}
    reading.read("acme-dev-overview", later)
    reading.alarms.check("acme-dev-")


def test_an_alarm_that_another_team_makes_may_exist() -> None:
    reading = StageReading()
    reading.read("acme-dev-shop", guarded("db-errors"))
    reading.alarms.check("acme-dev-")
    assert any("db-errors, which no stack up to here makes, exists" in each for each in reading.unknown)


@pytest.mark.parametrize("name", ["acme-dev-synthetic-login", "acme-dev-eu-shop-errors", "acme-dev-shop-errors-2"])
def test_another_name_with_the_environment_s_prefix_may_be_made_elsewhere(name: str) -> None:
    reading = StageReading()
    reading.read("acme-dev-shop", guarded(name))
    reading.alarms.check("acme-dev-", ["acme-dev-eu-"])


def test_a_name_of_another_environment_is_not_a_misspelt_one() -> None:
    reading = StageReading()
    reading.read("acme-dev-shop", guarded("acme-dev-x-shop-errors"))
    reading.alarms.check("acme-dev-", ["acme-dev-x-"])
