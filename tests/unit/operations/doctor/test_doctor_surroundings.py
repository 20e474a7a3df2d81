"""``nova doctor`` looks at what no template makes: networks that exist, what is in the way, bootstraps of regions."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from helpers.doctor import ANOTHERS
from helpers.pages import Paged
from nova_infra.config import Config, parse_config
from nova_infra.deployed.aws.client.errors import ServiceError
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check
from nova_infra.operations.doctor.doctor import diagnose
from nova_infra.operations.doctor.existing import existing_network
from nova_infra.operations.doctor.leftovers import leftovers
from nova_infra.operations.doctor.protection import unprotected_stacks

ROOT = Path(__file__).parents[4]
VPC = "vpc-0123456789abcdef0"
PUBLIC, PRIVATE = ("subnet-aaaaaaaa", "subnet-bbbbbbbb"), ("subnet-cccccccc", "subnet-dddddddd")
IMAGE = f"ghcr.io/acme/x@sha256:{'c' * 64}"


def configured(**staging: Any) -> Config:
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    raw["environments"][1] |= staging
    web = {
        "name": "shop",
        "image": IMAGE,
        "hosts": ["shop.{environment}.nova.example.com"],
        "untested_reason": "clients alone reach it",
    }
    raw["environments"][2]["domain"]["name"] = "prod.nova.example.com"
    raw["services"] += [web | {"smoke": []}, {"name": "mails", "image": IMAGE, "kind": "worker", "queue": {}}]
    raw["services"].append(
        {"name": "other", "image": IMAGE, "kind": "worker", "queue": {"name": "q", "dead": "d", "existing": True}}
    )
    return parse_config(raw)


class Account(Paged):
    """Answers each operation with what a test says, or by its function."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def call(self, _service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        answer = self._answers[operation]
        found: Any = answer(**arguments) if callable(answer) else answer
        if isinstance(found, NovaError):
            raise found
        assert isinstance(found, dict)
        return found


def subnet(name: str, zone: str, *, vpc: str = VPC, free: int = 200) -> dict[str, Any]:
    return {"SubnetId": name, "VpcId": vpc, "AvailabilityZone": f"us-east-1{zone}", "AvailableIpAddressCount": free}


def network(**changes: Any) -> Account:
    found = [
        *(subnet(n, z) for n, z in zip(PUBLIC, "ab", strict=True)),
        *(subnet(n, z) for n, z in zip(PRIVATE, "ab", strict=True)),
    ]
    answers = {
        "describe_vpcs": {"Vpcs": [{"CidrBlock": "10.9.0.0/16"}]},
        "describe_subnets": {"Subnets": [changes.get(each["SubnetId"], each) for each in found]},
    }
    return Account(**answers | {key: value for key, value in changes.items() if key.startswith("describe_")})


EXISTING = {
    "vpc": VPC,
    "cidr": "10.9.0.0/16",
    "zones": ["a", "b"],
    "public_subnets": list(PUBLIC),
    "private_subnets": list(PRIVATE),
}


def gone(code: str) -> ServiceError:
    return ServiceError(f"AWS: not there ({code})", code)


def told(checks: Any) -> list[tuple[bool | None, str, str]]:
    return [(check.right, check.what, check.remedy) for check in checks]


def test_a_network_that_exists_and_is_as_it_is_described_is_right() -> None:
    environment = configured(network=EXISTING).environments[1]
    assert list(existing_network(environment, network())) == [Check(True, f"network {VPC} with 4 subnets")]
    assert list(existing_network(configured().environments[1], Account())) == []


@pytest.mark.parametrize(
    ("changes", "right", "what", "remedy"),
    [
        (
            {"describe_vpcs": {"Vpcs": [{"CidrBlock": "10.8.0.0/16"}]}},
            False,
            f"{VPC} has 10.8.0.0/16, not 10.9.0.0/16",
            "correct network.cidr",
        ),
        (
            {PUBLIC[1]: subnet(PUBLIC[1], "a")},
            False,
            f"{PUBLIC[1]} is in us-east-1a, not in us-east-1b",
            "order of zones",
        ),
        ({PRIVATE[0]: subnet(PRIVATE[0], "a", vpc="vpc-1")}, False, f"{PRIVATE[0]} is in vpc-1", "private_subnets"),
        ({PUBLIC[0]: subnet(PUBLIC[0], "a", free=7)}, False, f"{PUBLIC[0]} has 7 free addresses", "name another one"),
        ({"describe_subnets": gone("InvalidSubnetID.NotFound")}, False, "AWS: not there", "correct network of staging"),
        ({"describe_vpcs": gone("RequestLimitExceeded")}, None, "not known", ""),
    ],
)
def test_a_network_that_differs_is_reported_before_aws_refuses_it(
    changes: dict[str, Any], right: bool | None, what: str, remedy: str
) -> None:
    environment = configured(network=EXISTING).environments[1]
    [(found, said, do)] = told(existing_network(environment, network(**changes)))
    assert found is right
    assert what in said
    assert remedy in do


BALANCER = "arn:aws:elasticloadbalancing:us-east-1:333333333333:loadbalancer/app/nova-prod/0a1b2c3d"


def in_the_way(
    *,
    deployed: bool = False,
    status: str = "UPDATE_ROLLBACK_COMPLETE",
    records: Any = (),
    queues: tuple[str, ...] = (),
    balancers: Mapping[str, str] = MappingProxyType({}),
    logs: tuple[str, ...] = (),
) -> Account:
    def queue(QueueName: str) -> Any:  # noqa: N803  the API's name
        return {"QueueUrl": "u"} if QueueName in queues else gone("AWS.SimpleQueueService.NonExistentQueue")

    def after(StartRecordName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        found = sorted((name, kind) for name, kind in records if name.rstrip(".") >= StartRecordName)
        return {"ResourceRecordSets": [{"Name": name, "Type": kind} for name, kind in found[:1]]}

    def balancer(**asked: list[str]) -> Any:
        found = [{"LoadBalancerArn": BALANCER} for name in asked["Names"] if name in balancers]
        return {"LoadBalancers": found} if found else gone("LoadBalancerNotFound")

    stack: Any = {"Stacks": [{"StackStatus": status}]} if deployed else gone("ValidationError")
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": each} for each in balancers.values()]
    return Account(
        describe_stacks=stack,
        get_queue_url=queue,
        list_resource_record_sets=after,
        describe_load_balancers=balancer,
        describe_tags={"TagDescriptions": [{"Tags": tags}]},
        describe_log_groups=lambda **asked: {
            "logGroups": [{"logGroupName": each} for each in logs if each.startswith(asked["logGroupNamePrefix"])]
        },
    )


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"])
def test_a_stack_whose_first_deployment_failed_holds_nothing_of_its_own(status: str) -> None:
    config = configured()
    there = in_the_way(deployed=True, status=status, queues=("nova-staging-mails-dead",))
    assert any(list(leftovers(config, environment, there)) for environment in config.environments)


@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "DELETE_FAILED"])
def test_a_stack_that_was_not_undone_is_deleted_before_anything_of_it_is(status: str) -> None:
    config = configured()
    there = in_the_way(deployed=True, status=status, queues=("nova-prod-mails-dead",), balancers={"nova-prod": "x"})
    assert "nova-prod-carts-service is" in " ".join(
        what for _, what, _ in told(leftovers(config, config.environments[2], there))
    ), "it makes nothing of a fixed name"
    said = told(leftovers(config, config.environments[2], there))
    assert {right for right, _, _ in said} == {False}
    assert [what for _, what, _ in said if "nova-prod-mails" in what] == [
        f"nova-prod-mails is in {status}, with some of what it has made"
    ]
    [platform] = [remedy for _, what, remedy in said if what.startswith("nova-prod-platform")]
    assert "update-termination-protection" in platform
    assert "delete-stack --region us-east-1 --stack-name nova-prod-platform" in platform
    assert not any("is there already" in what for _, what, _ in said)


def test_nothing_in_the_way_says_nothing() -> None:
    config = configured()
    for environment in config.environments:
        assert list(leftovers(config, environment, in_the_way(records=[("z.example.com.", "A")]))) == []


def test_a_record_and_a_queue_that_are_there_already_are_in_the_way_of_a_new_stack() -> None:
    config = configured()
    records = [("staging.nova.example.com.", "CNAME"), ("shop.staging.nova.example.com.", "A")]
    account = in_the_way(records=records, queues=("nova-staging-mails-dead", "q", "d"))
    said = told(leftovers(config, config.environments[1], account))
    assert [(right, what.partition(", and")[0]) for right, what, _ in said] == [
        (False, "staging.nova.example.com has a record of type CNAME already"),
        (False, "shop.staging.nova.example.com has a record of type A already"),
        (False, "the queue nova-staging-mails-dead is there already"),
    ]
    assert "existing = true" in said[-1][2]
    there = in_the_way(deployed=True, records=records, queues=("nova-staging-mails-dead",))
    assert list(leftovers(config, config.environments[1], there)) == []


def test_what_a_failed_deployment_left_behind_is_named_with_the_commands_that_remove_it() -> None:
    config, protected = configured(), {"nova-prod": "nova-prod-platform"}
    groups = ("aws-waf-logs-nova-prod-2", "/nova/nova-prod-smoke", "/nova/nova-prod-together")
    [balancer] = told(leftovers(config, config.environments[2], in_the_way(balancers=protected)))
    at = f"--region us-east-1 --load-balancer-arn {BALANCER}"
    assert balancer[0] is False
    assert balancer[1].startswith("the load balancer nova-prod is there already")
    assert balancer[2] == (
        f"aws elbv2 modify-load-balancer-attributes {at} --attributes Key=deletion_protection.enabled,Value=false "
        f"&& aws elbv2 delete-load-balancer {at}"
    )
    [(right, what, remedy)] = told(leftovers(config, config.environments[2], in_the_way(logs=groups)))
    assert right is False
    assert what.startswith("the log group /nova/nova-prod-smoke is there already")
    assert remedy.endswith("aws logs delete-log-group --region us-east-1 --log-group-name /nova/nova-prod-smoke")


def test_stacks_of_an_environment_with_an_approval_are_to_be_protected() -> None:
    def stack(**asked: str) -> Any:
        if asked["StackName"] == "nova-prod-mails":
            return gone("ValidationError")
        return {"Stacks": [{"EnableTerminationProtection": asked["StackName"].endswith("platform")}]}

    config, account = configured(), Account(describe_stacks=stack)
    [(right, what, remedy)] = told(unprotected_stacks(config, config.environments[2], account))
    assert right is None
    assert "nova-prod-overview, " in what
    assert "nova-prod-shop" in what
    assert "platform" not in what
    assert "mails" not in what
    assert remedy.startswith(f"for stack in {what.partition(':')[0].replace(',', '')}; do ")
    assert " --region us-east-1 --stack-name $stack" in remedy
    assert list(unprotected_stacks(config, config.environments[0], account)) == []
    [(right, what, _)] = told(
        unprotected_stacks(config, config.environments[2], Account(describe_stacks=gone("Throttling")))
    )
    assert (right, what.partition(":")[0]) == (None, "which stacks are protected from deletion")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (2, "aws-waf-logs-nova-prod"),
        (2, "/nova/nova-prod-together"),
        (0, "/aws/vendedlogs/states/nova-dev-nightly"),
    ],
)
def test_each_log_group_of_a_fixed_name_is_looked_for(environment: int, name: str) -> None:
    config = configured()
    config = config.model_copy(update={"release": config.release.model_copy(update={"together": True})})
    nightly = {"name": "nightly", "image": IMAGE, "kind": "job", "schedule": "cron(7 3 * * ? *)"}
    jobs = (*config.services, type(config.services[0]).model_validate(nightly))
    config = config.model_copy(update={"services": jobs})
    found = told(leftovers(config, config.environments[environment], in_the_way(logs=(name, f"{name}-2"))))
    assert [what.partition(" is there")[0] for _, what, _ in found] == [f"the log group {name}"]


def test_nobody_is_asked_to_delete_a_load_balancer_of_somebody_else() -> None:
    config = configured()
    account = in_the_way(balancers={"nova-dev": "shop-platform"})
    [(right, _, remedy)] = told(leftovers(config, config.environments[0], account))
    assert right is False
    assert "delete" not in remedy
    assert "platform.name" in remedy


@pytest.mark.parametrize("answer", [ServiceError("AWS: not there", "NoSuchHostedZone"), ANOTHERS])
def test_an_unreadable_hosted_zone_is_reported_once(answer: NovaError) -> None:
    config = configured()
    account = Account(
        describe_stacks=gone("ValidationError"),
        list_resource_record_sets=answer,
        get_queue_url=gone("QueueDoesNotExist"),
        describe_load_balancers=gone("LoadBalancerNotFoundException"),
        describe_log_groups={"logGroups": []},
    )
    assert list(leftovers(config, config.environments[1], account)) == []


def test_what_may_not_be_asked_is_not_known() -> None:
    config = configured()
    account = Account(describe_stacks=gone("AccessDenied"))
    assert {right for right, _, _ in told(leftovers(config, config.environments[1], account))} == {None}


def test_secrets_of_sidecars_are_looked_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_infra.operations.doctor.doctor.tools", lambda _: ())
    config = configured()
    sidecar = {"name": "otel", "image": IMAGE, "secrets": {"TOKEN": {"secret": "acme/otel"}}}
    service = config.services[0]
    service = type(service).model_validate(service.model_dump(exclude_unset=True) | {"sidecars": (sidecar,)})
    config = config.model_copy(update={"services": (service,)})
    asked = []

    class Looked(Account):
        def call(self, _service: str, _operation: str, /, **arguments: Any) -> dict[str, Any]:
            asked.append(arguments.get("SecretId"))
            raise gone("Throttling")

    diagnose(config, ROOT, account_of_caller=lambda: "444444444444", open_account=lambda *_: Looked())
    assert asked.count("acme/otel") == len(config.environments)
