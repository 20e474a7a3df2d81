"""What ``nova doctor`` says of the permissions boundary: nothing where nobody asks for it."""

import copy
import json
import tomllib
from typing import Any
from urllib.parse import quote

import pytest

from helpers.doctor import ROOT, TOOLCHAIN, Account, missing
from nova_infra.config import Config, parse_config
from nova_infra.operations.doctor.boundary import boundary_checks
from nova_infra.operations.release.permissions_boundary import boundary_document

EXECUTION = f"cdk-hnb659fds-cfn-exec-role-{TOOLCHAIN}-us-east-1"
STEP, ROLE = "nova-prod-verify-step", "NovaPipelineStack-PipelineRole1-X"
BOOTSTRAP = "nova policy bootstrap --toolchain > toolchain.json && npx cdk bootstrap --template toolchain.json aws://"


@pytest.fixture(scope="module")
def bounded() -> Config:
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    raw["toolchain"]["permissions_boundary"] = True
    return parse_config(raw)


def resource(name: str, kind: str = "AWS::IAM::Role", status: str = "CREATE_COMPLETE") -> dict[str, str]:
    return {"PhysicalResourceId": name, "ResourceType": kind, "ResourceStatus": status}


class OneByOne(Account):
    """Answers lists with one thing a page."""

    def call(self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any) -> dict[str, Any]:
        found = super().call(service, operation, region=region, **arguments)
        for key, given, asked in (("PolicyRoles", "Marker", "Marker"), ("StackResourceSummaries", *["NextToken"] * 2)):
            if key in found:
                place = int(arguments.get(asked, "0"))
                more = place + 1 < len(found[key])
                next_ = {given: str(place + 1), "IsTruncated": True} if more else {"IsTruncated": False}
                return {key: found[key][place : place + 1], **next_}
        return found


def look(config: Config, **changes: Any) -> list[tuple[bool | None, str, str]]:
    answers = {
        "get_policy": {"Policy": {"DefaultVersionId": "v3"}},
        "get_policy_version": {"PolicyVersion": {"Document": boundary_document(config)}},
        "list_entities_for_policy": {"PolicyRoles": [{"RoleName": each} for each in (ROLE, STEP, EXECUTION)]},
        "list_stack_resources": {
            "StackResourceSummaries": [
                resource(ROLE),
                resource("old", status="DELETE_COMPLETE"),
                resource("bucket", "AWS::S3::Bucket"),
                resource(STEP),
            ]
        },
    }
    account = OneByOne(answers | changes)
    found = [(check.right, check.what, check.remedy) for check in boundary_checks(config, account)]
    for _, operation, _, arguments in account.calls:
        if "policy" in operation:
            assert arguments["PolicyArn"] == f"arn:aws:iam::{TOOLCHAIN}:policy/nova-boundary"
        if operation == "get_policy_version":
            assert arguments["VersionId"] == "v3", "the one that holds"
        if operation == "list_entities_for_policy":
            assert arguments["PolicyUsageFilter"] == "PermissionsBoundary", "not those that merely have its permissions"
    return found


def test_nobody_is_asked_about_a_boundary_that_nobody_wants(config: Config) -> None:
    assert list(boundary_checks(config, Account({}))) == []


def test_a_boundary_that_limits_every_role_is_right(bounded: Config) -> None:
    right = [(True, "permissions boundary nova-boundary", "")]
    assert look(bounded) == [*right, (True, "it limits CloudFormation and 2 roles of NovaPipelineStack", "")]


def test_the_order_of_statements_and_the_form_that_iam_stores_are_nothing(bounded: Config) -> None:
    document = copy.deepcopy(boundary_document(bounded))
    document["Statement"].reverse()
    for each in (document, quote(json.dumps(document))):
        assert look(bounded, get_policy_version={"PolicyVersion": {"Document": each}})[0][0] is True


def test_a_boundary_that_is_not_there_takes_the_bootstrap(bounded: Config) -> None:
    [(right, what, remedy)] = look(bounded, get_policy=missing("NoSuchEntity"))
    assert (right, what) == (False, "no permissions boundary nova-boundary")
    assert remedy == f"{BOOTSTRAP}{TOOLCHAIN}/us-east-1"


@pytest.mark.parametrize("place", range(13))
def test_a_boundary_that_denies_less_or_something_else_is_reported(bounded: Config, place: int) -> None:
    document = copy.deepcopy(boundary_document(bounded))
    del document["Statement"][place]
    right, what, remedy = look(bounded, get_policy_version={"PolicyVersion": {"Document": document}})[0]
    assert (right, what) == (False, "permissions boundary nova-boundary is not what nova.toml gives")
    assert remedy.startswith(BOOTSTRAP)


def test_cloudformation_without_it_takes_the_bootstrap_and_a_role_another_deployment(bounded: Config) -> None:
    limited = {"PolicyRoles": [{"RoleName": ROLE}, {"RoleName": STEP}]}
    [_, (right, what, remedy)] = look(bounded, list_entities_for_policy=limited)
    assert (right, what) == (False, f"without the permissions boundary: {EXECUTION}")
    assert remedy.startswith(BOOTSTRAP)
    limited = {"PolicyRoles": [{"RoleName": EXECUTION}, {"RoleName": ROLE}]}
    [_, fault] = look(bounded, list_entities_for_policy=limited)
    assert fault == (False, f"without the permissions boundary: {STEP}", "npx cdk deploy NovaPipelineStack")


def test_before_the_first_deployment_cloudformation_is_limited_already(bounded: Config) -> None:
    [_, line] = look(bounded, list_stack_resources=missing("ValidationError"))
    assert line == (True, "it limits CloudFormation and 0 roles of NovaPipelineStack", "")


def test_what_may_not_be_read_is_not_called_wrong(bounded: Config) -> None:
    for operation in ("get_policy", "list_entities_for_policy", "list_stack_resources"):
        [(right, what, _)] = look(bounded, **{operation: missing("AccessDenied")})
        assert (right, what.partition(": ")[0]) == (None, "the permissions boundary nova-boundary")
