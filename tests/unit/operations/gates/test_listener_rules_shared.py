"""A release's rules meet those of others on a listener that they share: the preflight says so."""

from typing import Any

import pytest

from nova_infra.operations.gates.listener_rules import collisions, of_others
from nova_infra.operations.gates.orphans import ListenerRule
from nova_infra.operations.gates.preflight import Known, blockers, survey

MINE = ListenerRule(70, ("/carts/*",), ("shop.example.com",), tested=True)


def described(priority: int, *conditions: dict[str, Any], arn: str = "theirs", default: bool = False) -> dict[str, Any]:
    return {"RuleArn": arn, "Priority": str(priority), "Conditions": list(conditions), "IsDefault": default}


HOST = {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com"]}}
OTHER = {"Field": "host-header", "HostHeaderConfig": {"Values": ["other.example.com"]}}
PATHS = {"Field": "path-pattern", "Values": ["/carts/*"]}  # as DescribeRules shortens it
BY_HOST = {"Field": "host-header", "HostHeaderConfig": {"RegexValues": ["^api[.].*$"]}}
BY_PATH = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/old/[0-9]+$"]}}
METHOD = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["OPTIONS"]}}


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (described(70, OTHER), "carts: its priority 70 is that of the rule of somebody else"),
        (described(69, OTHER), "carts: the place of its tests' rule, 69, is that of the rule of somebody else"),
        (described(5, PATHS), "carts: its path /carts/* goes to an earlier rule, of somebody else"),
        (described(5, HOST, PATHS), "carts: its path /carts/* goes to an earlier rule, of somebody else"),
        (described(5), "carts: its path /carts/* goes to an earlier rule, of somebody else"),
        (described(5, OTHER), None),
        (described(5, OTHER, PATHS), None),
        (described(5, PATHS, METHOD), None),
        (described(5, BY_HOST), None),
        (described(5, HOST, BY_PATH), None),
        (described(69, BY_HOST), "carts: the place of its tests' rule, 69, is that of the rule of somebody else"),
        (described(500, PATHS), None),
        (described(70, HOST, PATHS, arn="own"), None),
    ],
)
def test_which_rules_of_others_stand_against_a_services(rule: dict[str, Any], fault: str | None) -> None:
    default = described(0, default=True, arn="default") | {"Priority": "default"}
    found = list(collisions(of_others([default, rule], ["own"]), {"carts": MINE}, "prod"))
    assert [line.partition(" on the listener")[0] for line in found] == ([fault] if fault else [])


@pytest.mark.parametrize(
    ("rule", "number"),
    [
        (described(5, PATHS), "a free number below 5 under"),  # it would still come first from any number above
        (described(69, BY_HOST), "a free number under"),
        (described(70, OTHER), "a free number under"),
    ],
)
def test_the_remedy_asks_for_a_lower_number_only_where_the_other_rule_takes_requests(
    rule: dict[str, Any], number: str
) -> None:
    [line] = collisions(of_others([rule], []), {"carts": MINE}, "prod")
    assert number in line


def test_internal_services_are_on_another_load_balancer() -> None:
    internal = ListenerRule(70, ("/carts/*",), internal=True)
    assert list(collisions(of_others([described(70)], []), {"carts": internal}, "prod")) == []


def test_the_preflight_keeps_out_a_release_whose_rule_meets_another(
    deployment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [described(70, OTHER)]
    asked = []

    def rules_on(listener: str) -> Any:
        asked.append(listener)
        return rules, ("own",)

    monkeypatch.setattr(deployment.environment, "rules_on", rules_on)
    known = Known(["carts-service", "store-service"], {"carts-service": MINE}, "listener")

    def found(known: Known) -> list[str]:
        texts = [each.text for each in blockers(survey(deployment.environment, known), None, {}, now=now)]
        return [text for text in texts if "somebody else" in text]

    now = deployment.environment.now()
    [refused] = found(known)
    assert "its priority 70" in refused
    assert asked == ["listener"]
    assert found(Known(known.services, known.rules)) == []
