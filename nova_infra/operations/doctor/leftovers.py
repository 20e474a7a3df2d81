"""Finds records, queues and registry settings that exist already, which a first deployment would create.

Nothing of this is in a template that is deployed: a record that was made by hand, the queue of a worker that was
removed, which is kept for its messages, or a setting that a registry has once:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-settings.html.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_infra.config import Config, Environment, Service
from nova_infra.config.resolved import resolved
from nova_infra.deployed.protocol import Account
from nova_infra.errors import NovaError
from nova_infra.names import (
    REGISTRY_STACK,
    environment_prefix,
    platform_stack_name,
    stack_name,
)
from nova_infra.operations.doctor.check import Check, is_anothers, not_known

_NO_QUEUE = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")


def leftovers(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """Records and queues in the way of stacks that are not deployed yet; nothing where there are none."""
    prefix = environment_prefix(config.platform.name, environment.name)
    services = [resolved(service, environment).service for service in config.services]
    for stack, (hosts, queues) in _made(prefix, environment, services).items():
        try:
            if _is_deployed(stack, access):
                continue
            for host in hosts:
                yield from _record(host, environment, access)
            for queue in queues:
                yield from _queue(queue, access)
        except NovaError as error:
            yield not_known(f"what would block {stack}", error)


def _made(
    prefix: str, environment: Environment, services: list[Service]
) -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Stack to the host names and the queues that it creates."""
    domain = environment.domain
    made: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    made[platform_stack_name(prefix)] = ((domain.name,) if domain else (), ())
    for service in services:
        stack, queue = stack_name(prefix, service.name), service.queue
        hosts = tuple(host for host in service.hosts if domain is not None and host != domain.name)
        made[stack] = (hosts, queue.names(stack) if queue is not None and not queue.existing else ())
    return {stack: names for stack, names in made.items() if any(names)}


def _is_deployed(stack: str, access: Account) -> bool:
    try:
        access.call("cloudformation", "describe_stacks", StackName=stack)
    except NovaError as error:
        if error.code == "ValidationError":
            return False
        raise
    return True


def _record(host: str, environment: Environment, access: Account) -> Iterator[Check]:
    """https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListResourceRecordSets.html: from a name on."""
    assert environment.domain is not None
    zone = environment.domain.zone_id
    first = {"StartRecordName": host, "StartRecordType": "A", "MaxItems": "1"}
    try:
        records = access.call("route53", "list_resource_record_sets", HostedZoneId=zone, **first)["ResourceRecordSets"]
    except NovaError as error:
        if error.code == "NoSuchHostedZone" or is_anothers(error):
            return  # which is said of the zone itself
        raise
    # Route 53 writes an asterisk by its code.
    names = {(str(each["Name"]).rstrip(".").replace("\\052", "*"), each["Type"]) for each in records}
    if taken := [kind for kind in ("A", "CNAME") if (host, kind) in names]:
        yield Check(
            False,
            f"{host} has a record of type {taken[0]} already, and CloudFormation would refuse to create its own",
            f"delete it from the hosted zone {zone} right before the first deployment, or choose another name",
        )


def _queue(name: str, access: Account) -> Iterator[Check]:
    try:
        access.call("sqs", "get_queue_url", QueueName=name)
    except NovaError as error:
        if error.code in _NO_QUEUE:
            return
        raise
    yield Check(
        False,
        f"the queue {name} is there already, and CloudFormation would refuse to create its own",
        "set existing = true in the worker's queue, with name and dead; or delete it and wait a minute",
    )


def settings_of_others(config: Config, access: Account) -> Iterator[Check]:
    """Rules of the registry that somebody else has made, before this installation sets its own."""
    try:
        if _is_deployed(REGISTRY_STACK, access):
            return  # they are its own
        if config.images.scanning == "enhanced":
            yield _scanning(access)
        yield _signing(access)
    except NovaError as error:
        yield not_known("the registry's settings", error)


def _scanning(access: Account) -> Check:
    found = access.call("ecr", "get_registry_scanning_configuration")["scanningConfiguration"]
    if rules := found.get("rules", ()):  # of either type: a registry has one configuration
        return Check(
            False,
            f"the registry scans {_filters(rules)}, and the first deployment would replace these rules, or be refused",
            'write scanning = "basic" under [images] to leave them, or choose another region for the toolchain',
        )
    return Check(True, "the registry scans nothing for others")


def _signing(access: Account) -> Check:
    try:
        found = access.call("ecr", "get_signing_configuration")["signingConfiguration"]
    except NovaError as error:
        if error.code != "SigningConfigurationNotFoundException":
            raise
        found = {}
    if rules := found.get("rules", ()):
        return Check(
            False,
            f"the registry signs {_filters(rules)}, and the first deployment would replace these rules, or be refused",
            "choose another region for the toolchain, or run aws ecr delete-signing-configuration if nobody needs it",
        )
    return Check(True, "the registry signs nothing for others")


def _filters(rules: Iterable[Mapping[str, Any]]) -> str:
    """The repositories of some rules, in a list."""
    return ", ".join(sorted({each["filter"] for rule in rules for each in rule.get("repositoryFilters", ())})) or "all"
