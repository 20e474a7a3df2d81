"""Which services' second target group gets traffic, from what ECS and the load balancer answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.model import StoredSecret

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


class Stored:
    """An account with a secret, one that is being deleted, one that the role may not see, and a parameter."""

    def each(self, ask: Any, questions: Any) -> list[Any]:
        return [ask(question) for question in questions]

    def call(self, service: str, operation: str, *, region: str | None = None, **asked: Any) -> Any:
        assert (service, operation) == ("secretsmanager", "describe_secret"), "no value is read"
        name = asked["SecretId"]
        if name == "gone":
            raise ServiceError("AWS: gone", "ResourceNotFoundException")
        if name.startswith("arn:"):
            assert region == "eu-north-1", "it is asked where it is"
            raise DeniedError("AWS does not allow it")
        deleted = {"DeletedDate": datetime(2026, 3, 4, tzinfo=UTC)} if name == "going" else {}
        return {"VersionIdsToStages": {"v7": ["AWSCURRENT", "next"]}, **deleted}

    def pages(self, service: str, operation: str, _key: str, **asked: Any) -> Iterator[Any]:
        assert (service, operation) == ("ssm", "describe_parameters"), "no value is read"
        [names] = [each["Values"] for each in asked["ParameterFilters"]]
        yield from ({"Name": name} for name in names if name == "/shop/key")


def test_secrets_are_looked_at_without_their_values() -> None:
    aws: Any = Stored()
    elsewhere = "arn:aws:secretsmanager:eu-north-1:999999999999:secret:theirs"
    labels, versions = frozenset({"AWSCURRENT", "next"}), frozenset({"v7"})
    found = AwsEnvironment("prod", platform="nova", aws=aws).secrets(["db", "going", "gone", elsewhere])
    assert found == {
        "db": StoredSecret(False, labels, versions),
        "going": StoredSecret(True, labels, versions),
        "gone": None,
    }


def test_parameters_are_looked_for_by_name_as_many_as_one_call_takes() -> None:
    aws: Any = Stored()
    names = [f"/shop/{number}" for number in range(60)]
    found = AwsEnvironment("prod", platform="nova", aws=aws).have_parameters([*names, "/shop/key"])
    assert found == {**dict.fromkeys(names, False), "/shop/key": True}
