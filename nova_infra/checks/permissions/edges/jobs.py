"""``NOVA-P11``: what GitHub jobs may do, by their own role (OIDC trust) and every role that it can assume.

A template does not say which environments wait for an approval, so no job may reach anything but its own work: an
environment's job the roles of its environment, and a branch's job its repositories. Everything that writes counts
besides, known or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.attached import ROLE, branches, conditions_of
from nova_infra.checks.permissions.protected import CREDENTIALS, PARAMETERS, READING
from nova_infra.checks.permissions.reach import Graph, account_of
from nova_infra.checks.permissions.statements import Statement, contains, pattern_of
from nova_infra.checks.permissions.trust import ISSUER
from nova_infra.checks.rule import Finding, Rule, Template

_BOOTSTRAP = ("deploy", "file-publishing", "lookup")
_OF_ENVIRONMENT = ("observer", "release", "gate")
_BUILDER, _EARLY_BUILDER = "-image-builder", "-early-image-builder"
_REPOSITORIES = "-registry-deploy"


@dataclass(frozen=True)
class _Work:
    """Something that is a job's own.

    Attributes:
        resources: Patterns of what they may be done to.
        demanded: Key of the request that a condition has to limit, and patterns of its values; None for no condition.
        named: Whether each has to be named, without a wildcard for any text.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    demanded: tuple[str, tuple[str, ...]] | None = None
    named: bool = False

    def has(self, statement: Statement, action: str, resource: str) -> bool:
        """Whether a permission is no more than this."""
        return (
            any(contains(each.lower(), action.lower()) for each in self.actions)
            and any(contains(each, resource) for each in self.resources)
            and (self.demanded is None or statement.demands(*self.demanded))
            and not (self.named and "*" in resource)
        )


def jobs_keep_to_their_work(template: Template) -> Iterator[Finding]:
    """Each permission of a GitHub job's role, or of a role that it can assume, that the job does not need."""
    graph = None
    for logical_id, role in template.of_type(ROLE):
        if not any(ISSUER in str(each) for each in subjects_and_provider(role)):
            continue
        graph = graph or Graph(template)
        name = pattern_of(role.get("RoleName", logical_id))
        ways = graph.ways(logical_id)
        held = {each: graph.statements(each) for each in ways}
        work = _work_of(name, template.account or _first_account(held[logical_id]), taken=tuple(ways)[1:])
        for way, statements in held.items():
            by = "" if way == logical_id else f" assumes {way}, which"
            for statement, action, resource in _writing(statements):
                if not any(each.has(statement, action, resource) for each in work):
                    said = f"{name}{by} may {statement.allowed(action, resource)}"
                    yield Finding(statement.policy, "Properties.PolicyDocument", said)


def subjects_and_provider(role: Mapping[str, Any]) -> Iterator[Any]:
    """Who may assume a role with a token: the identity providers, and the conditions on their claims."""
    for document in branches(role.get("AssumeRolePolicyDocument")):
        for statement in branches(document.get("Statement")):
            principal = statement.get("Principal")
            if isinstance(principal, Mapping) and "Federated" in principal:
                yield principal["Federated"]
                yield [key for operator in conditions_of(statement).values() for key in operator]


def _writing(statements: Sequence[Statement]) -> Iterator[tuple[Statement, str, str]]:
    for statement in statements:
        actions = [
            *statement.actions_within(("*:*",), but=READING),
            *statement.actions_within((*CREDENTIALS, *PARAMETERS)),
        ]
        resources = [f"all but {', '.join(statement.resources)}"] if statement.not_resources else statement.resources
        for action in dict.fromkeys(actions):
            for resource in resources:
                if not any(each.forbids(action, resource) for each in statements):
                    yield statement, action, resource


def _first_account(statements: Sequence[Statement]) -> str:
    found = (account_of(resource) for each in statements for resource in each.resources)
    return next((each for each in found if each is not None), "")


def _work_of(name: str, account: str, *, taken: Sequence[str]) -> list[_Work]:
    """What a role may touch, by its name: an environment, images, or the registry; other roles may touch nothing."""
    if name.endswith(_REPOSITORIES):
        platform = name.removesuffix(_REPOSITORIES)
        return [*_repositories(account, [platform], taken), *_settings()]
    if name.endswith("-deploy"):
        own = f"arn:*:iam::{account}:role/"
        roles = [f"{own}cdk-*-{part}-role-{account}-*" for part in _BOOTSTRAP]
        prefix = name.removesuffix("-deploy")
        roles += [f"{own}{prefix}-{name}" for name in _OF_ENVIRONMENT]
        return [_Work(("sts:AssumeRole",), tuple(roles))]
    if not name.endswith(_BUILDER):
        return []
    early = name.endswith(_EARLY_BUILDER)
    platform = name.removesuffix(_EARLY_BUILDER if early else _BUILDER)
    registries = [f"{platform}-early", *([] if early else [platform])]
    # The repositories of releases change only once that was approved: whoever sets their policies has images deleted.
    return [*_publishing(account, registries, signed=not early), *_repositories(account, [f"{platform}-early"], taken)]


def _publishing(account: str, registries: Sequence[str], *, signed: bool) -> Iterator[_Work]:
    yield _Work(
        ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"),
        _arns(account, registries),
    )
    if signed:
        yield _Work(("signer:SignPayload",), ("arn:*:signer:*:*:/signing-profiles/*",))
    # Logins of the registries that ready images come from.
    yield _Work(("secretsmanager:GetSecretValue",), ("arn:*:secretsmanager:*:*:secret:*-??????",), named=True)
    yield _Work(("kms:Decrypt",), ("arn:*:kms:*:*:key/*",), named=True)


def _repositories(account: str, registries: Sequence[str], taken: Sequence[str]) -> Iterator[_Work]:
    """Deploying the stacks of repositories, and what CloudFormation does for them."""
    kinds = ["Early" if each.endswith("-early") else "" for each in registries]
    stacks = tuple(f"arn:*:cloudformation:*:{account}:stack/Nova{kind}RegistryStack/*" for kind in kinds)
    passed = tuple(f"${{{each}}}" for each in taken)
    yield _Work(
        (
            "cloudformation:DeleteChangeSet",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:UpdateTerminationProtection",
        ),
        stacks,
    )
    # By another role, that of the stack's last deployment, it could make anything.
    yield _Work(("cloudformation:CreateChangeSet",), stacks, demanded=("cloudformation:RoleArn", passed))
    stored = ["early-registry" if kind else "registry" for kind in kinds]
    yield _Work(("s3:PutObject",), tuple(f"arn:*:s3:::cdk-*-assets-{account}-*/{each}/*" for each in stored))
    # The version of the bootstrap, which CDK and CloudFormation compare.
    yield _Work(("ssm:GetParameter*",), (f"arn:*:ssm:*:{account}:parameter/cdk-bootstrap/*",))
    to_cloudformation = ("iam:PassedToService", ("cloudformation.amazonaws.com*",))
    yield _Work(("iam:PassRole",), passed, demanded=to_cloudformation)
    # What CloudFormation does by the role that is passed to it.
    yield _Work(
        (
            *("ecr:CreateRepository", "ecr:DeleteLifecyclePolicy", "ecr:DeleteRepositoryPolicy"),
            *("ecr:PutImageScanningConfiguration", "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy"),
            *("ecr:SetRepositoryPolicy", "ecr:TagResource", "ecr:UntagResource"),
        ),
        _arns(account, registries),
    )
    yield _Work(("kms:CreateGrant", "kms:RetireGrant"), ("*",), demanded=("kms:ViaService", ("ecr.*",)))


def _arns(account: str, registries: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"arn:*:ecr:*:{account}:repository/{each}/*" for each in registries)


def _settings() -> Iterator[_Work]:
    """What holds for the whole registry."""
    yield _Work(
        (
            *("ecr:DeleteSigningConfiguration", "ecr:PutRegistryScanningConfiguration"),
            *("ecr:PutSigningConfiguration", "inspector2:Enable"),
            "signer:PutSigningProfile",
        ),
        ("*",),
    )
    by_inspector = ("iam:AWSServiceName", ("inspector2.amazonaws.com*",))
    yield _Work(("iam:CreateServiceLinkedRole",), ("*",), demanded=by_inspector)


JOB_RULES = (
    Rule(
        "NOVA-P11",
        "A GitHub job reaches its own environment's roles, or its own branch's repositories, and nothing else",
        "remove the permission, or give it to the role of the job whose work it is",
        "A job runs before the approval of every environment but its own",
        jobs_keep_to_their_work,
    ),
)
