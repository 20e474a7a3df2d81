"""Lists what a removed or renamed service leaves in AWS, with the commands that delete it.

A delivery creates and updates stacks and deletes none, so that no commit can take a service away. A stack that is
deleted takes the service's tasks, listener rule, alarms and roles with it; what outlives it is listed here.
"""

from collections.abc import Iterator, Mapping, Sequence

from nova_infra.config import Config, Environment, Service
from nova_infra.config.resolved import resolved
from nova_infra.names import (
    early_repository_name,
    environment_prefix,
    parameter_path,
    repository_name,
    stack_name,
    task_log_groups,
)


def after_removal(config: Config, name: str, *, own_resources: bool = False) -> Iterator[str]:
    """What is left to do once a service has been removed, line by line."""
    yield (
        f"In AWS {name} keeps running: a delivery deletes no stack. First deliver this change to every environment, "
        "because the overview stacks still refer to its alarms. Then, in this order:"
    )
    queues = {each.name: _queues(config, each, config.service(name)) for each in config.environments}
    yield from _deletions(config, name, queues=queues, own_resources=own_resources)
    yield from _secrets(config, name)


def after_renaming(config: Config, old: str, new: str, *, own_resources: bool = False) -> Iterator[str]:
    """What happens to a renamed service, and what is left to do, line by line."""
    service = config.service(old)
    moved = [path for path in service.paths if path == f"/{old}" or path.startswith(f"/{old}/")]
    shared = [path for path in service.paths if path not in moved]
    platform = config.platform.name
    yield f"In AWS, {new} is a new service alongside {old}:"
    if moved:
        yield (
            f"  URLs    callers of {', '.join(moved)} reach the last release of {old} until its stacks are deleted, "
            f"and get 404 after that: move them to /{new}/ first"
        )
    if shared:
        yield f"  URLs    {', '.join(shared)} may stay with {old} until its stacks are deleted"
    yield f"  stacks  {platform}-<environment>-{new} is created; {platform}-<environment>-{old} stays as it is"
    had, gets = (
        {each.name: _queues(config, each, one) for each in config.environments}
        for one in (service, service.model_copy(update={"name": new}))
    )
    shared_queues = {queue for name in had for queue in had[name] if queue in gets[name]}
    if shared_queues:
        yield (
            f"  queues  {', '.join(sorted(shared_queues))}: CloudFormation would refuse to create them again; before "
            f"you deliver, write existing = true, name and dead in the queue of {new}, which then takes them over"
        )
    elif any(had.values()):
        yield f"  queues  {new} gets its own: have senders use those before you delete the stacks of {old}"
    if service.before_deploy is not None:
        yield f"  before  before_deploy runs once more, for {new}"
    yield f"  data    logs, alarms and images stay under {old}; a rollback cannot cross the rename"
    if own_resources:
        yield f"          what infrastructure.py made for {old} stays with {old}; {new} gets new ones, which are empty"
    yield "First deliver this change to every environment. Then, in this order:"
    left = {name: tuple(queue for queue in queues if queue not in shared_queues) for name, queues in had.items()}
    yield from _deletions(config, old, queues=left, own_resources=own_resources)


def _deletions(config: Config, name: str, *, queues: Mapping[str, Sequence[str]], own_resources: bool) -> Iterator[str]:
    for environment in config.environments:
        stack = stack_name(environment_prefix(config.platform.name, environment.name), name)
        at = f"--region {environment.region}"
        there = f"--stack-name {stack} {at}"
        yield f"  {environment.name}, with credentials of {environment.account}:"
        if own_resources:
            yield f"    aws cloudformation list-stack-resources {there}"
        if environment.approval:
            yield f"    aws cloudformation update-termination-protection --no-enable-termination-protection {there}"
        yield f"    aws cloudformation delete-stack {there}"
        yield f"    aws cloudformation wait stack-delete-complete {there}"
        if own_resources:
            yield "    What of the first list holds data, such as a table or a bucket, is kept: delete it by hand"
        yield from _kept(config, environment, name, stack=stack, queues=queues[environment.name])
    names = [repository_name(config.platform.name, name)]
    if config.early_branch is not None:
        names.append(early_repository_name(config.platform.name, name))
    yield (
        f"  toolchain, with credentials of {config.toolchain.account}; the images are kept until you delete them, "
        "and no release that ran them can be rolled back to after that:"
    )
    for each in names:
        yield f"    aws ecr delete-repository --force --repository-name {each} --region {config.toolchain.region}"


def _kept(config: Config, environment: Environment, name: str, *, stack: str, queues: Sequence[str]) -> Iterator[str]:
    """What the stack leaves behind, with the commands for those who need it no more."""
    at = f"--region {environment.region}"
    if queues:
        yield "    Kept with their messages, and in the way of a new worker of that name:"
    for queue in queues:
        url = f'"$(aws sqs get-queue-url --queue-name {queue} {at} --query QueueUrl --output text)"'
        yield f"    aws sqs delete-queue {at} --queue-url {url}"
    if config.service(name).before_deploy is not None:
        parameter = f"{parameter_path(config.platform.name, environment.name)}/before-deploy/{name}"
        yield "    Kept, so that before_deploy would not run again for the same image:"
        yield f"    aws ssm delete-parameter --name {parameter} {at}"
    yield f"    Kept: its logs, whose events expire after {environment.log_retention_days} days:"
    groups = f"aws logs describe-log-groups {at} --log-group-name-prefix {task_log_groups(stack)}"
    yield (
        f"    {groups} --query 'logGroups[].[logGroupName]' --output text | "
        f"xargs -n1 aws logs delete-log-group {at} --log-group-name"
    )


def _queues(config: Config, environment: Environment, service: Service) -> tuple[str, ...]:
    """Names of the queues that a service's stack makes and leaves behind."""
    queue = resolved(service, environment).service.queue
    if queue is None or queue.existing:
        return ()
    stack = stack_name(environment_prefix(config.platform.name, environment.name), service.name)
    return queue.names(stack)


def _secrets(config: Config, name: str) -> Iterator[str]:
    """The secrets that only this service read: they were made by hand, and nothing deletes them."""
    for environment in config.environments:
        services = [resolved(each, environment).service for each in config.services]
        used = {each for service in services if service.name != name for each in _read(service)}
        own = dict.fromkeys(each for service in services if service.name == name for each in _read(service))
        lines = [f"    {delete} --region {environment.region}" for delete in own if delete not in used]
        if lines:
            yield (
                f"  {environment.name}, with credentials of {environment.account}; no other service reads these, if "
                "nothing else does:"
            )
            yield from lines


def _read(service: Service) -> Iterator[str]:
    """The commands that delete what a service's containers read when they start."""
    secrets = [*service.secrets.values(), *(each for car in service.sidecars for each in car.secrets.values())]
    logins = [car.credentials for car in service.sidecars if car.credentials is not None]
    for each in secrets:
        if each.parameter is not None:
            yield f"aws ssm delete-parameter --name {each.parameter}"
        else:
            yield f"aws secretsmanager delete-secret --secret-id {each.secret}"
    yield from (f"aws secretsmanager delete-secret --secret-id {each.secret}" for each in logins)
