"""The permissions boundary for all that the toolchain account creates; part of its bootstrap.

Roles of the pipeline's stack may do no more than an approved template gives them, and nothing of what is denied here,
whatever the template says. CloudFormation, which makes them, has the boundary itself: it makes no role without it, and
cannot change it.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.config import Config
from nova_infra.config.values.fields import aws_regions
from nova_infra.errors import ConfigError, RefusedError
from nova_infra.names import (
    BOOTSTRAP_QUALIFIER,
    PIPELINE_STACK,
    boundary_name,
    environment_prefix,
    repository_name,
    step_role_name,
)
from nova_infra.operations.release.execution_policy import MAX_CHARACTERS

_RESOURCE = "NovaPermissionsBoundary"
# What begins a role's name is its stack and its logical id: CDK Pipelines names none of these.
_DEPLOYING = ("PipelineRole", "PipelineAssets")
_BUILDING = ("PipelineImages",)


_BOOTSTRAP = f"role/cdk-{BOOTSTRAP_QUALIFIER}-*"


def boundary_document(config: Config) -> dict[str, Any]:
    """The boundary's policy document."""
    document = {"Version": "2012-10-17", "Statement": list(_statements(config))}
    size = len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))
    if size > MAX_CHARACTERS:
        raise RefusedError(
            f"permissions boundary: has {size:,} characters, but IAM allows {MAX_CHARACTERS:,}: split the installation"
        )
    return document


def bounded(template: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """A bootstrap template of the toolchain's account that holds the boundary, and limits CloudFormation by it.

    Raises:
        ConfigError: The configuration does not ask for a boundary.
        RefusedError: The template's roles are others than those that this knows.
    """
    if not config.toolchain.permissions_boundary:
        raise ConfigError("toolchain.permissions_boundary: is not set: add permissions_boundary = true to [toolchain]")
    found = copy.deepcopy(dict(template))
    role = found["Resources"].get("CloudFormationExecutionRole")
    if role is None:
        raise RefusedError("cdk bootstrap: has no CloudFormationExecutionRole: use the CDK CLI of package.json")
    role["Properties"]["PermissionsBoundary"] = {"Ref": _RESOURCE}
    found["Resources"][_RESOURCE] = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": boundary_name(config.platform.name),
            "Description": "Keeps what the pipeline's account makes out of the environments",
            "PolicyDocument": boundary_document(config),
        },
    }
    return found


def _statements(config: Config) -> Iterator[dict[str, Any]]:
    iam = f"arn:{aws_regions()[config.toolchain.region]}:iam::"
    yield {"Sid": "WhatTheRolesOwnPoliciesSay", "Effect": "Allow", "Action": "*", "Resource": "*"}
    yield from _of_environments(config, iam)
    yield from _of_roles(config, iam)
    yield from _of_releases(config, iam)


def _of_environments(config: Config, iam: str) -> Iterator[dict[str, Any]]:
    """Who may take roles in the environments' accounts."""
    platform, account = config.platform.name, config.toolchain.account
    accounts = sorted({environment.account for environment in config.environments})
    steps = [step_role_name(environment_prefix(platform, each.name), "*") for each in config.environments]
    publishing = step_role_name(environment_prefix(platform, "*"), "publish")
    deploying = [
        f"{iam}{account}:role/{each}" for each in (*(f"{PIPELINE_STACK}-{one}*" for one in _DEPLOYING), publishing)
    ]
    taking = ["sts:Assume*", "sts:TagSession", "sts:SetSourceIdentity"]
    yield _deny(
        "RolesOfEnvironments",
        taking,
        [f"{iam}{each}:role/*" for each in accounts],
        _but_for([*deploying, *(f"{iam}{account}:role/{step}" for step in steps)]),
    )
    yield _deny("Deployments", taking, [f"{iam}{each}:{_BOOTSTRAP}" for each in accounts], _but_for(deploying))


def _of_roles(config: Config, iam: str) -> Iterator[dict[str, Any]]:
    """What nobody may change: this boundary, who has it, and the bootstrap."""
    account = config.toolchain.account
    policy = f"{iam}{account}:policy/{boundary_name(config.platform.name)}"
    yield _deny(
        "RolesWithoutThisBoundary",
        [
            *("iam:CreateRole", "iam:CreateUser", "iam:PutRolePermissionsBoundary", "iam:PutUserPermissionsBoundary"),
            *("iam:PutRolePolicy", "iam:AttachRolePolicy"),
        ],
        "*",
        {"StringNotEquals": {"iam:PermissionsBoundary": policy}},
    )
    yield _deny("NoBoundary", ["iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"], "*")
    yield _deny(
        "Keys",
        [
            *("iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:PutUserPolicy"),
            *("iam:AttachUserPolicy", "iam:PutGroupPolicy", "iam:AttachGroupPolicy", "iam:AddUserToGroup"),
        ],
        "*",
    )
    yield _deny(
        "ThisBoundaryAndTheBootstrap",
        [
            *("iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"),
            *("iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:DetachRolePolicy", "iam:DeleteRole*"),
            "iam:PassRole",
        ],
        [policy, f"{iam}{account}:{_BOOTSTRAP}"],
    )
    yield _deny(
        "StackOfTheBootstrap",
        ["cloudformation:*"],
        f"{iam.replace(':iam::', ':cloudformation:*:')}{account}:stack/CDKToolkit/*",
    )


def _of_releases(config: Config, iam: str) -> Iterator[dict[str, Any]]:
    """What a release rests on: approvals, ledgers, images and signatures."""
    platform, account = config.platform.name, config.toolchain.account
    building = [f"{iam}{account}:role/{PIPELINE_STACK}-{each}*" for each in _BUILDING]
    yield _deny("Approvals", ["codepipeline:PutApprovalResult", "codepipeline:OverrideStageCondition"], "*")
    parameters = f"{iam.replace(':iam::', ':ssm:*:*:')}parameter/{platform}/*"
    yield _deny("Ledgers", ["ssm:PutParameter", "ssm:DeleteParameter*"], parameters)
    images = f"{iam.replace(':iam::', ':ecr:*:')}{account}:repository/{repository_name(platform, '*')}"
    yield _deny("Images", ["ecr:PutImage", "ecr:InitiateLayerUpload"], images, _but_for(building))
    yield _deny("Signatures", ["signer:SignPayload"], "*", _but_for(building))
    yield _deny("ImagesRemoved", ["ecr:BatchDeleteImage"], images)


def _deny(
    sid: str, actions: Sequence[str], resource: str | Sequence[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    more = {"Condition": condition} if condition else {}
    named = resource if isinstance(resource, str) else list(resource)
    return {"Sid": sid, "Effect": "Deny", "Action": list(actions), "Resource": named, **more}


def _but_for(arns: Sequence[str]) -> dict[str, Any]:
    return {"ArnNotLike": {"aws:PrincipalArn": list(arns)}}
