"""What AWS's messages mean. The messages are those that AWS documents, or that tasks on Fargate are reported to say."""

# ruff: noqa: E501  AWS writes long lines
import pytest

from nova_infra.operations.reports.causes import cause_of

REGISTRY = "444444444444.dkr.ecr.us-east-1.amazonaws.com/nova/carts-service"
PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"
SECRETS = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret "
    "arn:aws:secretsmanager:us-east-1:333333333333:secret:nova/token from secrets manager: "
)


@pytest.mark.parametrize(
    ("message", "exit_code", "says"),
    [
        (f"{PULL} {REGISTRY}:tag: {REGISTRY}:tag: not found", None, "not in its repository"),
        (f"CannotPullContainerError: Error response from daemon: manifest for {REGISTRY}:tag not found: manifest unknown: Requested image not found", None, "not in its repository"),
        (f"{PULL} {REGISTRY}:tag: pulling from host failed with status code [manifests tag]: 403 Forbidden", None, "not allowed to pull"),
        (f"CannotPullContainerError: AccessDeniedException: User is not authorized to perform: ecr:BatchGetImage on resource: {REGISTRY}", None, "not allowed to pull"),
        (f'{PULL} {REGISTRY}:tag: failed to do request: Head "https://444444444444.dkr.ecr.us-east-1.amazonaws.com/v2/": dial tcp 52.94.1.1:443: i/o timeout', None, "cannot reach the image registry"),
        ("CannotPullContainerError: inspect image has been retried 1 time(s): httpReaderSeeker: failed open: unexpected status code: 429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", None, "refuses further pulls"),
        ("CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'", None, "another processor"),
        ("CannotPullContainerError: ref pull has been retried 1 time(s): failed to extract layer: write: no space left on device: unknown", None, "larger than the task's disk"),
        ("CannotPullContainerError: something that nobody has seen before", None, "could not be pulled"),
        (f"{SECRETS}ResourceNotFoundException: Secrets Manager can't find the specified secret.", None, "does not exist in this environment"),
        (f"{SECRETS}AccessDeniedException: User: arn:aws:sts::333333333333:assumed-role/exec/abc is not authorized to perform: secretsmanager:GetSecretValue", None, "may not read a secret"),
        (f"{SECRETS}RequestCanceled: request context canceled caused by: context deadline exceeded", None, "cannot reach Secrets Manager"),
        ("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s): RequestError: send request failed caused by: Post https://api.ecr.us-east-1.amazonaws.com/: dial tcp 10.0.1.2:443: i/o timeout", None, "cannot reach Secrets Manager or the registry"),
        ("ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: retrieved secret from Secrets Manager did not contain json key password", None, "lacks the key"),
        ("ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1", None, "log group"),
        ("ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes", None, "could not set up"),
        ("OutOfMemoryError: Container killed due to memory usage", 137, "more memory than its task has"),
        ("Essential container in task exited; OutOfMemoryError: Container killed due to memory usage", 137, "more memory"),
        ("Essential container in task exited", 137, "too much memory, or did not stop"),
        ("Essential container in task exited", 139, "segmentation fault"),
        ("Essential container in task exited", 1, "The program crashed"),
        ("Essential container in task exited", 0, "does not keep running"),
        ("Essential container in task exited", 127, "not in its image"),
        ("Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:333333333333:targetgroup/blue/1)", 137, "load balancer's health check kept failing"),
        ("(service nova-prod-carts-service) (task 1) (port 8080) is unhealthy in (target-group arn) due to (reason Health checks failed with these codes: [502])", None, "load balancer's health check"),
        ("Task failed container health checks", None, "own health check"),
        ('CannotStartContainerError: Error response from daemon: OCI runtime create failed: exec: "python3.9": executable file not found in $PATH: unknown', None, "not in its image"),
        ("CannotStartContainerError: Error response from daemon: failed to create shim", None, "could not be started"),
        ("service nova-prod-carts-service was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.", None, "no Fargate capacity"),
        ("service x was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.", None, "quota of Fargate vCPUs"),
        ("service x was unable to place a task. Reason: subnet-1 does not have enough free IP addresses", None, "no free address left"),
        ("Timeout waiting for network interface provisioning to complete.", None, "network interface was not ready"),
        ("service x failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::333333333333:role/exec' that was provided for this task.)", None, "cannot assume one of the task's roles"),
        ("ECS deployment circuit breaker: tasks failed to start.", None, "gave up the deployment"),
        ("ECS deployment ecs-svc/123 failed: alarm detected.", None, "An alarm went red"),
        ("User: arn:aws:sts::333333333333:assumed-role/cdk-exec is not authorized to perform: ecs:CreateService", None, "CloudFormation lacks a permission"),
        ("nova-prod-alerts already exists in stack arn:aws:cloudformation:us-east-1:333333333333:stack/other", None, "exists outside the stack"),
        ("Message returned: before_deploy exited with 3 (Essential container in task exited): relation parcels already exists", None, "succeed before the new image is deployed"),
        ("Message returned: run_before_promotion did not end in time: AccessDenied | 1 alarm", None, "succeed before the new image is deployed"),
        ("Message returned: before_deploy failed: ECS started no task: [Capacity is unavailable at this time]", None, "no Fargate capacity"),
        ("A message in another language", None, "Nothing more is known"),
    ],
)  # fmt: skip
def test_a_message_is_in_plain_words_with_a_next_step(message: str, exit_code: int | None, says: str) -> None:
    cause = cause_of(message, exit_code)
    assert says in cause.sentence
    assert not cause.harmless
    assert cause.next_step
    assert cause.source.startswith("https://")


@pytest.mark.parametrize(
    ("message", "exit_code"),
    [
        ("Scaling activity initiated by (deployment ecs-svc/1234567890123456789)", 143),
        ("Scaling activity initiated by (deployment ecs-svc/1234567890123456789)", 0),
        ("Task stopped by user", None),
        ("ECS is performing maintenance on the underlying infrastructure hosting the task.", None),
        ("Essential container in task exited", 143),
    ],
)
def test_what_ecs_says_in_good_deployments_is_no_failure(message: str, exit_code: int | None) -> None:
    assert cause_of(message, exit_code).harmless
