"""Checks that the toolchain account's permissions boundary exists, is the right one, and limits every role."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

from nova_infra.config import Config
from nova_infra.config.values.fields import aws_regions
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.names import BOOTSTRAP_QUALIFIER, PIPELINE_STACK, boundary_name
from nova_infra.operations.doctor.check import Check, not_known
from nova_infra.operations.release.permissions_boundary import boundary_document


def boundary_checks(config: Config, access: Account) -> Iterator[Check]:
    """The boundary that ``permissions_boundary = true`` asks for; nothing where nobody asks."""
    toolchain = config.toolchain
    if not toolchain.permissions_boundary:
        return
    name = boundary_name(config.platform.name)
    arn = f"arn:{aws_regions()[toolchain.region]}:iam::{toolchain.account}:policy/{name}"
    bootstrap = (
        "nova policy bootstrap --toolchain > toolchain.json && "
        f"npx cdk bootstrap --template toolchain.json aws://{toolchain.account}/{toolchain.region}"
    )
    try:
        version = access.call("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = access.call("iam", "get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        limited = set(_roles_limited_by(arn, access))
        wanted = {f"cdk-{BOOTSTRAP_QUALIFIER}-cfn-exec-role-{toolchain.account}-{toolchain.region}", *_roles(access)}
    except NovaError as error:
        if error.code in ("NoSuchEntity", "NoSuchEntityException"):
            yield Check(False, f"no permissions boundary {name}", bootstrap)
        else:
            yield not_known(f"the permissions boundary {name}", error)
        return
    if isinstance(found, str):  # as IAM's answer has it
        found = json.loads(unquote(found))
    same = _meaning(found) == _meaning(boundary_document(config))
    said = f"permissions boundary {name}" if same else f"permissions boundary {name} is not what nova.toml gives"
    yield Check(same, said, "" if same else bootstrap)
    if free := sorted(wanted - limited):
        remedy = bootstrap if free[0].startswith("cdk-") else f"npx cdk deploy {PIPELINE_STACK}"
        yield Check(False, f"without the permissions boundary: {', '.join(free)}", remedy)
    else:
        yield Check(True, f"it limits CloudFormation and {len(wanted) - 1} roles of {PIPELINE_STACK}")


def _roles_limited_by(arn: str, access: Account) -> Iterator[str]:
    which = {"PolicyArn": arn, "PolicyUsageFilter": "PermissionsBoundary"}
    for role in access.pages("iam", "list_entities_for_policy", "PolicyRoles", **which):
        yield role["RoleName"]


def _roles(access: Account) -> Iterator[str]:
    """Names of the roles that the pipeline's stack has created; empty if it is not deployed yet."""
    of_stack = ("cloudformation", "list_stack_resources", "StackResourceSummaries")
    try:
        for resource in access.pages(*of_stack, StackName=PIPELINE_STACK):
            if resource["ResourceType"] == "AWS::IAM::Role" and resource["ResourceStatus"] != "DELETE_COMPLETE":
                yield resource["PhysicalResourceId"]
    except NovaError as error:
        if error.code != "ValidationError":
            raise


def _meaning(document: object) -> object:
    """A policy document without the order of keys and lists, which IAM ignores."""
    if isinstance(document, dict):
        return {key: _meaning(value) for key, value in document.items()}
    if isinstance(document, list):
        return sorted((_meaning(each) for each in document), key=lambda each: json.dumps(each, sort_keys=True))
    return document
