"""What a step or job before the approval may read of production, with its own role and those that it may assume.

Only whoever writes counts for ``NOVA-P06``; what is read is listed here, so that who reviews it sees it grow. A
description counts as well: the one of a function or of a task shows its code or its variables.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nova_infra.checks.permissions.protected import CREDENTIALS, PARAMETERS, READING
from nova_infra.checks.permissions.reach import account_of
from nova_infra.checks.permissions.statements import Statement, contains, overlap

IMAGES, DESCRIPTIONS = "images", "descriptions, metrics"
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("secrets", CREDENTIALS),
    ("parameters", PARAMETERS),
    (
        "logs",
        ("logs:Filter*", "logs:Get*", "logs:StartQuery", "logs:StartLiveTail", "logs:Unmask", "rds:Download*LogFile*"),
    ),
    (
        "tables, queues, streams",
        (
            *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PartiQLSelect"),
            *("dynamodb:GetRecords", "kinesis:GetRecords", "sqs:ReceiveMessage", "rds-data:*", "athena:Get*"),
            *("redshift-data:Get*", "timestream:Select*", "ebs:GetSnapshotBlock", "elasticfilesystem:ClientMount"),
        ),
    ),
    ("buckets", ("s3:Get*", "s3:List*", "s3:Select*")),
    (IMAGES, ("ecr:BatchGet*", "ecr:GetDownloadUrlForLayer", "ecr:Describe*", "ecr:ListImages")),
    (
        "code, variables",
        (
            *("lambda:GetFunction*", "lambda:GetLayerVersion*", "lambda:ListFunctions", "lambda:ListVersions*"),
            *("ecs:DescribeTask*", "ec2:DescribeInstanceAttribute", "ec2:DescribeLaunchTemplateVersions"),
            *("cloudformation:GetTemplate*", "cloudformation:DescribeStack*", "cloudformation:DescribeChangeSet"),
            *("states:Describe*", "states:GetExecutionHistory", "scheduler:GetSchedule", "events:ListTargetsByRule"),
            *("codebuild:BatchGet*", "apprunner:Describe*", "batch:Describe*", "appconfig:Get*", "amplify:Get*"),
        ),
    ),
)
_NAMED = tuple(action for _, actions in _KINDS for action in actions)


@dataclass(frozen=True)
class Read:
    """One action that reads, on one pattern of resources.

    Attributes:
        resource: Pattern of the resources, ``all but …`` where it excludes some.
        limits: What it is limited by, as text; empty for nothing.
    """

    kind: str
    action: str
    resource: str
    limits: str = ""


@dataclass(frozen=True)
class Production:
    """What can be read of production.

    Attributes:
        accounts: The accounts of the environments that wait for an approval.
        images: Pattern of the repositories that they pull from, which are in the pipeline's account.
    """

    accounts: frozenset[str]
    images: str

    def has(self, read: Read, *, owner: str | None) -> bool:
        """Whether something is production's, or might be.

        A role reads what another account holds only by a permission that names it; a bucket's name does not say whose
        it is.

        Args:
            owner: The account of the role that reads it; None where it is not known, and any role may be production's.
        """
        if read.kind == IMAGES and overlap(read.resource, self.images):
            return True
        account = account_of(read.resource)
        if account is not None:
            return account in self.accounts
        if owner is None or owner in self.accounts:
            return True
        bucket = read.resource.startswith("arn:") and ":s3:::" in read.resource and "${" not in read.resource
        return bucket and not contains(f"arn:*:s3:::cdk-*-assets-{owner}-*", read.resource)


def reads(statements: Sequence[Statement]) -> Iterator[Read]:
    """What a role's permissions let it read, without what they deny altogether."""
    for statement in statements:
        named = statement.resources or ("*",)
        resources = (f"all but {', '.join(named)}",) if statement.not_resources else named
        for kind, action in dict.fromkeys(_actions(statement)):
            for resource in resources:
                if not any(each.forbids(action, resource) for each in statements):
                    yield Read(kind, action, resource, statement.limits)


def _actions(statement: Statement) -> Iterator[tuple[str, str]]:
    for kind, actions in _KINDS:
        yield from ((kind, action) for action in statement.actions_within(actions))
    yield from ((DESCRIPTIONS, action) for action in statement.actions_within(READING, but=_NAMED))


def grouped(found: Iterable[Read]) -> dict[str, list[tuple[str, str, str]]]:
    """Kind to actions, their resources and what limits them, as text; the most revealing kinds come first."""
    by_action: dict[tuple[str, str, str], set[str]] = {}
    for each in found:
        by_action.setdefault((each.kind, each.limits, each.action), set()).add(each.resource)
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (kind, limits, action), found_on in sorted(by_action.items()):
        groups.setdefault((kind, limits, tuple(sorted(found_on))), []).append(action)
    kinds: dict[str, list[tuple[str, str, str]]] = {kind: [] for kind in (*(each for each, _ in _KINDS), DESCRIPTIONS)}
    for (kind, limits, resources), actions in groups.items():
        kinds[kind].append((", ".join(actions), ", ".join(resources), limits))
    return {kind: rows for kind, rows in kinds.items() if rows}
