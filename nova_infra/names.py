"""The physical names of stacks, roles, alarms, queues, log groups and repositories, for synthesis and tools.

An installation has a ``platform`` name; an environment's names begin with its ``prefix``, ``<platform>-<environment>``.
Imports neither CDK nor botocore.
"""

import hashlib
from typing import Literal

Role = Literal["observer", "release", "operator", "gate"]
"""The roles of an environment: one looks, one changes, one is for people, one answers deployments for the suite."""

EVENT_SOURCE = "nova"
"""What EventBridge knows Nova's own events by."""

TEST_HEADER = ("x-nova-test", "new-revision")
"""Name and value of the header that takes a request to a new revision before its users reach it."""

TEST_HEADER_VARIABLE = "NOVA_TEST_HEADER"
"""Where a suite that answers a gate finds the header that its requests have to send, as ``name: value``."""

ENVIRONMENT_VARIABLE = "NOVA_ENVIRONMENT"
"""The variable in which the tests of a deployed environment get its name."""

GATED_VARIABLE = "GATED"
"""The variable in which the step that answers gates with a test suite gets the names of the services that wait."""

LOADED_VARIABLE = "LOADED"
"""The variable in which the same step gets the names of the services that it sends requests while they bake."""

REQUEST_ALARMS = ("errors", "unanswered", "latency")
"""The alarms of a web service that judge by its requests, and say nothing of too few."""

WEB_ALARMS = (*REQUEST_ALARMS, "cpu", "memory")
"""The alarms of a web service that are meant to roll its deployments back."""

TOOK_TOO_LONG = "The run took longer than"
"""What a job's state machine says of a run that it stopped; the limit follows."""

JOB_ALARMS = ("failed", "missed")
"""The alarms of a job: nothing is rolled back by them."""

BOOTSTRAP_QUALIFIER = "hnb659fds"
"""The default of ``cdk bootstrap``: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html."""

GITHUB_ISSUER = "token.actions.githubusercontent.com"
"""Who signs the tokens of GitHub's jobs; an account knows it as an identity provider by this name."""

PIPELINE_STACK = "NovaPipelineStack"
"""The stack of the pipeline, in the toolchain's account; its roles' names begin with it."""

REGISTRY_ENVIRONMENT = "registry"
"""GitHub's environment whose reviewers approve a change of the image repositories."""

REGISTRY_STACK = "NovaRegistryStack"
"""Id and name of the stack of the image repositories, in the toolchain's account."""

DEPLOY_REGISTRY = f"npx cdk deploy {REGISTRY_STACK} --import-existing-resources"
"""How a person deploys it. A repository that a failed deployment or a removed service left is adopted, not refused."""

REGISTRY_ASSETS = "registry/"
"""What the names of that stack's templates begin with in the bootstrap bucket, where GitHub Actions deploys it."""

EARLY_REGISTRY_STACK = "NovaEarlyRegistryStack"
"""Id and name of the stack of the early branch's image repositories, in the toolchain's account."""

EARLY_REGISTRY_ASSETS = "early-registry/"
"""What the names of that stack's templates begin with in the bootstrap bucket."""

BOOTSTRAP_VERSION = f"/cdk-bootstrap/{BOOTSTRAP_QUALIFIER}/version"
"""The parameter that holds the bootstrap stack's version."""


_PARTITIONS = {
    "cn-": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-": ("aws-us-gov", "amazonaws.com"),
    "us-iso-": ("aws-iso", "c2s.ic.gov"),
    "us-isob-": ("aws-iso-b", "sc2s.sgov.gov"),
    "us-isof-": ("aws-iso-f", "csp.hci.ic.gov"),
    "eu-isoe-": ("aws-iso-e", "cloud.adc-e.uk"),
    "eusc-": ("aws-eusc", "amazonaws.eu"),
}
"""What a region's name begins with, to its partition and the end of AWS's host names there; of all others ``aws``."""


def partition_of(region: str) -> str:
    """The partition of a region, such as ``aws-us-gov`` (IAM: reference-arns)."""
    return _place(region)[0]


def domain_of(region: str) -> str:
    """The end of AWS's host names in a region, such as ``amazonaws.com``."""
    return _place(region)[1]


def _place(region: str) -> tuple[str, str]:
    return next((place for start, place in _PARTITIONS.items() if region.startswith(start)), ("aws", "amazonaws.com"))


def environment_prefix(platform: str, environment: str) -> str:
    """The prefix of all names of an environment, and the name of an ECS cluster of its own."""
    return f"{platform}-{environment}"


CLUSTER_OUTPUT = "ClusterName"
"""Output of the platform's stack: name of the ECS cluster, where that is one that exists."""

SCHEME_OUTPUT = "LoadBalancerScheme"
"""Output of the platform's stack: ``internal``, where its load balancer does not answer outside its VPC."""

REVISION_OUTPUT = "TaskRevision"
"""Output of the stack of a web service or worker: ARN of its task definition."""


def cluster_name(prefix: str, existing: str | None) -> str:
    """Name of the ECS cluster that an environment's services run in, by the name of the existing one, if any."""
    return existing or prefix


def services_in_cluster(prefix: str, cluster: str) -> str:
    """The part after the kind in the ARNs of an environment's services, deployments and revisions; ``*`` for any."""
    return f"{prefix}/*" if cluster == prefix else f"{cluster}/{prefix}-*"


def stack_name(prefix: str, name: str) -> str:
    """Name of the stack of a service, or of ``platform`` or ``overview``. A service's ECS service has its name too."""
    return f"{prefix}-{name}"


def platform_stack_name(prefix: str) -> str:
    """Name of the stack of what an environment's services share."""
    return stack_name(prefix, "platform")


def private_balancer_name(prefix: str) -> str:
    """Name of the load balancer of internal services. 32 characters at most, and none may begin with "internal-"."""
    return f"{prefix}-in"


def alarm_name(stack: str, kind: str) -> str:
    """Name of a service's alarm, by the name of the service's stack and one of the kinds above."""
    return f"{stack}-{kind}"


def schedule_name(stack: str) -> str:
    """Name of a job's schedule and its group: 64 characters at most (Scheduler: API_CreateSchedule)."""
    if len(stack) <= 64:
        return stack
    return f"{stack[:55]}-{hashlib.sha256(stack.encode()).hexdigest()[:8]}"


def job_log_group(stack: str) -> str:
    """Name of the log group of a job's runs, with the prefix that keeps policies short (Step Functions: cw-logs)."""
    return f"/aws/vendedlogs/states/{stack}"


def canary_alarm_name(prefix: str) -> str:
    """Name of the composite alarm over all services of an environment."""
    return f"{prefix}-canary-errors"


TASK_LOG_GROUP = "Logs"
"""Logical id of the log group of a service's tasks."""


def task_log_groups(stack: str) -> str:
    """What the names of a service's log groups begin with, by the name of its stack; with ``*``, those of several.

    CloudFormation gives the rest: a group of a fixed name would either be deleted with a first deployment that fails,
    and the reason with it, or stand in the way of the next one. Names of services have no upper case, so no other group
    of an environment begins like this.
    """
    return f"{stack}-{TASK_LOG_GROUP}-"


def smoke_name(prefix: str) -> str:
    """Name of the function that requests the smoke paths of new revisions, and of its role."""
    return f"{prefix}-smoke"


def together_name(prefix: str) -> str:
    """Name of the function that makes the services of a release wait for one another, and of its role."""
    return f"{prefix}-together"


def hook_log_group(function: str) -> str:
    """Name of the log group of a function that ECS calls at lifecycle hooks."""
    return f"/nova/{function}"


def hook_role_name(function: str) -> str:
    """Name of the role that ECS assumes to call such a function."""
    return f"{function}-hook"


def firewall_log_group(prefix: str) -> str:
    """Name of the firewall's log group, with the prefix that WAF requires (WAF: logging-cw-logs)."""
    return f"aws-waf-logs-{prefix}"


def encrypted_log_groups(prefix: str) -> tuple[str, ...]:
    """Patterns of the log groups that an environment's key encrypts; first those that CloudFormation names."""
    everything = f"{prefix}-*"
    return (
        everything,
        f"/aws/lambda/{everything}",
        firewall_log_group(prefix),
        hook_log_group(everything),
        job_log_group(everything),
    )


def alert_topic_name(owner: str) -> str:
    """Name of the topic that notifies about an environment, by its prefix, or about a pipeline, by its name."""
    return f"{owner}-alerts"


def chat_topic_name(alerts: str) -> str:
    """Name of the topic for messages in the form that chat shows, by the name of the alert topic."""
    return f"{alerts}-chat"


def role_name(prefix: str, role: Role) -> str:
    """Name of one of the roles of an environment."""
    return f"{prefix}-{role}"


def step_role_name(prefix: str, step: str) -> str:
    """Name of the role of a pipeline's step about an environment, in the toolchain's account."""
    return f"{prefix}-{step}-step"


def deploy_role_name(prefix: str) -> str:
    """Name of the role with which GitHub Actions deploys an environment."""
    return f"{prefix}-deploy"


def github_stack_name(platform: str) -> str:
    """Name of the stack of GitHub Actions' roles, in each account."""
    return f"{platform}-github-actions"


def image_role_name(platform: str) -> str:
    """Name of the role with which GitHub Actions publishes images, in the toolchain's account."""
    return f"{platform}-image-builder"


def early_image_role_name(platform: str) -> str:
    """Name of the role with which GitHub Actions publishes the early branch's images, in the toolchain's account."""
    return f"{platform}-early-image-builder"


def repositories_role_name(platform: str) -> str:
    """Name of the role with which GitHub Actions changes the image repositories once that was approved."""
    return deploy_role_name(environment_prefix(platform, REGISTRY_ENVIRONMENT))


def image_alerts_name(platform: str) -> str:
    """The owner in the name of the topic about images' vulnerabilities, where no pipeline has a topic."""
    return f"{platform}-images"


def registry_role_name(platform: str) -> str:
    """Name of the role with which CloudFormation deploys the image repositories for GitHub Actions."""
    return f"{platform}-registry"


def early_registry_role_name(platform: str) -> str:
    """Name of the role with which CloudFormation deploys the early branch's image repositories."""
    return f"{platform}-early-registry"


def bootstrap_bucket_name(account: str, region: str) -> str:
    """Name of the bucket of CDK's bootstrap stack, which holds templates."""
    return f"cdk-{BOOTSTRAP_QUALIFIER}-assets-{account}-{region}"


def bootstrap_role_name(role: str, account: str, region: str) -> str:
    """Name of a role of CDK's bootstrap stack: ``deploy-role``, ``file-publishing-role`` or ``lookup-role``."""
    return f"cdk-{BOOTSTRAP_QUALIFIER}-{role}-{account}-{region}"


def repository_name(platform: str, service: str) -> str:
    """Name of a service's image repository."""
    return f"{platform}/{service}"


def early_repository_name(platform: str, service: str) -> str:
    """Name of the repository for the early branch's images of a service. No pattern matches both repositories."""
    return f"{platform}-early/{service}"


def parameter_path(platform: str, environment: str) -> str:
    """The path of an environment's records in the parameter store, without a slash at the end."""
    return f"/{platform}/{environment}"


def boundary_name(platform: str) -> str:
    """Name of the permissions boundary in the toolchain's account."""
    return f"{platform}-boundary"


def pipeline_name(platform: str) -> str:
    """Name of the pipeline, which its notification rule and its alert topic share."""
    return f"{platform}-platform"


def pipeline_log_group(platform: str) -> str:
    """Name of the log group of the pipeline's builds."""
    return f"/nova/{pipeline_name(platform)}-pipeline"


BEFORE_DEPLOY = "Custom::NovaBeforeDeploy"
"""The type of what runs a command in a new image before what depends on it is deployed."""

CONTAINER = "app"
"""Name of the container that is the service itself, not a sidecar."""
