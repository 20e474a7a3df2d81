"""Finds records, queues, load balancers, log groups and registry settings that a first deployment would create.

Nothing of this is in a template that is deployed: a record that was made by hand, the queue of a worker that was
removed, which is kept for its messages, what a failed deployment left behind, such as a load balancer that is protected
from deletion, or a setting that a registry has once:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-settings.html.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from nova_infra.config import Config, Environment, Service
from nova_infra.config.group import group
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.services.smoke import smoke_paths
from nova_infra.deployed.protocol import Account
from nova_infra.deployed.stack import Stack
from nova_infra.errors import NovaError
from nova_infra.names import (
    REGISTRY_STACK,
    environment_prefix,
    firewall_log_group,
    hook_log_group,
    job_log_group,
    platform_stack_name,
    private_balancer_name,
    smoke_name,
    stack_name,
    together_name,
)
from nova_infra.operations.doctor.check import Check, is_anothers, not_known
from nova_infra.operations.gates.problems import removal

_NO_BALANCER = ("LoadBalancerNotFound", "LoadBalancerNotFoundException")
_NO_QUEUE = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")


def leftovers(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """Records and queues in the way of stacks that are not deployed yet; nothing where there are none."""
    prefix = environment_prefix(config.platform.name, environment.name)
    found = [resolved(service, environment) for service in config.services]
    looks = {platform_stack_name(prefix): list(_of_platform(prefix, config, environment, found))}
    looks |= {
        stack_name(prefix, each.service.name): list(_of_service(prefix, environment, each.service)) for each in found
    }
    for stack, finders in looks.items():
        try:
            status = _status(stack, access)
            if status in ("ROLLBACK_FAILED", "DELETE_FAILED"):
                remedy = removal(Stack(stack, status, protected=environment.approval), environment.region)
                yield Check(
                    False, f"{stack} is in {status}, with some of what it has made", f"{remedy}; then ask again"
                )
                continue  # what it has made goes with it
            if _is_deployed(status):
                continue
            for find in finders:
                yield from find(access)
        except NovaError as error:
            yield not_known(f"what would block {stack}", error)


_Finder: TypeAlias = Callable[[Account], Iterator[Check]]


def _of_platform(prefix: str, config: Config, environment: Environment, found: Iterable[Resolved]) -> Iterator[_Finder]:
    """What looks for everything that the platform's stack creates under a name of its own."""
    if environment.domain is not None:
        yield partial(_record, environment.domain.name, environment)
    names = {
        prefix: environment.network.load_balancer is None,
        private_balancer_name(prefix): any(each.internal for each in config.services),
    }
    for name in (name for name, made in names.items() if made):
        yield partial(_balancer, name, platform_stack_name(prefix), environment)
    tested = any(smoke_paths(each.service, each.environment, config.services) for each in found)
    groups = {
        firewall_log_group(prefix): environment.waf,
        hook_log_group(smoke_name(prefix)): tested,
        hook_log_group(together_name(prefix)): bool(group(config.release, config.services, environment)),
    }
    for name in (name for name, made in groups.items() if made):
        yield partial(_log_group, name, environment)


def _of_service(prefix: str, environment: Environment, service: Service) -> Iterator[_Finder]:
    """What looks for everything that a service's stack creates under a name of its own."""
    stack, queue, domain = stack_name(prefix, service.name), service.queue, environment.domain
    if domain is not None:
        yield from (partial(_record, host, environment) for host in service.hosts if host != domain.name)
    if queue is not None and not queue.existing:
        yield from (partial(_queue, name) for name in queue.names(stack))
    if service.kind == "job":
        yield partial(_log_group, job_log_group(stack), environment)


def _status(stack: str, access: Account) -> str:
    """A stack's status; nothing where there is no such stack."""
    try:
        [found] = access.call("cloudformation", "describe_stacks", StackName=stack)["Stacks"]
    except NovaError as error:
        if error.code == "ValidationError":
            return ""
        raise
    return str(found.get("StackStatus"))


def _is_deployed(status: str) -> bool:
    """Whether a stack holds what it made: none does whose first deployment failed, or that is being deleted."""
    return bool(status) and not status.startswith(("REVIEW_IN_PROGRESS", "ROLLBACK_", "DELETE_"))


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


def _balancer(name: str, stack: str, environment: Environment, access: Account) -> Iterator[Check]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html, Name."""
    try:
        [found] = access.call("elbv2", "describe_load_balancers", Names=[name])["LoadBalancers"]
    except NovaError as error:
        if error.code in _NO_BALANCER:
            return
        raise
    arn = found["LoadBalancerArn"]
    [described] = access.call("elbv2", "describe_tags", ResourceArns=[arn])["TagDescriptions"]
    tags = {each["Key"]: each["Value"] for each in described["Tags"]}
    command = f"aws elbv2 {{}} --region {environment.region} --load-balancer-arn {arn}"
    steps = [command.format("delete-load-balancer")]
    if environment.approval:
        unprotect = f"{command.format('modify-load-balancer-attributes')} --attributes"
        steps.insert(0, f"{unprotect} Key=deletion_protection.enabled,Value=false")
    remedy = " && ".join(steps)
    if tags.get("aws:cloudformation:stack-name") != stack:
        remedy = "it is not this installation's: choose another platform.name, or have its owner give it up"
    yield Check(
        False, f"the load balancer {name} is there already, and CloudFormation would refuse to create its own", remedy
    )


def _log_group(name: str, environment: Environment, access: Account) -> Iterator[Check]:
    found = access.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=name)
    if any(each["logGroupName"] == name for each in found):
        yield Check(
            False,
            f"the log group {name} is there already, and CloudFormation would refuse to create its own",
            f"read what it says of the failure, then aws logs delete-log-group --region {environment.region} "
            f"--log-group-name {name}",
        )


def settings_of_others(config: Config, access: Account) -> Iterator[Check]:
    """Rules of the registry that somebody else has made, before this installation sets its own."""
    try:
        if _is_deployed(_status(REGISTRY_STACK, access)):
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
