"""``nova policy cloudformation``: the least policy with which CloudFormation can deploy an assembly.

CDK's bootstrap lets CloudFormation do everything unless it is given a policy. This policy is drawn from the templates:
the services whose resources they hold, in the regions that they go to; roles of the installation's own names, and
nothing of the bootstrap. It keeps a deployment out of everything else in the account. It does not limit the roles
that a template makes: those may do what the template says.

Of a service it allows every action but some that no handler of a resource calls. A list of what the handlers do call
does not fit: 381 actions in 11,295 characters for the 42 types of an environment, by the schemas that cfn-lint ships.
Some types say nothing of their handlers, and AWS changes them without notice: the next rollback might be denied.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova_infra.assembly import Assembly, Template
from nova_infra.config.values.fields import aws_regions
from nova_infra.errors import RefusedError
from nova_infra.names import BOOTSTRAP_QUALIFIER, REGISTRY_STACK

_REFERENCE = re.compile(
    r"\{\{resolve:(secretsmanager|ssm-secure|ssm):((?:arn:[^:}\"$]*:[^:}\"$]*:[^:}\"$]*:[^:}\"$]*:secret:)?[^:}\"$\\]*)(.)"
)
"""A dynamic reference: its kind, what it names, and the character after that."""

MAX_CHARACTERS = 6_144
"""Of a managed policy: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""

# The second part of a resource type to the prefix of its service's actions:
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
REGIONAL = {
    "ApplicationAutoScaling": "application-autoscaling",
    "CertificateManager": "acm",
    "CloudWatch": "cloudwatch",
    "CodeBuild": "codebuild",
    "CodePipeline": "codepipeline",
    "CodeStarNotifications": "codestar-notifications",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "ECR": "ecr",
    "ECS": "ecs",
    "ElasticLoadBalancingV2": "elasticloadbalancing",
    "Events": "events",
    "KMS": "kms",
    "Lambda": "lambda",
    "Logs": "logs",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
    "SSM": "ssm",
    "Scheduler": "scheduler",
    "SecretsManager": "secretsmanager",
    "Signer": "signer",
    "ServiceDiscovery": "servicediscovery",
    "StepFunctions": "states",
    "WAFv2": "wafv2",
}
_GLOBAL = {"Chatbot": "chatbot", "Route53": "route53"}
_NEEDS_NOTHING = ("CDK", "CloudFormation", "IAM")  # the last has statements of its own
# What the handlers of some types call besides their own service's actions.
_BESIDES = {"CloudWatch": (), "ECR": ("inspector2",), "WAFv2": ("logs", "elasticloadbalancing"), "ECS": ("ec2",)}

# What reads data, or runs something, and belongs to no resource's creation, change or removal.
NEVER = (
    *("codebuild:StartBuild*", "codepipeline:PutApprovalResult", "ecr:PutImage", "ecr:UploadLayerPart"),
    *("ecs:ExecuteCommand", "ecs:RunTask", "ecs:StartTask", "logs:FilterLogEvents", "logs:GetLogEvents"),
    *("sqs:ReceiveMessage", "ssm:SendCommand", "ssm:StartSession", "states:StartExecution"),
)

_ROLE_ACTIONS = (
    *("CreateRole", "DeleteRole", "GetRole", "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription"),
    *("DeleteRolePolicy", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies", "PutRolePolicy"),
    *("DeleteRolePermissionsBoundary", "PutRolePermissionsBoundary"),
    *("ListRoleTags", "TagRole", "UntagRole"),
)


def execution_policy(assembly: Assembly, account: str, *, platform: str) -> dict[str, Any]:
    """The policy document with which CloudFormation can deploy an assembly's stacks to an account.

    Args:
        platform: Name of the installation, with which the names of its roles begin.

    Raises:
        RefusedError: Nothing of the assembly goes there, a resource type is not known, or the policy is too large.
    """
    stacks = [stack for stack in assembly.stacks() if stack.account == account]
    if not stacks:
        known = ", ".join(sorted({stack.account for stack in assembly.stacks()}))
        raise RefusedError(f"account: no stack of {assembly.directory} goes to {account}: choose one of {known}")
    templates = [assembly.template(stack.template_path) for stack in stacks]
    regions = sorted({stack.region for stack in stacks})
    statements = list(_statements(templates, account, regions, _role_names(platform, stacks)))
    # An account is in one partition; the statements are written for the usual one.
    partition = aws_regions().get(regions[0], "aws")
    document = {
        "Version": "2012-10-17",
        "Statement": json.loads(json.dumps(statements).replace('"arn:aws:', f'"arn:{partition}:')),
    }
    size = len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))
    if size > MAX_CHARACTERS:
        fault = f"has {size:,} characters, but IAM allows {MAX_CHARACTERS:,}"
        raise RefusedError(f"policy: {fault}: split the installation")
    return document


def _role_names(platform: str, stacks: Iterable[Any]) -> list[str]:
    """Patterns of role names: those that Nova gives, and those that CloudFormation derives from a stack's name."""
    others = {stack.name for stack in stacks if not stack.name.startswith(f"{platform}-")}
    return [f"{platform}-*", *(f"{name[:24]}*" for name in sorted(others) if name != REGISTRY_STACK)]


def _statements(
    templates: Sequence[Template], account: str, regions: list[str], names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    types = {str(resource["Type"]) for template in templates for resource in template.get("Resources", {}).values()}
    regional, worldwide = _services(types)
    yield _allow(
        "Resources",
        [f"{service}:*" for service in regional],
        "*",
        {"StringEquals": {"aws:RequestedRegion": regions}},
    )
    if worldwide:
        yield _allow("WorldwideResources", [f"{service}:*" for service in worldwide], "*")
    if "AWS::ECR::Repository" in types and "AWS::KMS::Key" not in types:
        # Repositories are encrypted: https://docs.aws.amazon.com/AmazonECR/latest/userguide/encryption-at-rest.html
        keys = [f"kms:{action}" for action in ("CreateGrant", "DescribeKey", "RetireGrant")]
        yield _allow("RepositoryKeys", keys, f"arn:aws:kms:*:{account}:key/*")
    if "AWS::CodePipeline::Pipeline" in types:
        # https://docs.aws.amazon.com/codepipeline/latest/userguide/connections-permissions.html
        passing = [f"{prefix}:PassConnection" for prefix in ("codeconnections", "codestar-connections")]
        yield _allow("PassConnections", passing, "*")
    bucket = f"arn:aws:s3:::cdk-{BOOTSTRAP_QUALIFIER}-assets-{account}-*"
    yield _allow("Templates", ["s3:GetObject*", "s3:GetBucket*", "s3:List*"], [bucket, f"{bucket}/*"])
    yield _allow("Bootstrap", ["ssm:GetParameters"], f"arn:aws:ssm:*:{account}:parameter/cdk-bootstrap/*")
    yield from _read(templates, account)
    yield from _of_roles(templates, account, names, types)
    if never := [action for action in NEVER if action.partition(":")[0] in regional]:
        yield {"Sid": "NothingButResources", "Effect": "Deny", "Action": never, "Resource": "*"}
    yield {
        "Sid": "NothingOfTheBootstrap",
        "Effect": "Deny",
        "NotAction": ["s3:Get*", "s3:List*", "ssm:GetParameters"],
        "Resource": [
            f"arn:aws:iam::{account}:role/cdk-*",
            bucket,
            f"{bucket}/*",
            f"arn:aws:ssm:*:{account}:parameter/cdk-bootstrap/*",
        ],
    }


def _of_roles(
    templates: Sequence[Template], account: str, names: Sequence[str], types: Collection[str]
) -> Iterator[dict[str, Any]]:
    """What CloudFormation may do with roles: make those of these names, and pass them to the services they trust."""
    roles = [f"arn:aws:iam::{account}:role/{name}" for name in names]
    yield _allow("Roles", [f"iam:{action}" for action in _ROLE_ACTIONS], roles)
    if policies := sorted(_managed_policies(templates)):
        condition = {"ArnLike": {"iam:PolicyARN": policies}}
        yield _allow("ManagedPolicies", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"], roles, condition)
    services = sorted(_trusted_services(templates))
    yield _allow("PassRoles", ["iam:PassRole"], roles, {"StringEquals": {"iam:PassedToService": services}})
    yield _allow(
        "ServiceLinkedRoles", ["iam:CreateServiceLinkedRole"], f"arn:aws:iam::{account}:role/aws-service-role/*"
    )
    if "AWS::IAM::OIDCProvider" in types:
        provider = f"arn:aws:iam::{account}:oidc-provider/*"
        yield _allow("IdentityProviders", ["iam:*OpenIDConnectProvider*"], provider)


def _read(templates: Iterable[Template], account: str) -> Iterator[dict[str, Any]]:
    """What CloudFormation reads with its own role: dynamic references, and parameters (dynamic-references)."""
    found: dict[str, set[str]] = {"secretsmanager": set(), "ssm": set()}
    for template in templates:
        # A quotation mark or ${ ends what stands in the template as text; the rest is known when it is deployed.
        for kind, name, end in _REFERENCE.findall(json.dumps(template)):
            found["ssm" if kind == "ssm-secure" else kind].add(f"{name}*" if end in ('"', "$") else name)
        found["ssm"] |= {
            str(each["Default"])
            for each in template.get("Parameters", {}).values()
            if "AWS::SSM::Parameter::" in str(each.get("Type")) and "Default" in each
        }
    bootstrap = ("/cdk-bootstrap/", "arn:")
    secrets = [
        f"{name}*" if name.startswith("arn:") else f"arn:aws:secretsmanager:*:{account}:secret:{name}-??????"
        for name in sorted(found["secretsmanager"])
    ]
    parameters = [
        f"arn:aws:ssm:*:{account}:parameter/{name.removeprefix('/')}"
        for name in sorted(found["ssm"])
        if not name.startswith(bootstrap)
    ]
    if secrets:
        yield _allow("SecretsOfTemplates", ["secretsmanager:GetSecretValue"], secrets)
    if parameters:
        yield _allow("ParametersOfTemplates", ["ssm:GetParameters"], parameters)


def _services(types: Iterable[str]) -> tuple[list[str], list[str]]:
    """The prefixes of the actions of regional and of worldwide services that resources of these types need."""
    regional, worldwide = set(), set()
    for name in sorted(types):
        owner, _, rest = name.partition("::")
        kind = rest.partition("::")[0]
        if owner == "Custom":
            regional.add("lambda")
        elif kind in REGIONAL:
            regional |= {REGIONAL[kind], *_BESIDES.get(kind, ())}
        elif kind in _GLOBAL:
            worldwide.add(_GLOBAL[kind])
        elif kind not in _NEEDS_NOTHING:
            raise RefusedError(
                f"{name}: it is not known which service's actions it takes: add it to {__name__.replace('.', '/')}.py"
            )
    return sorted(regional), sorted(worldwide)


def _allow(
    sid: str, actions: Sequence[str], resource: Any, condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    more = {"Condition": condition} if condition else {}
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def _trusted_services(templates: Iterable[Template]) -> Iterator[str]:
    """The services that a template's roles are for."""
    found = set()
    for properties in _roles(templates):
        for statement in properties.get("AssumeRolePolicyDocument", {}).get("Statement", ()):
            services = statement.get("Principal", {}).get("Service", ())
            found |= {str(each) for each in ([services] if isinstance(services, str) else services)}
    yield from found


def _managed_policies(templates: Iterable[Template]) -> set[str]:
    """Patterns of the managed policies that roles of the templates have."""
    found = set()
    for properties in _roles(templates):
        for arn in properties.get("ManagedPolicyArns", ()):
            name = json.dumps(arn).rpartition("policy/")[2].rstrip('"}]')
            found.add(f"arn:aws*:iam::aws:policy/{name}")
    return found


def _roles(templates: Iterable[Template]) -> Iterator[Mapping[str, Any]]:
    for template in templates:
        for resource in template.get("Resources", {}).values():
            if resource["Type"] == "AWS::IAM::Role":
                yield resource.get("Properties", {})
