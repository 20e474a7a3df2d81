"""What only a first deployment in an account runs into."""

from typing import Any

import pytest

from helpers.doctor import DEV, TOOLCHAIN, Account, faults, missing, stack
from nova_infra.config import Config
from nova_infra.operations.doctor.first import left_to_fill_in


def test_what_nova_toml_marks_with_todo_is_listed() -> None:
    text = '# What is TODO is yours.\nx = 1 # TODO this one is a placeholder\n# TODO why 1\nbranch = "TODO"\n'
    listed = list(left_to_fill_in(text))
    assert [(each.right, each.what) for each in listed] == [
        (False, "line 2 is marked TODO: this one is a placeholder"),
        (None, "line 3 is marked TODO: why 1"),
    ]


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
    "get_registry_scanning_configuration": {"scanningConfiguration": {"scanType": "BASIC", "rules": []}},
    "describe_load_balancers": missing("LoadBalancerNotFound"),
    "describe_log_groups": {"logGroups": []},
    "get_signing_configuration": missing("SigningConfigurationNotFoundException"),
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
    assert "delete-stack --region us-east-1 --stack-name nova-staging-platform" in check.remedy


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


def shared(config: Config, **answers: Any) -> list[Any]:
    from nova_infra.operations.doctor.leftovers import settings_of_others

    new = {"describe_stacks": missing("ValidationError")}
    return list(settings_of_others(config, Account({**FIRST, **new, **answers})))


def rules(*filters: str) -> list[dict[str, Any]]:
    return [{"repositoryFilters": [{"filter": each} for each in filters]}]


SCANS = {"scanningConfiguration": {"scanType": "ENHANCED", "rules": rules("shop/*", "*-base")}}
SIGNS = {"signingConfiguration": {"rules": [{"signingProfileArn": "arn"}]}}


def test_what_a_registry_has_once_is_not_taken_from_others(config: Config) -> None:
    assert [check.right for check in shared(config)] == [True, True]
    scanning, signing = shared(config, get_registry_scanning_configuration=SCANS, get_signing_configuration=SIGNS)
    assert (scanning.right, signing.right) == (False, False)
    assert "scans *-base, shop/*, and the first deployment would replace these rules" in scanning.what
    assert 'scanning = "basic"' in scanning.remedy
    assert "the registry signs all" in signing.what
    assert "aws ecr delete-signing-configuration" in signing.remedy
    images = config.images.model_copy(update={"scanning": "basic"})
    basic = config.model_copy(update={"images": images})
    assert len(shared(basic, get_registry_scanning_configuration=SCANS)) == 1
    assert shared(config, describe_stacks=stack(TOOLCHAIN), get_signing_configuration=SIGNS) == [], "its own"
    assert [each.right for each in shared(config, describe_stacks=missing("Throttling"))] == [None]
    assert [each.right for each in shared(config, get_signing_configuration=missing("Throttling"))] == [True, None]


def test_rules_of_basic_scans_are_others_too(config: Config) -> None:
    scans = {"scanningConfiguration": {"scanType": "BASIC", "rules": rules("legacy/*")}}
    scanning, _ = shared(config, get_registry_scanning_configuration=scans)
    assert scanning.right is False
    assert scanning.what.startswith("the registry scans legacy/*, and the first deployment would replace")


def test_a_slack_workspace_has_to_be_authorized_by_a_person(config: Config) -> None:
    from nova_infra.config import Notifications
    from nova_infra.operations.doctor.first import workspace

    def asked(answer: Any) -> Any:
        channel = Notifications.model_validate({"slack": {"workspace": "T01234567", "channel": "C01234567"}})
        [check] = workspace(channel, Account({"describe_slack_workspaces": answer}))
        return check

    assert asked({"SlackWorkspaces": [{"SlackTeamId": "T01234567"}]}).right is True
    there = asked({"SlackWorkspaces": [{"SlackTeamId": "T07654321"}]})
    assert there.right is False
    assert "Configure new client" in there.remedy
    assert asked({"SlackWorkspaces": [], "NextToken": "more"}).right is None
    assert asked(missing("Throttling")).right is None
    assert list(workspace(config.toolchain.notifications, Account({}))) == []


def test_the_role_of_notification_rules_is_there_before_the_first_one(checks: Any, config: Config) -> None:
    found = faults(checks(first=True, **{**FIRST, "get_role": missing("NoSuchEntity")}), "Toolchain")
    command = "aws iam create-service-linked-role --aws-service-name codestar-notifications.amazonaws.com"
    assert ("no role AWSServiceRoleForCodeStarNotifications", command) in found
    github = checks(config=delivered_by_github(config), first=True, **{**FIRST, "get_role": missing("NoSuchEntity")})
    assert "no role AWSServiceRoleForCodeStarNotifications" not in [what for what, _ in faults(github, "Toolchain")]
