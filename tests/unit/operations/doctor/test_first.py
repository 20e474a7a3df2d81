"""What only a first deployment in an account runs into."""

from typing import Any

import pytest

from helpers.doctor import DEV, TOOLCHAIN, Account, faults, missing, stack
from nova_infra.config import Config

BALANCER = "arn:aws:elasticloadbalancing:us-east-1:222222222222:loadbalancer/app/nova/1"


def zones(region: str, *letters: str, state: str = "available") -> dict[str, Any]:
    return {"AvailabilityZones": [{"ZoneName": f"{region}{each}", "State": state} for each in letters]}


FIRST: dict[str, Any] = {
    "describe_availability_zones": zones("us-east-1", "a", "b", "c"),
    "get_role": {},
    "describe_stack_resources": {
        "StackResources": [
            {"ResourceType": "AWS::ElasticLoadBalancingV2::LoadBalancer", "PhysicalResourceId": BALANCER},
            {"ResourceType": "AWS::WAFv2::WebACL", "PhysicalResourceId": "Filter-1|id|REGIONAL"},
        ]
    },
    "get_web_acl_for_resource": {"WebACL": {"Name": "Filter-1"}},
    "batch_get_account_status": {"accounts": [{"resourceState": {"ecr": {"status": "ENABLED"}}}]},
    "get_open_id_connect_provider": {},
}


def delivered_by_github(config: Config, *existing: str) -> Config:
    changes = {"engine": "github-actions", "existing_oidc_providers": existing}
    return config.model_copy(update={"delivery": config.delivery.model_copy(update=changes)})


def test_an_account_that_has_had_deployments_trips_over_nothing(checks: Any) -> None:
    found = checks(first=True, **FIRST)
    assert [check.what for part in found.values() for check in part if check.right is not True] == []
    assert [check.what for check in found["staging"]][-1] == "firewall: Filter-1 filters the load balancer"
    assert "role AWSServiceRoleForECS" in [check.what for check in found["dev"]]
    assert len(found["staging"]) > len(checks()["staging"])


@pytest.mark.parametrize(
    ("changes", "part", "what", "command"),
    [
        (
            {"get_role": missing("NoSuchEntity")},
            "dev",
            "no role AWSServiceRoleForECS",
            "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        ),
        (
            {"describe_availability_zones": zones("us-east-1", "b", "c")},
            "dev",
            "us-east-1 has no zone a for this account: it has b, c",
            "change network.zones of dev in nova.toml before the first deployment",
        ),
        (
            {"describe_availability_zones": zones("us-east-1", "a", "b", state="impaired")},
            "staging",
            "us-east-1 has no zone a, b for this account: it has none",
            "change network.zones of staging in nova.toml before the first deployment",
        ),
        (
            {"batch_get_account_status": {"accounts": [{"resourceState": {"ecr": {"status": "DISABLED"}}}]}},
            "Toolchain",
            "Inspector's scans of images are DISABLED",
            f"aws inspector2 enable --resource-types ECR --account-ids {TOOLCHAIN}",
        ),
        (
            {"get_web_acl_for_resource": {}},
            "staging",
            "firewall: nothing filters the load balancer",
            f"aws wafv2 associate-web-acl --resource-arn {BALANCER} --web-acl-arn ARN-OF-Filter-1",
        ),
    ],
)
def test_what_a_first_deployment_lacks_is_reported_with_its_command(
    checks: Any, changes: dict[str, Any], part: str, what: str, command: str
) -> None:
    assert (what, command) in faults(checks(first=True, **{**FIRST, **changes}), part)
    assert faults(checks(**{**FIRST, **changes}), part) == [], "only with --first"


def test_an_answer_without_the_account_leaves_inspector_unknown(checks: Any) -> None:
    found = checks(first=True, **{**FIRST, "batch_get_account_status": {"accounts": []}})["Toolchain"]
    [check] = [check for check in found if "Inspector" in check.what]
    assert (check.right, check.what) == (None, "whether Inspector scans images: not known: AWS names no account")
    assert check.remedy.startswith("aws inspector2 enable")


def test_a_first_platform_comes_with_a_remedy_for_its_failure(checks: Any) -> None:
    found = checks(first=True, **{**FIRST, "describe_stack_resources": missing("ValidationError")})["staging"]
    [check] = [check for check in found if check.what.startswith("firewall")]
    assert check.right is True
    assert "delete-stack --stack-name nova-staging-platform" in check.remedy


@pytest.mark.parametrize(
    ("existing", "provider", "stack_", "right", "said"),
    [
        ((), missing("NoSuchEntity"), missing("ValidationError"), True, "made by the first deployment"),
        ((), {}, missing("ValidationError"), False, f'existing_oidc_providers = ["{DEV}"]'),
        ((), {}, stack(TOOLCHAIN), True, "is that of nova-github-actions"),
        ((DEV,), {}, missing("ValidationError"), True, "is there"),
        ((DEV,), missing("NoSuchEntity"), missing("ValidationError"), False, "create-open-id-connect-provider"),
        ((), missing("Throttling"), missing("ValidationError"), None, "not known"),
    ],
)
def test_githubs_identity_provider_is_there_once_and_known(
    config: Config, existing: tuple[str, ...], provider: Any, stack_: Any, right: bool | None, said: str
) -> None:
    from nova_infra.operations.doctor.first import first_in_environment

    answers = {**FIRST, "get_open_id_connect_provider": provider, "describe_stacks": stack_}
    delivered = delivered_by_github(config, *existing)
    found = list(first_in_environment(delivered, delivered.environments[0], Account(answers)))
    [check] = [check for check in found if "identity provider" in check.what]
    assert check.right is right
    assert said in f"{check.what} {check.remedy}"
    assert list(first_in_environment(config, config.environments[0], Account(answers))) == found[:-1]


def test_commands_and_arns_are_of_the_installations_partition(config: Config) -> None:
    from nova_infra.operations.doctor.doctor import bootstrap_command
    from nova_infra.operations.doctor.first import first_in_environment

    asked: list[str] = []

    class Asked(Account):
        def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
            asked.append(str(arguments.get("OpenIDConnectProviderArn")))
            return super().call(service, operation, **arguments)

    delivered = delivered_by_github(config)
    toolchain = delivered.toolchain.model_copy(update={"region": "us-gov-west-1"})
    delivered = delivered.model_copy(update={"toolchain": toolchain})
    answers = {**FIRST, "describe_stacks": missing("ValidationError")}
    list(first_in_environment(delivered, delivered.environments[0], Asked(answers)))
    assert [arn.split(":oidc")[0] for arn in asked if "oidc" in arn] == [f"arn:aws-us-gov:iam::{DEV}"]
    assert "arn:aws-us-gov:iam::aws:policy/" in bootstrap_command(DEV, "us-gov-west-1", TOOLCHAIN)
