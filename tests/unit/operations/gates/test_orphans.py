"""What nova.toml no longer has and AWS still runs: named, its alarms block nothing, and its rule does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nova_infra.deployed.model import Alarm
from nova_infra.deployed.stack import Stack
from nova_infra.names import alarm_name
from nova_infra.operations.gates.orphans import ListenerRule, orphans, rules_of, taken, told, wanted_rules
from nova_infra.operations.gates.preflight import Known, blockers, survey
from nova_infra.operations.reports.status import status

LEFT = "nova-prod-store-service"


def rule(priority: int, *paths: str, hosts: tuple[str, ...] = ()) -> ListenerRule:
    return ListenerRule(priority, paths, hosts)


def test_a_stack_of_no_service_of_the_file_is_left_over_and_the_shared_ones_are_not() -> None:
    names = ("platform", "overview", "carts", "carts-old")
    stacks = [Stack(f"nova-prod-{name}", "UPDATE_COMPLETE") for name in names]
    assert [stack.name for stack in orphans("nova-prod", stacks, ["carts"])] == ["nova-prod-carts-old"]
    assert orphans("nova-prod", stacks, ["carts", "carts-old"]) == ()


def test_what_to_run_is_said_unless_somebody_has() -> None:
    said = told(Stack("nova-prod-bills", "UPDATE_COMPLETE"))
    assert "nova-prod-bills: is not in nova.toml" in said
    assert "`aws cloudformation delete-stack --stack-name nova-prod-bills`" in said
    assert "update-termination-protection" in told(Stack("nova-prod-bills", "UPDATE_COMPLETE", protected=True))
    assert told(Stack("nova-prod-bills", "DELETE_IN_PROGRESS")).endswith("is being deleted")


@pytest.mark.parametrize(
    ("left", "wanted", "said"),
    [
        (rule(3, "/carts/*"), rule(9, "/carts/*"), "carts: its path /carts/* goes to an earlier rule, of old"),
        (rule(3, "/*"), rule(9, "/", "/carts/*"), "its path / goes to an earlier rule"),
        (rule(3, "/carts*"), rule(9, "/x", "/carts/*"), "its path /carts/* goes"),
        (rule(3), rule(9, "/carts/*"), "its path /carts/* goes"),
        (rule(7, "/elsewhere"), rule(7, "/carts/*"), "carts: its priority 7 is that of the rule of old"),
        (rule(3, "/*", hosts=("*.example.com",)), rule(9, "/a", hosts=("a.example.com",)), "its path /a goes"),
        (rule(3, hosts=("a.example.com",)), rule(9, hosts=("a.example.com",)), "its path /* goes"),
        (rule(3, hosts=("a.example.com",)), rule(9, hosts=("b.example.com", "a.example.com")), "its path /* goes"),
    ],
)
def test_a_rule_that_is_left_over_and_stands_before_a_services_own_is_named(
    left: ListenerRule, wanted: ListenerRule, said: str
) -> None:
    [found] = taken({"old": [left]}, {"carts": wanted})
    assert said in found
    assert found.endswith("delete that stack first, or change the service's paths or priority")


@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        (rule(9, "/carts/*"), rule(3, "/carts/*")),
        (rule(3, "/carts"), rule(9, "/carts/*")),
        (rule(3, "/bills/*"), rule(9, "/carts/*")),
        (rule(3, "/*", hosts=("a.example.com",)), rule(9, "/carts/*")),
        (rule(3, "/*", hosts=("a.example.com",)), rule(9, "/*", hosts=("b.example.com",))),
    ],
)
def test_a_later_or_unrelated_rule_is_ignored(left: ListenerRule, wanted: ListenerRule) -> None:
    assert list(taken({"old": [left]}, {"carts": wanted})) == []


def test_a_rule_for_tests_takes_no_users_and_a_place() -> None:
    tests = replace(rule(3, "/*"), for_tests=True)
    assert list(taken({"old": [tests]}, {"carts": rule(9, "/carts/*")})) == []
    [found] = taken({"old": [tests]}, {"carts": rule(3, "/carts/*")})
    assert "its priority 3 is that of the rule of old" in found
    [found] = taken({"old": [tests]}, {"carts": replace(rule(4, "/carts/*"), tested=True)})
    assert "the place of its tests' rule, 3, is that of the rule of old" in found


def test_the_rules_of_a_synthesized_template_are_those_of_the_configuration(assembly: Any, config: Any) -> None:
    for name, wanted in wanted_rules(config, config.environments[2]).items():
        tests, own = sorted(rules_of(assembly.templates[f"nova-prod-{name}"]), key=lambda rule: rule.priority)
        assert replace(own, tested=True) == wanted
        assert tests == ListenerRule(wanted.priority - 1, wanted.paths, wanted.hosts, for_tests=True)


def test_an_alarm_that_is_left_over_does_not_block_and_its_rule_does(
    deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    red = [Alarm(alarm_name(LEFT, kind), "ALARM", "no answer", None) for kind in ("errors", "unanswered")]
    red += [Alarm(alarm_name(LEFT, kind), "OK", "", None) for kind in ("latency", "cpu", "memory")]
    fine = [replace(each, name=each.name.replace("store", "carts"), state="OK") for each in red]
    monkeypatch.setattr(deployment.environment, "alarms", lambda: (*red, *fine))
    now = deployment.environment.now()

    def found(known: Known | None) -> list[str]:
        return [each.text for each in blockers(survey(deployment.environment, known), None, {}, now=now)]

    assert len([text for text in found(None) if f"{LEFT}-errors: is already in ALARM" in text]) == 1
    [held] = [rule for rule in rules_of(deployment.template("store-service")) if not rule.for_tests]
    mine = ListenerRule(held.priority + 1, ("/carts-service/*",))
    assert found(Known(["carts-service"], {"carts-service": mine})) == []
    assert [stack.name for stack in survey(deployment.environment, Known(["carts-service"])).orphans] == [LEFT]
    [refused] = found(Known(["carts-service"], {"carts-service": replace(mine, paths=held.paths)}))
    assert f"goes to an earlier rule, of {LEFT}" in refused


@pytest.mark.exhaustive("test_an_alarm_that_is_left_over_does_not_block_and_its_rule_does")
def test_status_names_services_and_environments_that_the_file_does_not_have(deployment: Any) -> None:
    client = deployment.client("cloudformation")
    body = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    for name in ("nova-qa-platform", "nova-qa-carts", "other-old-platform"):
        client.create_stack(StackName=name, TemplateBody=body)
    look: Callable[[str], Any] = lambda _: deployment.environment  # noqa: E731
    [found] = status(["prod"], look, known=["carts-service"], environments=["prod"])
    assert [fault.partition(":")[0] for fault in found.faults] == [LEFT, "nova-qa"]
    [found] = status(["prod"], look, known=["carts-service", "store-service"], environments=["prod", "qa"])
    assert found.faults == ()
    [found] = status(["prod"], look)
    assert found.faults == ()
