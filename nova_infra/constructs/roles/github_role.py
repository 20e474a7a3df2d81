"""A role that jobs of one GitHub repository assume by OIDC, without any key: its trust policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.checks.acknowledge import acknowledge_own_policy
from nova_infra.names import GITHUB_ISSUER


@dataclass(frozen=True, kw_only=True)
class GitHubJobs:
    """Jobs of one repository, known by the claims of the tokens that GitHub signs for them.

    Attributes:
        provider_arn: ARN of the account's identity provider for GitHub Actions.
        subject: The tokens' ``sub`` claim, such as ``repo:org/name:environment:prod``, without wildcards.
        branches: The jobs' branches: a token for an environment does not name its branch in the subject.
        workflows: The jobs' workflows, such as ``org/name/.github/workflows/deploy.yml``: others of the branch, such as
            one that a pull request starts there, have tokens of the same subject.
        repository_id: What GitHub knows the repository by, which no other one ever gets; None for only its name.
    """

    provider_arn: str
    subject: str
    branches: Sequence[str]
    workflows: Sequence[str]
    repository_id: int | None

    def principal(self) -> iam.WebIdentityPrincipal:
        """What lets these jobs, and no others, assume a role."""
        # Claims that STS reads of GitHub's tokens besides the subject:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
        claims: dict[str, object] = {
            # Its own: a token that a job asked for elsewhere is of no use here.
            f"{GITHUB_ISSUER}:aud": "sts.amazonaws.com",
            f"{GITHUB_ISSUER}:sub": [self.subject],
            f"{GITHUB_ISSUER}:ref": [f"refs/heads/{branch}" for branch in self.branches],
            f"{GITHUB_ISSUER}:job_workflow_ref": [
                f"{workflow}@refs/heads/{branch}" for workflow in self.workflows for branch in self.branches
            ],
        }
        if self.repository_id is not None:
            claims[f"{GITHUB_ISSUER}:repository_id"] = str(self.repository_id)
        return iam.WebIdentityPrincipal(self.provider_arn, {"StringEquals": claims})


class GitHubRole(Construct):
    """A role for jobs whose token has these claims, word for word."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        jobs: GitHubJobs,
        statements: Sequence[iam.PolicyStatement],
        max_session: cdk.Duration,
    ) -> None:
        """Create the role.

        Args:
            max_session: How long credentials may be good for; from 1 to 12 hours.
        """
        super().__init__(scope, construct_id)
        self.role = iam.Role(
            self,
            "Role",
            role_name=name,
            description=description,
            max_session_duration=max_session,
            assumed_by=jobs.principal(),
        )
        policy = iam.Policy(self, "Policy", statements=list(statements), roles=[self.role])
        acknowledge_own_policy(policy)


def subject_prefix(repository: str, *, owner_id: int | None, repository_id: int | None) -> str:
    """What the subject of every token of a repository's jobs starts with.

    https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims

    Args:
        repository: ``owner/name``.
        owner_id: What GitHub knows the owner by, for a repository whose subjects name it.
    """
    owner, _, name = repository.partition("/")
    if owner_id is None or repository_id is None:
        return f"repo:{owner}/{name}"
    return f"repo:{owner}@{owner_id}/{name}@{repository_id}"
