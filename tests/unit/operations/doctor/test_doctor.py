"""``nova doctor``: what is right, what has to be mended and how, and what is not known."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import Config, parse_config
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.documents.terminal import as_text
from nova_infra.errors import NovaError
from nova_infra.operations.doctor.check import Check
from nova_infra.operations.doctor.doctor import PlaceChecks, diagnose, document, must_be_fixed, tools

ROOT = Path(__file__).parents[4]
TOOLCHAIN, DEV = "444444444444", "111111111111"


def missing(code: str) -> ServiceError:
    return ServiceError(f"AWS: not there ({code})", code)


def parameter(value: str) -> dict[str, Any]:
    return {"Parameter": {"Value": value}}


def stack(trusted: str) -> dict[str, Any]:
    return {"Stacks": [{"Parameters": [{"ParameterKey": "TrustedAccounts", "ParameterValue": trusted}]}]}


GOOD: dict[str, Any] = {
    "get_parameter": parameter("31"),
    "describe_stacks": stack(f"555555555555, {TOOLCHAIN}"),
    "get_connection": {"Connection": {"ConnectionStatus": "AVAILABLE"}},
    "list_images": {"imageIds": [{"imageTag": "a"}]},
    "get_hosted_zone": {"HostedZone": {"Name": "nova.example.com.", "Config": {"PrivateZone": False}}},
    "describe_secret": {},
    "get_service_quota": {"Quota": {"Value": 100.0}},
    "list_service_quotas": {
        "Quotas": [
            {"QuotaName": "Build projects", "QuotaCode": "L-1", "Value": 5000.0},
            {"QuotaName": "Concurrently running builds for Linux/Small environment", "QuotaCode": "L-2", "Value": 60.0},
        ]
    },
}


class Account:
    """Answers every operation with what a test says."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers
        self.calls: list[tuple[str, str, str | None, dict[str, Any]]] = []

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        self.calls.append((service, operation, region, arguments))
        answer = self._answers[operation]
        if isinstance(answer, NovaError):
            raise answer
        found: dict[str, Any] = answer
        return found


@pytest.fixture
def config() -> Config:
    """Four services, however many there are: some of what is told counts them."""
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    return parse_config({**raw, "services": raw["services"][:4]})


@pytest.fixture
def checks(config: Config, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, list[Check]]]:
    """Diagnoses accounts that answer as they should, but for what is given; part to its checks."""
    monkeypatch.setattr("nova_infra.operations.doctor.doctor.tools", lambda _: ())

    def run(
        *, caller: str = TOOLCHAIN, refuse: Any = None, config: Config = config, first: bool = False, **changes: Any
    ) -> Any:
        def open_account(account: str, region: str, own: bool) -> Account:
            assert own == (account == caller)
            if refuse is not None and not own:
                raise refuse
            return Account({**GOOD, **changes})

        found = diagnose(config, ROOT, account_of_caller=lambda: caller, open_account=open_account, first=first)
        return {part.title.split(" (")[0]: list(part.checks) for part in found}

    return run


def faults(found: dict[str, list[Check]], part: str) -> list[tuple[str, str]]:
    return [(check.what, check.remedy) for check in found[part] if check.right is False]


def test_an_installation_that_is_ready_has_nothing_to_mend(checks: Any) -> None:
    found = checks()
    assert [check.what for part in found.values() for check in part if check.right is not True] == []
    assert [check.what for check in found["dev"]] == [
        "bootstrap version 31",
        f"trusts the toolchain {TOOLCHAIN}",
        "4 of 100 Fargate vCPUs, with twice the tasks in a deployment",
        "1 of 100 elastic addresses, for NAT gateways",
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
            "npx cdk deploy NovaRegistryStack",
        ),
        (
            {"get_hosted_zone": missing("NoSuchHostedZone")},
            "prod",
            "no hosted zone Z00000000000000PROD",
            "create the zone",
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
def test_what_has_to_be_mended_is_told_with_what_to_do(
    checks: Any, changes: dict[str, Any], part: str, what: str, remedy: str
) -> None:
    found = faults(checks(**changes), part)
    [(_, cure)] = [fault for fault in found if fault[0].startswith(what)]
    assert remedy in cure


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
    assert [check.right for check in found["dev"]] == [True, None, None, None]


def test_no_image_yet_is_no_fault_because_the_pipeline_builds_it(checks: Any) -> None:
    [check] = [check for check in checks(list_images={"imageIds": []})["Toolchain"] if "no image yet" in check.what]
    assert check.right is None


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

    for what in ("Fargate vCPUs", "elastic addresses"):
        together = needed(alone, first.name, what) + needed(alone, second.name, what)
        assert needed(found, first.name, what) == needed(found, second.name, what) == together
        assert needed(found, third.name, what) == needed(alone, third.name, what)
    assert any("of dev and staging together" in check.what for check in found["dev"])


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
def test_what_a_first_deployment_lacks_is_said_with_its_command(
    checks: Any, changes: dict[str, Any], part: str, what: str, command: str
) -> None:
    assert (what, command) in faults(checks(first=True, **{**FIRST, **changes}), part)
    assert faults(checks(**{**FIRST, **changes}), part) == [], "only with --first"


def test_an_answer_without_the_account_leaves_inspector_unknown(checks: Any) -> None:
    found = checks(first=True, **{**FIRST, "batch_get_account_status": {"accounts": []}})["Toolchain"]
    [check] = [check for check in found if "Inspector" in check.what]
    assert (check.right, check.what) == (None, "whether Inspector scans images: not known: AWS names no account")
    assert check.remedy.startswith("aws inspector2 enable")


def test_a_platform_that_is_not_there_yet_is_told_what_to_do_if_it_fails(checks: Any) -> None:
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
