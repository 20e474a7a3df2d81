"""The stack of GitHub Actions' roles in an account: who deploys, who publishes images of which branch."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge
from nova_infra.config import Config, Environment
from nova_infra.config.resolved import suite_asked
from nova_infra.constructs.images.image_publishing import image_publishing, image_signing, origin_logins
from nova_infra.constructs.images.vulnerability_alerts import VulnerabilityAlerts
from nova_infra.constructs.observability.alert_topic import AlertTopic
from nova_infra.constructs.observability.encryption_key import EncryptionKey
from nova_infra.constructs.roles.github_role import GitHubJobs, GitHubRole, subject_prefix
from nova_infra.constructs.roles.registry_role import RegistryRole
from nova_infra.constructs.statements import allow
from nova_infra.github import IMAGE_SESSION_SECONDS, deploy_session_seconds
from nova_infra.names import (
    EARLY_REGISTRY_ASSETS,
    EARLY_REGISTRY_STACK,
    GITHUB_ISSUER,
    REGISTRY_ASSETS,
    REGISTRY_ENVIRONMENT,
    REGISTRY_STACK,
    alert_topic_name,
    bootstrap_role_name,
    deploy_role_name,
    early_image_role_name,
    early_registry_role_name,
    early_repository_name,
    environment_prefix,
    github_stack_name,
    image_alerts_name,
    image_role_name,
    registry_role_name,
    repositories_role_name,
    repository_name,
    role_name,
)

# What the CDK CLI deploys stacks by: templates go to the bucket, CloudFormation takes them from there, and what is
# deployed is compared with what would be.
_BOOTSTRAP_ROLES = ("deploy-role", "file-publishing-role", "lookup-role")


class GitHubStack(cdk.Stack):
    """The identity provider of one account, and the roles that the repository's jobs take there.

    Only jobs of the GitHub environment of the same name assume an environment's role. GitHub lets them run once
    its reviewers have agreed. The image builders' role, in the toolchain's account, is assumed by jobs of the delivered
    branch; those of the early branch take another one, whose repositories only the first environment pulls from.
    The repositories themselves are changed by jobs of the GitHub environment ``registry``.
    """

    def __init__(self, scope: Construct, construct_id: str, *, account: str, config: Config) -> None:
        """Create the provider and the roles.

        Args:
            account: The account: an environment's, several ones', the toolchain's.
        """
        environments = [each for each in config.environments if each.account == account]
        toolchain = config.toolchain.account == account
        super().__init__(
            scope,
            construct_id,
            stack_name=github_stack_name(config.platform.name),
            # Roles are the account's; the stack has to be somewhere.
            env=cdk.Environment(
                account=account, region=config.toolchain.region if toolchain else environments[0].region
            ),
            termination_protection=True,
        )
        ids = config.delivery.github_ids
        self._repository = config.source.repository
        self._repository_id = ids.repository if ids else None
        self._subject = subject_prefix(
            config.source.repository,
            owner_id=ids.owner if ids else None,
            repository_id=ids.repository if ids else None,
        )
        if account in config.delivery.existing_oidc_providers:
            self._provider_arn = self.format_arn(
                service="iam", region="", resource="oidc-provider", resource_name=GITHUB_ISSUER
            )
        else:
            self._provider_arn = iam.OidcProviderNative(
                self, "Provider", url=f"https://{GITHUB_ISSUER}", client_ids=["sts.amazonaws.com"]
            ).oidc_provider_arn
        for environment in environments:
            self._add_deploy_role(environment, config)
        if toolchain:
            self._add_image_roles(config)
            if config.images.scanning == "enhanced":
                self._announce_vulnerabilities(config)

    def _add_deploy_role(self, environment: Environment, config: Config) -> None:
        platform = config.platform.name
        GitHubRole(
            self,
            f"Deploy{environment.stage}",
            name=deploy_role_name(environment_prefix(platform, environment.name)),
            description=f"Deploys {environment.name} from GitHub Actions, with the roles of CDK and the release tools",
            jobs=self._jobs(
                f"environment:{environment.name}",
                branches=_branches(config) if environment == config.environments[0] else [config.source.branch],
                workflows=["deploy", "rollback"],
            ),
            statements=[
                allow(
                    ["sts:AssumeRole"],
                    on=[
                        self.format_arn(service="iam", region="", resource="role", resource_name=name)
                        for name in self._roles_to_take(environment, config)
                    ],
                )
            ],
            max_session=cdk.Duration.seconds(deploy_session_seconds(config, environment)),
        )

    def _jobs(self, subject: str, *, branches: Sequence[str], workflows: Sequence[str]) -> GitHubJobs:
        return GitHubJobs(
            provider_arn=self._provider_arn,
            subject=f"{self._subject}:{subject}",
            branches=branches,
            workflows=[f"{self._repository}/.github/workflows/{name}.yml" for name in workflows],
            repository_id=self._repository_id,
        )

    def _roles_to_take(self, environment: Environment, config: Config) -> Sequence[str]:
        prefix = environment_prefix(config.platform.name, environment.name)
        bootstrap = [bootstrap_role_name(role, environment.account, environment.region) for role in _BOOTSTRAP_ROLES]
        gate = [role_name(prefix, "gate")] if suite_asked(config.services, environment) else []
        return [*bootstrap, role_name(prefix, "observer"), role_name(prefix, "release"), *gate]

    def _add_image_roles(self, config: Config) -> None:
        platform, region = config.platform.name, config.toolchain.region
        registry = RegistryRole(
            self,
            "Registry",
            name=registry_role_name(platform),
            stack=REGISTRY_STACK,
            assets=REGISTRY_ASSETS,
            repositories=repository_name(platform, "*"),
            region=region,
            settings=True,
        )
        released = self._repositories(config, repository_name(platform, "*"))
        profiles = f"arn:{self.partition}:signer:{region}:{self.account}:/signing-profiles/*"
        logins = origin_logins(self, config)
        statements = [*image_publishing([released]), image_signing(profiles), *logins, registry.comparison()]
        self._add_repositories_role(registry, config)
        if config.early_branch is not None:
            early = RegistryRole(
                self,
                "EarlyRegistry",
                name=early_registry_role_name(platform),
                stack=EARLY_REGISTRY_STACK,
                assets=EARLY_REGISTRY_ASSETS,
                repositories=early_repository_name(platform, "*"),
                region=region,
                settings=False,
            )
            published = image_publishing([self._repositories(config, early_repository_name(platform, "*"))])
            own = [*published, *early.deployment()]
            self._add_image_role("EarlyImages", early_image_role_name(platform), config.early_branch, [*own, *logins])
            # What is released goes to the first environment as well.
            statements += own
        self._add_image_role("Images", image_role_name(platform), config.source.branch, statements)

    def _add_repositories_role(self, registry: RegistryRole, config: Config) -> None:
        """Whoever sets a repository's policies can replace its images: so a change of them waits for an approval."""
        name = repositories_role_name(config.platform.name)
        self._add_toolchain_role(
            "Repositories",
            name,
            f"Changes the image repositories from GitHub Actions, once the reviewers of {REGISTRY_ENVIRONMENT} agree",
            subject=f"environment:{REGISTRY_ENVIRONMENT}",
            branch=config.source.branch,
            statements=registry.deployment(),
        )

    def _announce_vulnerabilities(self, config: Config) -> None:
        name = image_alerts_name(config.platform.name)
        key = EncryptionKey(
            self, "Encryption", name=f"{name}: messages about vulnerabilities", publishers=[], log_groups=[]
        ).key
        topic = AlertTopic(
            self,
            "Alerts",
            name=alert_topic_name(name),
            publishers=[],
            key=key,
            notifications=config.toolchain.notifications,
        ).topic
        released = repository_name(config.platform.name, "")
        VulnerabilityAlerts(self, "Vulnerabilities", repositories=released, topic=topic, key=key)

    def _repositories(self, config: Config, name: str) -> str:
        # By a pattern: a new service's repository is deployed, and its image built, by the same run.
        return self.format_arn(service="ecr", region=config.toolchain.region, resource="repository", resource_name=name)

    def _add_image_role(
        self, construct_id: str, name: str, branch: str, statements: Sequence[iam.PolicyStatement]
    ) -> None:
        self._add_toolchain_role(
            construct_id,
            name,
            f"Builds and publishes images of {branch} from GitHub Actions",
            subject=f"ref:refs/heads/{branch}",
            branch=branch,
            statements=statements,
        )

    def _add_toolchain_role(
        self,
        construct_id: str,
        name: str,
        description: str,
        *,
        subject: str,
        branch: str,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        wildcards = [self.resolve(each) for statement in statements for each in statement.resources if "*" in each]
        builder = GitHubRole(
            self,
            construct_id,
            name=name,
            description=description,
            jobs=self._jobs(subject, branches=[branch], workflows=["deploy"]),
            statements=statements,
            max_session=cdk.Duration.seconds(IMAGE_SESSION_SECONDS),
        )
        acknowledge(
            builder,
            "A login to ECR and the lists of Inspector have no narrower resource; repositories, change sets, "
            "templates and the signing profile get names later",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{each}]" for each in dict.fromkeys(wildcards)),
        )


def _branches(config: Config) -> list[str]:
    """The branches that are delivered: the one to production, and the early one to the first environment."""
    return [config.source.branch, *([config.early_branch] if config.early_branch else [])]
