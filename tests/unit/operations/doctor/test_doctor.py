"""``nova doctor``: what is right, what has to be mended and how, and what is not known."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from helpers.doctor import ANOTHERS, DEV, FORBIDDEN, ROOT, TOOLCHAIN, Account, faults, missing, parameter, stack
from nova_infra.config import Config, parse_config
from nova_infra.deployed.aws.client.errors import DeniedError
from nova_infra.documents.terminal import as_text
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check
from nova_infra.operations.doctor.doctor import PlaceChecks, diagnose, document, must_be_fixed, tools


def test_a_ready_installation_has_nothing_to_fix(checks: Any) -> None:
    found = checks()
    assert [check.what for part in found.values() for check in part if check.right is not True] == []
    assert [check.what for check in found["dev"]] == [
        "bootstrap version 31",
        f"trusts the toolchain {TOOLCHAIN}",
        "4 of 100 Fargate vCPUs, with twice the tasks in a deployment",
        "1 of 100 elastic addresses, for NAT gateways",
        "1 of 100 VPCs",
    ]


@pytest.mark.parametrize(
    ("changes", "part", "what", "remedy"),
    [
        ({"get_parameter": missing("ParameterNotFound")}, "dev", "not bootstrapped", f"--trust {TOOLCHAIN}"),
        (
            {"get_parameter": missing("ParameterNotFound")},
            "Toolchain",
            "not bootstrapped",
            f"aws://{TOOLCHAIN}/us-east-1",
        ),
        ({"get_parameter": parameter("5")}, "dev", "bootstrap version 5", "npx cdk bootstrap"),
        ({"describe_stacks": stack("")}, "dev", f"does not trust the toolchain {TOOLCHAIN}", f"--trust {TOOLCHAIN}"),
        (
            {"get_connection": {"Connection": {"ConnectionStatus": "PENDING"}}},
            "Toolchain",
            "the connection to org/nova-platform is PENDING",
            "Update pending connection",
        ),
        ({"get_connection": missing("ResourceNotFoundException")}, "Toolchain", "no connection arn:", "create one"),
        (
            {"list_images": missing("RepositoryNotFoundException")},
            "Toolchain",
            "no repository nova/bills-service, nova/carts-service",
            "npx cdk deploy NovaRegistryStack --import-existing-resources",
        ),
        (
            {"get_hosted_zone": missing("NoSuchHostedZone")},
            "prod",
            "no hosted zone Z00000000000000PROD",
            "create the zone",
        ),
        (
            {"get_hosted_zone": ANOTHERS},
            "prod",
            "hosted zone Z00000000000000PROD is in another account",
            "by an NS record in Z00000000000000PROD",
        ),
        (
            {"get_hosted_zone": {"HostedZone": {"Name": "other.com.", "Config": {}}}},
            "prod",
            "hosted zone Z00000000000000PROD is of other.com",
            "in nova.toml",
        ),
        (
            {"get_hosted_zone": {"HostedZone": {"Name": "example.com.", "Config": {"PrivateZone": True}}}},
            "prod",
            "hosted zone Z00000000000000PROD is private",
            "public zone",
        ),
        (
            {"get_service_quota": {"Quota": {"Value": 6.0}}},
            "prod",
            "20 of 6 Fargate vCPUs, with twice the tasks in a deployment",
            "request 20 in Service Quotas (fargate L-3032A538)",
        ),
    ],
)
def test_what_must_be_fixed_is_reported_with_what_to_do(
    checks: Any, changes: dict[str, Any], part: str, what: str, remedy: str
) -> None:
    found = faults(checks(**changes), part)
    [(_, cure)] = [fault for fault in found if fault[0].startswith(what)]
    assert remedy in cure


def test_a_host_of_a_service_has_to_be_in_the_zone_as_well(checks: Any) -> None:
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    raw["environments"][2]["domain"]["zone_name"] = "example.com"
    raw["services"][0] |= {"hosts": ["shop.example.com"], "smoke": [], "untested_reason": "its only path needs a login"}
    raw["services"][0]["paths"] = ["/carts/*"]
    raw["services"][0]["environments"] = {"staging": {"hosts": []}}
    config = parse_config(raw)
    [(what, remedy)] = faults(checks(config=config), "prod")
    assert what == "hosted zone Z00000000000000PROD is of nova.example.com"
    assert "the zone that shop.example.com is in" in remedy


def test_a_zone_that_may_not_be_looked_at_is_not_said_to_be_anothers(checks: Any) -> None:
    found = checks(get_hosted_zone=FORBIDDEN)
    assert faults(found, "prod") == []
    assert any("the hosted zone of nova.example.com: not known" in check.what for check in found["prod"])


def test_a_secret_that_a_service_needs_is_looked_for_in_each_environment(checks: Any) -> None:
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    raw["services"][0]["secrets"] = {"TOKEN": "nova/token"}
    found = checks(config=parse_config(raw), describe_secret=missing("ResourceNotFoundException"))
    for environment in ("dev", "staging", "prod"):
        assert [what for what, _ in faults(found, environment)] == ["no secret nova/token"]


def test_from_the_toolchain_a_refused_lookup_role_means_no_bootstrap_or_no_trust(checks: Any) -> None:
    [(what, remedy)] = faults(checks(refuse=DeniedError("AWS does not allow sts:AssumeRole")), "dev")
    assert what == "not bootstrapped, or it does not trust the toolchain"
    assert remedy == (
        f"npx cdk bootstrap aws://{DEV}/us-east-1 --trust {TOOLCHAIN} "
        "--cloudformation-execution-policies arn:aws:iam::aws:policy/AdministratorAccess"
    )


def test_with_other_credentials_the_accounts_are_not_known_and_nothing_is_called_wrong(checks: Any) -> None:
    found = checks(caller="999999999999", refuse=DeniedError("AWS does not allow sts:AssumeRole"))
    assert {check.right for part in found.values() for check in part} == {None}
    assert found["Credentials"][0].remedy == f"sign in to {TOOLCHAIN}, which can reach the others"


def test_what_may_not_be_looked_at_is_not_known(checks: Any) -> None:
    denied = DeniedError("AWS does not allow servicequotas:GetServiceQuota")
    found = checks(get_service_quota=denied, get_connection=denied, describe_stacks=denied)
    assert faults(found, "dev") == []
    assert [check.right for check in found["dev"]] == [True, None, None, None, None]


def test_no_image_yet_is_no_fault_because_the_pipeline_builds_it(checks: Any) -> None:
    [check] = [check for check in checks(list_images={"imageIds": []})["Toolchain"] if "no image yet" in check.what]
    assert check.right is None


@pytest.mark.exhaustive("test_a_cdk_cli_that_package_json_does_not_name_has_to_be_replaced")
def test_without_credentials_this_machine_is_checked_and_the_rest_is_said_to_be_unchecked(config: Config) -> None:
    def none() -> str:
        raise NovaError("credentials: none found")

    parts = diagnose(config, ROOT, account_of_caller=none, open_account=lambda *_: Account({}))
    assert [part.title for part in parts] == ["This machine", "AWS"]
    assert parts[1].checks == (Check(None, "not checked: credentials: none found"),)


def test_a_cdk_cli_that_package_json_does_not_name_has_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"devDependencies": {"aws-cdk": "2.1148.1"}}')
    binary = tmp_path / "node_modules" / ".bin" / "cdk"
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\necho '3.0.0 (build 1234567)'\n")
    binary.chmod(0o755)
    assert Check(False, "CDK CLI 3.0.0, where package.json has 2.1148.1", "run `make setup`") in tools(tmp_path)


def test_the_lines_show_each_remedy_below_its_check_and_count_at_the_end() -> None:
    part = PlaceChecks("Here", (Check(True, "good"), Check(False, "bad", "mend it"), Check(None, "unclear")))
    assert as_text(document([part])).splitlines() == [
        "Here",
        "  ✓ good",
        "  ✗ bad",
        "      mend it",
        "  ? unclear",
        "",
        "1 to fix, 1 could not be checked",
    ]
    assert must_be_fixed([part])
    assert not must_be_fixed([PlaceChecks("Here", (Check(True, "good"), Check(None, "unclear")))])
    assert as_text(document([PlaceChecks("Here", (Check(True, "good"),))])).splitlines()[-1] == "nothing to fix"


def builds(value: float, kind: str = "Linux/Small") -> dict[str, Any]:
    name = f"Concurrently running builds for {kind} environment"
    return {"Quotas": [{"QuotaName": name, "QuotaCode": "L-9", "Value": value}]}


@pytest.mark.parametrize(
    ("quotas", "right", "what", "remedy"),
    [
        (builds(60), True, "60 concurrent Linux/Small builds", ""),
        (
            builds(1),
            True,
            "1 concurrent Linux/Small build: one execution",
            "request 3 in Service Quotas (codebuild L-9)",
        ),
        (builds(0), False, "no Linux/Small build may run", "request 3 in Service Quotas (codebuild L-9)"),
        (builds(7, "Linux/Large"), None, "no such quota is listed", ""),
    ],
)
def test_codebuild_says_how_many_builds_may_run_at_once(
    checks: Any, quotas: Any, right: bool | None, what: str, remedy: str
) -> None:
    [found] = [check for check in checks(list_service_quotas=quotas)["Toolchain"] if "Linux/Small" in check.what]
    assert found.right is right
    assert what in found.what
    assert remedy in found.remedy
    assert bool(remedy) is bool(found.remedy)


def test_environments_of_one_account_share_its_quotas(checks: Any, config: Config) -> None:
    first, second, third = config.environments
    shared = second.model_copy(update={"account": first.account})
    found = checks(config=config.model_copy(update={"environments": (first, shared, third)}))
    alone = checks()

    def needed(checks_: Any, part: str, what: str) -> float:
        [check] = [check for check in checks_[part] if what in check.what]
        return float(check.what.partition(" ")[0])

    for what in ("Fargate vCPUs", "elastic addresses", "VPCs"):
        together = needed(alone, first.name, what) + needed(alone, second.name, what)
        assert needed(found, first.name, what) == needed(found, second.name, what) == together
        assert needed(found, third.name, what) == needed(alone, third.name, what)
    assert any("of dev and staging together" in check.what for check in found["dev"])


def test_addresses_and_networks_of_others_count_too_and_those_of_its_own_once(checks: Any) -> None:
    own = {"Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "nova-prod-platform"}]}
    other = {"Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "shop-prod-platform"}]}
    managed = {"ServiceManaged": "alb"}
    there = {
        "describe_addresses": {"Addresses": [own, own, own, other, managed, {"PublicIpv4Pool": "ipv4pool-ec2-1"}]},
        "describe_vpcs": {"Vpcs": [own, other, {}]},
    }
    found = checks(**there, get_service_quota={"Quota": {"Value": 3.0}})["prod"]
    said = [(each.right, each.what) for each in found if "of others" in each.what]
    assert said == [
        (False, "4 of 3 elastic addresses, for NAT gateways, with 1 of others"),
        (True, "3 of 3 VPCs, with 2 of others"),
    ]
