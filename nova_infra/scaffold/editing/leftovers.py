"""Lists what a removed or renamed service leaves in AWS, with the commands that delete it.

A delivery creates and updates stacks and deletes none, so that no commit can take a service away.
"""

from collections.abc import Iterator

from nova_infra.config import Config
from nova_infra.names import environment_prefix, repository_name, stack_name


def after_removal(config: Config, name: str) -> Iterator[str]:
    """What is left to do once a service has been removed, line by line.

    Args:
        config: The configuration that still has the service.
    """
    yield (
        f"In AWS {name} keeps running: a delivery deletes no stack. First deliver this change to every environment, "
        "because the overview stacks still refer to its alarms. Then, in this order:"
    )
    yield from _deletions(config, name)


def after_renaming(config: Config, old: str, new: str) -> Iterator[str]:
    """What happens to a renamed service, and what is left to do, line by line.

    Args:
        config: The configuration that still has the old name.
    """
    paths = config.service(old).paths
    moved = [path for path in paths if path == f"/{old}" or path.startswith(f"/{old}/")]
    shared = [path for path in paths if path not in moved]
    platform = config.platform.name
    yield f"In AWS, {new} is a new service beside {old}:"
    if moved:
        yield (
            f"  URLs    callers of {', '.join(moved)} reach the last release of {old} until its stacks are deleted, "
            f"and get 404 after that: move them to /{new}/ first"
        )
    if shared:
        yield f"  URLs    {', '.join(shared)} may stay with {old} until its stacks are deleted"
    yield f"  stacks  {platform}-<environment>-{new} is created; {platform}-<environment>-{old} stays as it is"
    yield f"  data    logs, alarms and images stay under {old}; a rollback cannot cross the rename"
    yield "First deliver this change to every environment. Then, in this order:"
    yield from _deletions(config, old)


def _deletions(config: Config, name: str) -> Iterator[str]:
    for environment in config.environments:
        stack = stack_name(environment_prefix(config.platform.name, environment.name), name)
        there = f"--stack-name {stack} --region {environment.region}"
        yield f"  {environment.name}, with credentials of {environment.account}; its logs stay until they expire:"
        if environment.approval:
            yield f"    aws cloudformation update-termination-protection --no-enable-termination-protection {there}"
        yield f"    aws cloudformation delete-stack {there}"
        yield f"    aws cloudformation wait stack-delete-complete {there}"
    repository = repository_name(config.platform.name, name)
    yield (
        f"  toolchain, with credentials of {config.toolchain.account}; the images are kept until you delete them, "
        "and no release that ran them can be rolled back to after that:"
    )
    yield f"    aws ecr delete-repository --force --repository-name {repository} --region {config.toolchain.region}"
