"""Which services' second target group gets traffic, from what ECS and the load balancer answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from nova_infra.deployed.aws.environment import AwsEnvironment

LISTENER = "arn:aws:elasticloadbalancing:us-east-1:111111111111:listener-rule/app/nova-prod/1/2"


class Answers:
    """AWS with three services: one on each colour, and one without a rule."""

    def now(self) -> datetime:
        return datetime(2026, 3, 4, tzinfo=UTC)

    def each(self, ask: Any, questions: Any) -> list[Any]:
        return [ask(question) for question in questions]

    def call(self, _service: str, operation: str, **_: Any) -> Any:
        assert operation == "describe_services"
        return {
            "services": [
                self.service("shop"),
                self.service("stock"),
                {"serviceName": "nova-prod-worker", "status": "ACTIVE"},
            ]
        }

    def service(self, name: str) -> Any:
        advanced = {"productionListenerRule": f"{LISTENER}/{name}", "alternateTargetGroupArn": f"{name}-green"}
        return {
            "serviceName": f"nova-prod-{name}",
            "status": "ACTIVE",
            "loadBalancers": [{"targetGroupArn": f"{name}-blue", "advancedConfiguration": advanced}],
        }

    def pages(self, _service: str, operation: str, _key: str, **_: Any) -> Iterator[Any]:
        if operation == "list_services":
            yield from (
                f"arn:aws:ecs:us-east-1:111111111111:service/nova-prod/nova-prod-{n}" for n in ("shop", "stock")
            )
            return
        for name, (blue, green) in {"shop": (0, 100), "stock": (100, 0)}.items():
            groups = [
                {"TargetGroupArn": f"{name}-blue", "Weight": blue},
                {"TargetGroupArn": f"{name}-green", "Weight": green},
            ]
            yield {"RuleArn": f"{LISTENER}/{name}", "Actions": [{"ForwardConfig": {"TargetGroups": groups}}]}


def test_the_live_weights_say_which_target_group_serves() -> None:
    aws: Any = Answers()
    assert AwsEnvironment("prod", platform="nova", aws=aws).on_alternate() == {"shop"}


def test_the_services_own_rules_are_told_from_those_of_others_on_a_listener() -> None:
    aws: Any = Answers()
    rules, own = AwsEnvironment("prod", platform="nova", aws=aws).rules_on("listener")
    assert [rule["RuleArn"] for rule in rules] == [f"{LISTENER}/shop", f"{LISTENER}/stock"]
    assert {f"{LISTENER}/shop", f"{LISTENER}/stock"} <= own
