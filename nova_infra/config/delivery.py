"""``[platform]``, ``[toolchain]``, ``[source]``, ``[delivery]``, ``[images]``, ``[release]``, notifications."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nova_infra.config.values.fields import Account, Email, Model, Name, Region, Variable, matching, refusal


class Platform(Model):
    """What the whole installation shares."""

    name: Annotated[Name, Field(max_length=12)] = "nova"
    """Prefix of every physical name: stacks, clusters, alarms, repositories. Default: nova."""

    @field_validator("name")
    @classmethod
    def _not_kept_by_aws(cls, name: str) -> str:
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-parameter-name-constraints.html
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
        if name.startswith(("aws", "ssm")) or name == "internal":
            raise refusal("is a prefix that AWS reserves", "choose another one")
        return name


class Slack(Model):
    """A Slack channel, in a workspace that Amazon Q Developer in chat applications has been authorized for."""

    workspace: Annotated[
        str, *matching(r"T[A-Z0-9]{8,12}", "is not a Slack workspace", "write its id, as in T0123456789")
    ]
    channel: Annotated[
        str, *matching(r"[CG][A-Z0-9]{8,12}", "is not a Slack channel", "write its id, as in C0123456789")
    ]


class Notifications(Model):
    """Who gets messages. Default: those who subscribe to the topic later."""

    emails: tuple[Email, ...] = ()
    """Addresses; each has to confirm its subscription once."""
    slack: Slack | None = None
    """The channel that gets the messages. Default: none."""


class Toolchain(Model):
    """The account that holds the pipeline and the image repositories."""

    account: Account
    region: Region
    """One where ECR signs images and, with CodePipeline, where there are notification rules. Environments may be in
    other regions of its partition."""
    notifications: Notifications = Notifications()
    """Who gets a message when the pipeline fails or waits for an approval."""
    permissions_boundary: bool = False
    """Whether the pipeline's roles have a permissions boundary, which keeps them out of the environments and away from
    the approval. The account needs the bootstrap that ``nova policy bootstrap --toolchain`` prints first."""


# https://git-scm.com/docs/git-check-ref-format, less what no branch of a team is called.
Branch = Annotated[
    str,
    *matching(
        r"(?!refs/)(?!.*(\.\.|//|/\.|\.lock(/|$)|[/.]$))[\w][\w./-]{0,254}",
        "is not a branch",
        "write its name without spaces and refs/heads/, as in main",
    ),
]

# Neither CodePipeline nor paths-ignore knows a negation, and Git names files from the repository's root:
# https://docs.aws.amazon.com/codepipeline/latest/userguide/syntax-glob.html
PathsInRepository = Annotated[
    str,
    *matching(
        r"(?![!/])(?!(.*/)?\.\.?(/|$))\S{1,255}",
        "is not a pattern of paths in the repository",
        "write one such as docs/**, without ! or / before it and without . or .. as a directory",
    ),
]


class Source(Model):
    """Where the code comes from. The pipeline needs exactly one of ``connection_arn`` and ``token_secret``."""

    repository: Annotated[
        str,
        *matching(
            r"\w[\w.-]{0,99}/(?!\.\.?$|.*\.git$)[\w.-]{1,100}",  # GitHub leaves .git out of a name
            "is not a repository",
            "write owner/name, as in org/nova-platform",
        ),
    ]
    branch: Branch = "main"
    """The branch that is delivered. Default: main."""
    connection_arn: (
        Annotated[
            str,
            *matching(
                r"arn:[\w-]+:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+",
                "is not a connection",
                "copy its ARN from the console: arn:aws:codeconnections:…:connection/…",
            ),
        ]
        | None
    ) = None
    """ARN of a CodeConnections connection. Preferred: nothing secret is stored, and pushes can be filtered."""
    token_secret: (
        Annotated[
            str,
            *matching(r"[\w/+=.@-]{1,512}", "is not the name of a secret", "write its name, as in github-token"),
        ]
        | None
    ) = None
    """Name of a Secrets Manager secret that holds a GitHub token, in the toolchain's account. It needs the scopes
    ``repo`` and ``admin:repo_hook``. CloudFormation reads it when the pipeline changes: store a new token under another
    name, and write that here. Default: none."""
    ignore_paths: Annotated[
        tuple[PathsInRepository, ...],
        Field(max_length=8),
    ] = ("docs/**", "*.md")
    """A push that changes nothing else is not delivered. Only with a connection. Default: documentation, but not below
    ``services/``, where a text may be part of an image."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.connection_arn is not None and self.token_secret is not None:
            raise refusal("needs exactly one way to authenticate", "set connection_arn or token_secret, not both")
        if self.token_secret is not None and "ignore_paths" in self.model_fields_set:
            raise refusal("has ignore_paths, which a token cannot filter by", "remove it, or use connection_arn")
        return self


class GitHubIds(Model):
    """GitHub's ids of the repository and its owner; ``gh api repos/OWNER/NAME -q '.owner.id, .id'`` prints both."""

    owner: Annotated[int, Field(ge=1, le=10**15)]
    repository: Annotated[int, Field(ge=1, le=10**15)]


class Delivery(Model):
    """What delivers a push to production. Either way, the environments get the same stacks."""

    engine: Literal["codepipeline", "github-actions"] = "codepipeline"
    """Default: codepipeline."""
    early_branch: Branch | None = None
    """A branch that GitHub Actions delivers to the first environment, and no further. Default: none."""
    github_ids: GitHubIds | None = None
    """Required for a repository that was created, renamed or transferred since July 2026, or that has opted in: its
    tokens name it by these numbers as well, and a role that expects only the name would refuse them. Default: none.
    https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims"""
    existing_oidc_providers: tuple[Account, ...] = ()
    """Accounts that already have an identity provider for GitHub Actions; an account can have only one. Default: none,
    and Nova creates it."""


class ReleaseSettings(Model):
    """How the services of one release go to an environment."""

    together: bool = False
    """Whether the web services of a release take traffic at the same time: each waits until all of them are ready, and
    all roll back if one does. Does not apply where the rollout is rolling. Default: false."""
    wait_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """How long a service waits for the others, beyond the time that their gates may take; then it rolls back.
    Default: 60."""


PinnedImage = Annotated[
    str,
    *matching(
        r"[a-z0-9][\w.:/-]*@sha256:[0-9a-f]{64}",
        "is not an image by its digest",
        "write <registry>/<name>:<tag>@sha256:<64 digits>",
    ),
]


# Kept in a form that Dependabot updates.
_BUILDERS = {
    name: image
    for image, name in re.findall(
        r"^FROM (\S+) AS (\S+)$",
        Path(__file__).with_name("builders.Dockerfile").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
}


class Images(Model):
    """How images are built and scanned."""

    build_arguments: dict[Variable, str] = Field(default={})
    """Build arguments of every image. They count in an image's tag. Default: none, and the Dockerfiles' own defaults
    hold."""
    buildkit: PinnedImage = _BUILDERS["buildkit"]
    """Image of the builder, which sees every image; pinned by digest. Default: a release of BuildKit, from Docker
    Hub."""
    sbom_generator: PinnedImage = _BUILDERS["sbom_generator"]
    """Image that writes the bill of materials; pinned by digest. Default: a release of Syft for BuildKit, from Docker
    Hub."""
    scanner: PinnedImage = _BUILDERS["scanner"]
    """Image that scans other images before they are pushed; pinned by digest. Default: a release of Grype, from
    GitHub's registry."""
    scanning: Literal["enhanced", "basic"] = "enhanced"
    """``enhanced`` (Amazon Inspector) knows the packages of the language and whether a fix exists; it becomes the
    setting of the whole registry in the toolchain's account and region. ``basic`` knows only the operating system's
    packages and treats every finding as fixable. Default: enhanced."""
