"""Which actions an approval protects: assuming roles and writing to production, with a few exceptions.

The few are reading, and what a step needs for its own work. All others count, known or not, because what they do today
says nothing of tomorrow; what a step needs besides can be acknowledged.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova_infra.checks.permissions.reach import Goal
from nova_infra.checks.permissions.statements import pattern_of
from nova_infra.checks.rule import as_text
from nova_infra.checks.stages import deployments

READING = tuple(
    f"*:{verb}*"
    for verb in (
        *("Get", "List", "Describe", "BatchGet", "BatchCheck", "BatchDescribe", "View", "Lookup", "Search", "Query"),
        *("Filter", "Validate", "Simulate", "Estimate", "Detect", "Head", "Preview", "Decode"),
    )
)

# What AWS's agents report of the machine that they run on, and a function's or a task's own place in its network.
OF_ITSELF = (
    *("ssmmessages:*", "ec2messages:*", "ssm:PutInventory", "ssm:PutComplianceItems", "ssm:PutConfigurePackageResult"),
    *("ssm:UpdateInstanceInformation", "ssm:UpdateAssociationStatus", "ssm:UpdateInstanceAssociationStatus"),
    *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:*assignPrivateIpAddresses"),
    *("ec2:CreateNetworkInterfacePermission", "logs:PutRetentionPolicy", "ecr:BatchImportUpstreamImage"),
    *("kinesis:SubscribeToShard", "logs:StartQuery", "logs:StopQuery", "iam:Generate*"),
)
# Reading by name, and yet what lets its reader act as somebody else.
SECRETS = ("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue")
# Of those of a kind that are encrypted, which no name shows.
PARAMETERS = ("ssm:GetParameter*",)
CREDENTIALS = (
    *SECRETS,
    *("sso:GetRoleCredentials", "cognito-identity:GetCredentialsForIdentity", "cognito-identity:GetOpenIdToken*"),
    *("sts:GetFederationToken", "sts:GetDelegatedAccessToken", "sts:GetWebIdentityToken"),
    *("codeconnections:GetConnectionToken", "codestar-connections:GetConnectionToken", "ssm:GetAccessToken"),
    *("codeconnections:GetIndividualAccessToken", "codestar-connections:GetIndividualAccessToken"),
    *("elasticmapreduce:Get*PresignedURL", "athena:GetSessionEndpoint", "cloudshell:GetFile*Urls"),
    *("lakeformation:GetDataAccess", "states:GetActivityTask", "datazone:GetDomainExecutionRoleCredentials"),
    *("redshift:GetClusterCredentials*", "redshift:GetIdentityCenterAuthToken", "redshift-serverless:GetCredentials"),
    *("redshift-serverless:GetIdentityCenterAuthToken", "elasticmapreduce:GetClusterSessionCredentials"),
    *("emr-containers:GetManagedEndpointSessionCredentials", "lakeformation:GetTemporary*Credentials"),
    *("datazone:GetEnvironmentCredentials", "datazone:GetIamPortalLoginUrl", "quicksight:Get*EmbedUrl"),
    *(
        "bedrock-agentcore:GetResource*Key",
        "bedrock-agentcore:GetResource*Token",
        "bedrock-agentcore:GetWorkloadAccessToken*",
    ),
    *("connect:GetFederationToken", "amplifybackend:GetToken", "license-manager:GetAccessToken"),
    *("ec2:GetPasswordData", "gamelift:GetComputeAuthToken", "gamelift:GetInstanceAccess"),
    *("lightsail:GetInstanceAccessDetails", "lightsail:GetBucketAccessKeys"),
    *("lightsail:GetRelationalDatabaseMasterUserPassword", "pca-connector-scep:GetChallengePassword"),
)
# What users have written, or was written about them.
CONTENTS = (
    *("logs:Filter*", "logs:GetLog*", "logs:GetQueryResults", "s3:GetObject*", "dynamodb:GetItem"),
    *("dynamodb:BatchGetItem", "dynamodb:Query", "athena:GetQueryResults", "kinesis:GetRecords"),
)

# A step's own work with the pipeline's own connection and key, and nobody else's: goals of their own.
_CONNECTING = ("codeconnections:UseConnection", "codestar-connections:UseConnection")
_ENCRYPTING = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")

# What each service holds, and what a step may do there besides reading.
_SERVICES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "the approval and what follows it",
        ("codepipeline",),
        (),
    ),
    (
        "the permissions of others",
        ("iam", "organizations", "account", "sso", "sso-directory", "identitystore", "ram", "cognito-identity"),
        (),
    ),
    ("the stacks of the pipeline's account", ("cloudformation", "servicecatalog"), ()),
    ("the ledger and the holds", ("ssm", "ssm-incidents", "ssm-guiconnect"), ()),
    (
        "the work of other steps",
        ("codebuild", "codecommit", "codedeploy", "codeartifact", "lambda", "states", "scheduler", "ssmmessages"),
        # Its own reports, and packages.
        (
            "codebuild:CreateReport*",
            "codebuild:UpdateReport*",
            "codebuild:BatchPutTestCases*",
            "codebuild:BatchPutCodeCoverages*",
            "codeartifact:ReadFromRepository",
        ),
    ),
    (
        "the connection to the source",
        ("codeconnections", "codestar-connections"),
        _CONNECTING,
    ),
    ("the keys", ("kms", "acm", "acm-pca"), (*_ENCRYPTING, "kms:Verify*")),
    ("secrets", ("secretsmanager",), ()),
    (
        "who is notified, and of what",
        ("sns", "codestar-notifications", "events", "chatbot", "cloudwatch", "logs", "cloudtrail", "config"),
        (
            "sns:Publish",
            "events:PutEvents",
            "cloudwatch:PutMetricData",
            "logs:CreateLogGroup*",
            "logs:CreateLogStream*",
            "logs:PutLogEvents*",
        ),
    ),
    (
        "what runs, and what leads there",
        (
            *("ecs", "ec2", "ec2messages", "autoscaling", "application-autoscaling", "elasticloadbalancing", "eks"),
            *("route53", "servicediscovery", "wafv2", "cloudfront", "batch", "rds", "inspector2", "resource-groups"),
        ),
        (),
    ),
)
TAKING = ("sts:Assume*", "sts:GetFederationToken", "sts:TagSession", "sts:SetSourceIdentity")
"""What takes a role. The last two come with it, and make its conditions on tags true."""
_PUSHING = (
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "signer:SignPayload",
)
_STORING = ("s3:Abort*", "s3:PutObject*")
# What sends or stores data, and gives nobody another role; what is subscribed to it counts by itself.
_DATA = (
    *("sqs:SendMessage*", "sqs:ReceiveMessage", "sqs:DeleteMessage*", "sqs:ChangeMessageVisibility*"),
    *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:Scan"),
    *("dynamodb:ConditionCheckItem", "kinesis:PutRecord*", "firehose:PutRecord*", "xray:Put*", "aps:RemoteWrite"),
    *("ses:Send*", "bedrock:InvokeModel*", "athena:StartQueryExecution", "athena:StopQueryExecution"),
)
_OWN_WORK = tuple(action for _, _, but in _SERVICES for action in but)
HARMLESS = (*READING, *_OWN_WORK, *_DATA)
"""What changes nothing that the approval protects: reading, sending data, and what is a step's own."""
_NAMED_SERVICES = tuple(f"{service}:*" for _, services, _ in _SERVICES for service in services)
# Of the pipeline's own template: a role, which is followed, or a key. Another region's is named by an alias of CDK's.
_OWN = "${*}"
# Another way to the objects of any bucket.
_ACCESS_POINTS = ("arn:aws:s3:*:*:accesspoint/*",)
_ACCESS_GRANTS = ("arn:*:s3:*:*:access-grants/*",)
# Goals of their own, or none: repositories and buckets belong to some steps, and tokens are of those who have them.
_APART = ("ecr:*", "signer:*", "s3:*", "sts:*")


def goals(
    before: Sequence[Mapping[str, Any]], production: Mapping[str, Any], *, own_account: str | None = None
) -> list[Goal]:
    """What the approval protects from everything that runs before it.

    Args:
        before: The stages of earlier environments.
        production: The stage of the last environment.
    """
    accounts = _accounts([production])
    elsewhere = early_accounts(before, production)
    # Names of an earlier environment's own roles, which matter where it shares production's account.
    harmless = (
        *(f"*:role/{prefix}-{role}" for stage in before for prefix in _prefixes(stage) for role in ("release", "gate")),
        "*:role/*-observer",
    )
    # It has AWS's ReadOnlyAccess: harmless here, and not in production's account, whose logs and tables it reads.
    looking_up = "*:role/cdk-*-lookup-role-*"
    return [
        Goal(
            "a role in production's account",
            TAKING,
            tuple(f"arn:aws:iam::{account}:role/*" for account in accounts),
            harmless=harmless,
        ),
        Goal("a role that may do anything here", TAKING, harmless=(*harmless, looking_up, _OWN), elsewhere=elsewhere),
        *(
            Goal(
                what,
                tuple(f"{service}:*" for service in services),
                harmless_actions=(*READING, *but),
                elsewhere=elsewhere,
            )
            for what, services, but in _SERVICES
        ),
        Goal(
            "the credentials of somebody else",
            tuple(each for each in CREDENTIALS if each not in SECRETS),
            elsewhere=elsewhere,
        ),
        Goal("the credentials of S3's access grants", ("s3:GetDataAccess",), _ACCESS_GRANTS, elsewhere=elsewhere),
        Goal(
            "what holds roles or runs by itself",
            ("*:*",),
            harmless_actions=(*READING, *_NAMED_SERVICES, *_APART, *_DATA),
            elsewhere=elsewhere,
        ),
        *_within_production(accounts, own_account),
        Goal(
            "the templates that are deployed",
            ("s3:*",),
            ("arn:aws:s3:::cdk-*", *_ACCESS_POINTS),
            harmless_actions=READING,
        ),
    ]


def _within_production(accounts: Collection[str], own_account: str | None) -> list[Goal]:
    everything, within = tuple(f"arn:*:*:*:{account}:*" for account in accounts), frozenset(accounts)
    # In an account that production shares with the pipeline, a step's own logs are there, too.
    harmless = (*READING, *_APART, *(_OWN_WORK if own_account in accounts else ()))
    return [
        Goal("production itself", ("*:*",), everything, harmless_actions=harmless, within=within),
        Goal("what production's users wrote", (*CONTENTS, *CREDENTIALS), everything, within=within),
    ]


def early_accounts(before: Sequence[Mapping[str, Any]], production: Mapping[str, Any]) -> frozenset[str]:
    """The accounts that only stages of earlier environments deploy to."""
    return frozenset(_accounts(before)) - frozenset(_accounts([production]))


def goals_beside(
    pipeline: Mapping[str, Any],
    before: Sequence[Mapping[str, Any]],
    production: Mapping[str, Any],
    *,
    stores: bool,
    pushes: bool,
) -> list[Goal]:
    """What is protected from one step because it belongs to another."""
    elsewhere = early_accounts(before, production)
    # Of the registries that ready images come from, each by its name.
    logins = ("arn:*:secretsmanager:*:*:secret:*-??????", "arn:*:kms:*:*:key/*") if pushes else ()
    return [
        Goal(
            "the artifacts that await the approval",
            ("s3:*",),
            (*(f"{bucket}*" for bucket in _buckets(pipeline)), *_ACCESS_POINTS),
            harmless_actions=(*READING, *(_STORING if stores else ())),
        ),
        Goal("the source of others", _CONNECTING, harmless=tuple(_connections(pipeline)), elsewhere=elsewhere),
        Goal("what others have encrypted", _ENCRYPTING, harmless=(_OWN, *logins), elsewhere=elsewhere),
        Goal(
            "secrets",
            (*SECRETS, *PARAMETERS),
            harmless=logins,
            elsewhere=elsewhere,
        ),
        Goal("released images", ("ecr:*", "signer:*"), harmless_actions=(*READING, *(_PUSHING if pushes else ()))),
    ]


def _connections(pipeline: Mapping[str, Any]) -> Iterator[str]:
    """The connections through which the pipeline reads its source."""
    for stage in pipeline["Stages"]:
        for action in stage["Actions"]:
            if arn := action["Configuration"].get("ConnectionArn"):
                yield pattern_of(arn)


def _buckets(pipeline: Mapping[str, Any]) -> list[str]:
    """Patterns of the buckets of artifacts: by reference, and by the name that CloudFormation gives or was given."""
    stores = [pipeline["ArtifactStore"], *(each["ArtifactStore"] for each in pipeline["ArtifactStores"])]
    found: dict[str, None] = {}
    for store in stores:
        location = pattern_of(store.get("Location", {}))
        logical_id = re.fullmatch(r"\$\{(\w+)\}", location)
        if logical_id:
            arns = (f"arn:aws:s3:::{location}", f"arn:aws:s3:::*-{logical_id[1].lower()}-*")
            found |= dict.fromkeys((location, *arns))
        elif location != "*":
            found[f"arn:aws:s3:::{location}"] = None
    return list(found)


def _accounts(stages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The accounts that stages deploy to."""
    return sorted(set(re.findall(r":iam::(\d{12}):", _roles(stages))))


def publishing_roles(stages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Patterns of the roles by which the assets of stages are published, as CDK's bootstrap calls them."""
    found = sorted(set(re.findall(r":role/(cdk-\w+)-deploy-role-(\d{12}-[\w-]+)", _roles(stages))))
    return tuple(f"*:role/{cdk}-{kind}-publishing-role-{place}" for cdk, place in found for kind in ("file", "image"))


def _roles(stages: Iterable[Mapping[str, Any]]) -> str:
    """The ARNs of the roles by which stages are deployed."""
    found = [action for stage in stages for action in deployments(stage)]
    arns = [arn for a in found for arn in (a.get("RoleArn"), a["Configuration"].get("RoleArn")) if arn]
    return " ".join(map(as_text, arns))


def _prefixes(stage: Mapping[str, Any]) -> list[str]:
    """The prefix of a stage's environment. Its release role may touch only names that begin with it."""
    names = [str(action["Configuration"].get("StackName", "")) for action in deployments(stage)]
    return [name.removesuffix("-platform") for name in names if name.endswith("-platform")]
