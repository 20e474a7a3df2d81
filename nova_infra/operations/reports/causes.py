"""Explains messages of ECS and CloudFormation: cause and remedy (ECS: stopped-task-error-codes)."""

import re
from dataclasses import dataclass

from nova_infra.names import DEPLOY_REGISTRY

_ECS = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"
_REPOST = "https://repost.aws/knowledge-center"
_PULL = f"{_ECS}/task_cannot_pull_image.html"
_INITIALIZE = f"{_ECS}/resource-initialization-error.html"
_EVENTS = f"{_ECS}/service-event-messages-list.html"


@dataclass(frozen=True)
class Cause:
    """What a message means.

    Attributes:
        sentence: What went wrong, in plain words.
        next_step: What to do; ``{service}`` and ``{environment}`` stand for their names.
        harmless: It is what ECS says in good deployments, too.
    """

    sentence: str
    next_step: str
    source: str
    harmless: bool = False


def _when(
    pattern: str, sentence: str, next_step: str, source: str, *, harmless: bool = False
) -> tuple[re.Pattern[str], Cause]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), Cause(sentence, next_step, source, harmless)


# The first that matches counts: what is special comes before what is general.
_CAUSES = (
    # What the command printed follows, and may be worded like any other failure.
    _when(
        r"\b(before_deploy|run_before_promotion) (exited with|did not end)",
        "A command that has to succeed before the new image is deployed failed, so nothing was deployed.",
        "read what it printed, which begins with the line that says why; fix it and release again",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources.html",
    ),
    _when(
        r"CannotPullContainer.*(not found|manifest unknown|does not exist)",
        "The image is not in its repository.",
        "run `nova image build {service}` from that release's checkout, then retry the stage",
        _PULL,
    ),
    _when(
        r"CannotPullContainer.*(descriptor matching platform|exec format)",
        "The image was built for another processor than the task runs on.",
        "make `architecture` in nova.toml and the image agree, with `nova image build {service}`",
        _PULL,
    ),
    _when(
        r"CannotPullContainer.*(\b403\b|forbidden|access denied|accessdenied|not authorized|no basic auth)",
        "The task is not allowed to pull the image.",
        f"`{DEPLOY_REGISTRY}`: its repositories let the environments' accounts pull",
        _PULL,
    ),
    _when(
        r"CannotPullContainer.*(timeout|timed out|deadline exceeded|connection refused|no route|dial tcp)",
        "The task cannot reach the image registry.",
        "give its subnets a NAT gateway, or the endpoints ecr.api and ecr.dkr in nova.toml, then retry the stage",
        f"{_REPOST}/ecs-fargate-pull-container-error",
    ),
    _when(
        r"CannotPullContainer.*(toomanyrequests|\b429\b|rate limit)",
        "The image registry refuses further pulls for now.",
        "wait a few minutes, then retry the stage",
        _PULL,
    ),
    _when(
        r"CannotPullContainer.*no space left",
        "The image is larger than the task's disk.",
        "make the image smaller, or give the task more ephemeral storage",
        _PULL,
    ),
    _when(
        r"CannotPullContainer", "The image could not be pulled.", "read ECS's message above and fix the cause", _PULL
    ),
    _when(
        r"ResourceInitialization.*(logger args|log group|log stream)",
        "The task's log group does not exist, or cannot be written to.",
        "deploy the service's stack again: it contains the log group",
        _INITIALIZE,
    ),
    _when(
        r"ResourceInitialization.*did not contain json key",
        "A secret exists, but lacks the key that the task asks for.",
        "add the key to the secret in this environment's account, then retry the stage",
        _INITIALIZE,
    ),
    _when(
        r"ResourceInitialization.*(find the specified secret|ResourceNotFound|ParameterNotFound|invalid ssm param)",
        "A secret that the task needs does not exist in this environment.",
        "create it in this environment's account and region (nova.toml names it), then retry the stage",
        _INITIALIZE,
    ),
    _when(
        r"ResourceInitialization.*(secret|registry auth|ssm).*(AccessDenied|not authorized)",
        "The task's execution role may not read a secret, or the secret's key.",
        "let the execution role read it: check the secret's policy, its key and its name",
        f"{_REPOST}/ecs-unable-to-pull-secrets",
    ),
    _when(
        r"ResourceInitialization.*(timeout|timed out|deadline exceeded|send request failed|network config|killed)",
        "The task cannot reach Secrets Manager or the registry.",
        "give its subnets a NAT gateway, or the endpoints secretsmanager and ecr.api, then retry the stage",
        _INITIALIZE,
    ),
    _when(
        r"ResourceInitialization",
        "ECS could not set up what the task needs.",
        "read ECS's message above and fix the cause",
        _INITIALIZE,
    ),
    _when(
        r"OutOfMemory",
        "The container used more memory than its task has.",
        "raise `memory` of {service} in nova.toml, or find the leak; then release again",
        f"{_ECS}/out-of-memory.html",
    ),
    _when(
        r"failed container health checks",
        "The container's own health check kept failing.",
        "read the log lines, run `make rehearse`, fix the service and release again",
        f"{_REPOST}/ecs-task-stopped",
    ),
    _when(
        r"failed ELB health checks|is unhealthy in \(target-group",
        "The load balancer's health check kept failing: the service did not answer, or answered with an error.",
        "read the log lines, run `make rehearse`, fix the service and release again",
        f"{_ECS}/service-unhealthy-event-messages.html",
    ),
    _when(
        r"CannotStartContainer.*(executable file not found|no such file)|exit code: 127",
        "The container's command is not in its image.",
        "compare the task definition's command with the Dockerfile; `make rehearse` also shows it",
        f"{_ECS}/cannot-start-container.html",
    ),
    _when(
        r"exec format error",
        "The image was built for another processor than the task runs on.",
        "make `architecture` in nova.toml and the image agree, with `nova image build {service}`",
        _PULL,
    ),
    _when(
        r"CannotStartContainer|CannotCreateContainer",
        "The container could not be started.",
        "read ECS's message above and fix the cause",
        f"{_ECS}/cannot-start-container.html",
    ),
    _when(
        r"Capacity is unavailable",
        "AWS has no Fargate capacity there right now. Nothing is wrong with the release.",
        "wait a few minutes, then retry the stage; more zones in nova.toml make this rarer",
        f"{_REPOST}/ecs-fargate-runtask-capacity",
    ),
    _when(
        r"reached the limit on the number of (tasks|vCPUs)",
        "The account's quota of Fargate vCPUs is used up: a deployment needs twice its tasks for a while.",
        "request an increase in Service Quotas (Fargate On-Demand vCPU resource count), then retry the stage",
        _EVENTS,
    ),
    _when(
        r"insufficient free addresses|InsufficientFreeAddresses|not have enough free (IP )?addresses",
        "The subnets have no free address left.",
        "choose a larger `cidr` or fewer tasks; until then, stop tasks that nobody needs",
        _EVENTS,
    ),
    _when(
        r"network interface provisioning|failed to configure ENI",
        "The task's network interface was not ready in time. Either AWS had a problem, or the subnets are full.",
        "retry the stage; if it happens again, count the subnets' free addresses",
        _EVENTS,
    ),
    _when(
        r"unable to assume the role",
        "ECS cannot assume one of the task's roles.",
        "deploy the service's stack again; only CloudFormation should change its roles",
        _EVENTS,
    ),
    _when(
        r"ECS is performing maintenance|Host EC2.*(stopped|terminated)|retire",
        "AWS replaced the underlying machine. Nothing is wrong with the release.",
        "nothing",
        _ECS,
        harmless=True,
    ),
    _when(
        r"Scaling activity initiated by",
        "ECS stopped the task because it was no longer wanted.",
        "nothing",
        _ECS,
        harmless=True,
    ),
    _when(r"stopped by user|UserInitiated", "Somebody stopped the task.", "nothing", _ECS, harmless=True),
    _when(
        r"SpotInterruption|Spot Task", "AWS took back the capacity.", "nothing: ECS starts another", _ECS, harmless=True
    ),
    _when(
        r"\(exit code: 137\)",
        "The container was killed: it used too much memory, or did not stop on SIGTERM.",
        "check its memory alarm; if that is OK, find out why it outlives its stop timeout",
        f"{_REPOST}/ecs-task-stopped",
    ),
    _when(
        r"\(exit code: 139\)",
        "The program crashed in native code (segmentation fault).",
        "read the log lines, fix the service and release again",
        f"{_REPOST}/ecs-task-stopped",
    ),
    _when(
        r"\(exit code: 143\)",
        "The container stopped because ECS asked it to.",
        "nothing",
        f"{_REPOST}/ecs-task-stopped",
        harmless=True,
    ),
    _when(
        r"\(exit code: 0\)",
        "The container exited by itself without an error: its command does not keep running.",
        "compare the task definition's command with the Dockerfile",
        f"{_REPOST}/ecs-task-stopped",
    ),
    _when(
        r"Essential container.*exited|\(exit code: \d+\)",
        "The program crashed.",
        "read the log lines, run `make rehearse`, fix the service and release again",
        f"{_REPOST}/ecs-task-stopped",
    ),
    _when(
        r"circuit breaker",
        "Too many tasks failed to start or to become healthy, so ECS gave up the deployment.",
        "run `nova explain {environment}` within the hour: ECS forgets stopped tasks after that",
        f"{_ECS}/deployment-circuit-breaker.html",
    ),
    _when(
        r"alarm",
        "An alarm went red during the deployment, so ECS rolled back to the old revision.",
        "look at what the alarm measures on the dashboard, fix the service and release again",
        f"{_ECS}/deployment-alarm-failure.html",
    ),
    _when(
        r"is not authorized to perform|AccessDenied",
        "CloudFormation lacks a permission.",
        "run `nova doctor`, extend the execution policy of the account's bootstrap, then retry the stage",
        "https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html",
    ),
    _when(
        r"already exists",
        "A resource with that name exists outside the stack.",
        "delete or import that resource, then retry the stage",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html",
    ),
)

_UNKNOWN = Cause(
    "Nothing more is known than ECS's message.", "read the log lines, and the service's events in ECS", _ECS
)


def cause_of(message: str, exit_code: int | None = None) -> Cause:
    """What a message means."""
    if exit_code is not None:
        message = f"{message} (exit code: {exit_code})"
    return next((cause for pattern, cause in _CAUSES if pattern.search(message)), _UNKNOWN)


def is_known(cause: Cause) -> bool:
    """Whether a message said more than itself."""
    return cause is not _UNKNOWN
