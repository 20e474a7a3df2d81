"""Checks an existing VPC, cluster and load balancer against ``nova.toml``, and what their owners must allow."""

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.rules.network.internal import asked_from_outside
from nova_infra.config.services.runtime import MIN_BAKE_MINUTES
from nova_infra.config.values.existing import ExistingLoadBalancer
from nova_infra.deployed.protocol import Account
from nova_infra.documents.text import counted
from nova_infra.errors import NovaError
from nova_infra.names import environment_prefix, stack_name
from nova_infra.operations.doctor.check import Check, not_known
from nova_infra.operations.gates.listener_rules import collisions, of_others
from nova_infra.operations.gates.orphans import ListenerRule, wanted_rules

_IDLE_SECONDS = 60
"""The default idle timeout, after which a request counts as unanswered. The shortest bake allows for it."""
_FEWEST_ADDRESSES = 8
"""What a load balancer needs in each subnet:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer."""


def existing_network(environment: Environment, access: Account) -> Iterator[Check]:
    """The VPC and the subnets that an environment names; nothing where it makes its own."""
    network, name = environment.network, environment.name
    if network.vpc is None:
        return
    try:
        [vpc] = access.call("ec2", "describe_vpcs", VpcIds=[network.vpc])["Vpcs"]
        wanted = [*network.public_subnets, *network.private_subnets]
        subnets = {
            each["SubnetId"]: each for each in access.call("ec2", "describe_subnets", SubnetIds=wanted)["Subnets"]
        }
    except NovaError as error:
        if error.code in ("InvalidVpcID.NotFound", "InvalidSubnetID.NotFound"):
            yield Check(False, f"network: {error}", f"correct network of {name} in nova.toml")
        else:
            yield not_known(f"the network {network.vpc}", error)
        return
    faults = []
    ranges = {str(each["CidrBlock"]) for each in vpc.get("CidrBlockAssociationSet", ()) or [vpc]}
    if network.cidr not in ranges:
        faults.append((f"{network.vpc} has {', '.join(sorted(ranges))}, not {network.cidr}", "correct network.cidr"))
    for key in ("public_subnets", "private_subnets"):
        for letter, subnet in zip(network.zones, getattr(network, key), strict=False):
            found, zone = subnets[subnet], f"{environment.region}{letter}"
            if found["VpcId"] != network.vpc:
                faults.append((f"{subnet} is in {found['VpcId']}, not in {network.vpc}", f"correct network.{key}"))
            elif found["AvailabilityZone"] != zone:
                faults.append(
                    (
                        f"{subnet} is in {found['AvailabilityZone']}, not in {zone}",
                        f"put network.{key} in the order of zones",
                    )
                )
            elif found.get("AvailableIpAddressCount", _FEWEST_ADDRESSES) < _FEWEST_ADDRESSES:
                left = found["AvailableIpAddressCount"]
                faults.append((f"{subnet} has {left} free addresses", f"name another one in network.{key}"))
    for fault, remedy in faults:
        yield Check(False, f"network: {fault}", f"{remedy} of {name} in nova.toml")
    if not faults:
        yield Check(True, f"network {network.vpc} with {len(wanted)} subnets")


def existing_cluster(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """The cluster that an environment names; nothing where it makes its own."""
    name = environment.network.cluster_name
    if name is None:
        return
    try:
        answer = access.call("ecs", "describe_clusters", clusters=[name], include=["SETTINGS"])
    except NovaError as error:
        yield not_known(f"the cluster {name}", error)
        return
    cluster = next((each for each in answer["clusters"] if each.get("status") == "ACTIVE"), None)
    if cluster is None:
        yield Check(False, f"no cluster {name}", f"correct network.cluster of {environment.name} in nova.toml")
        return
    settings = {each["name"]: each["value"] for each in cluster.get("settings", ())}
    at = f"--region {environment.region}"
    faults = []
    if settings.get("containerInsights", "disabled") == "disabled":
        set_it = (
            f"aws ecs update-cluster-settings {at} --cluster {name} --settings name=containerInsights,value=enabled"
        )
        faults.append(("has no Container Insights, so the alarm on too few tasks would always be red", set_it))
    providers = list(cluster.get("capacityProviders", ()))
    on_spot = [s.name for s in config.services if resolved(s, environment).environment.scaling.spot is not None]
    missing = [each for each in ("FARGATE", "FARGATE_SPOT") if each not in providers] if on_spot else []
    if missing:
        strategy = " ".join(
            f"capacityProvider={each['capacityProvider']},weight={each.get('weight', 0)},base={each.get('base', 0)}"
            for each in cluster.get("defaultCapacityProviderStrategy", ())
        )
        command = (
            f"aws ecs put-cluster-capacity-providers {at} --cluster {name} --capacity-providers "
            f"{' '.join([*providers, *missing])} --default-capacity-provider-strategy {strategy or '[]'}"
        )
        fault = f"has no capacity provider {' and '.join(missing)}, and {', '.join(on_spot)} would run on Spot"
        faults.append((fault, command))
    for fault, remedy in faults:
        yield Check(False, f"cluster {name} {fault}", f"have its owner run: {remedy}")
    if not faults:
        yield Check(True, f"cluster {name}, with Container Insights")


def existing_load_balancer(config: Config, environment: Environment, access: Account) -> Iterator[Check]:
    """The load balancer and the listener that an environment names; nothing where it makes its own."""
    balancer = environment.network.load_balancer
    if balancer is None:
        return
    try:
        found = access.call("elbv2", "describe_load_balancers", LoadBalancerArns=[balancer.arn])["LoadBalancers"][0]
        listener = access.call("elbv2", "describe_listeners", ListenerArns=[balancer.listener])["Listeners"][0]
        attributes = access.call("elbv2", "describe_load_balancer_attributes", LoadBalancerArn=balancer.arn)
        names = sorted({balancer.security_group, *found.get("SecurityGroups", ())})
        groups = access.call("ec2", "describe_security_groups", GroupIds=names)["SecurityGroups"]
        own = _own_resources(config, environment, access)
        others = _others(balancer, own, access)
    except NovaError as error:
        if "NotFound" in error.code:
            key = {"ListenerNotFound": "listener", "InvalidGroup.NotFound": "security_group"}.get(error.code, "arn")
            yield Check(False, f"load balancer: {error}", _correct(key, environment))
        else:
            yield not_known(f"the load balancer {balancer.full_name}", error)
        return
    public = _public(config, environment)
    faults = [
        *_differences(environment, balancer, found),
        *_listener_faults(environment, listener),
        *_attribute_faults(public, balancer, {each["Key"]: each["Value"] for each in attributes["Attributes"]}),
        *_exit_faults(public, environment, groups, own.get("AWS::EC2::SecurityGroup", ())),
    ]
    if found.get("Scheme") == "internal":
        is_last = environment.name == config.environments[-1].name
        faults += asked_from_outside(environment, config.services, is_last=is_last)
    for fault, remedy in faults:
        yield Check(False, f"load balancer: {fault}", remedy)
    held = list(collisions(others, wanted_rules(config, environment), environment.name))
    for line in held:
        fault, _, remedy = line.rpartition(": ")
        yield Check(False, fault, remedy)
    if not faults and not held:
        yield Check(
            True, f"load balancer {balancer.full_name}, with {counted(len(others), 'rule')} of others on its listener"
        )


def _differences(
    environment: Environment, balancer: ExistingLoadBalancer, found: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What nova.toml says differently from AWS, with what to write."""
    vpc = environment.network.vpc
    if found["VpcId"] != vpc:
        yield f"is in {found['VpcId']}, not in {vpc}", f"name one in {vpc}, or correct network.vpc"
    if balancer.security_group not in found.get("SecurityGroups", ()):
        listed = ", ".join(found.get("SecurityGroups", ())) or "none"
        yield (
            f"does not have the security group {balancer.security_group}: it has {listed}",
            _correct("security_group", environment),
        )
    for key, name in (("dns_name", "DNSName"), ("zone_id", "CanonicalHostedZoneId")):
        if str(found[name]).lower() != getattr(balancer, key).lower():
            yield f"has the {name} {found[name]}", f'{_correct(key, environment)}: {key} = "{found[name]}"'
    if (state := found.get("State", {}).get("Code", "active")) not in ("active", "active_impaired"):
        yield f"is {state}", "wait until its owner has activated it"


def _listener_faults(environment: Environment, listener: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = "HTTPS" if environment.domain is not None else "HTTP"
    if listener["Protocol"] != wanted:
        why = "the domain is served over TLS" if wanted == "HTTPS" else "there is no domain to have a certificate for"
        yield f"the listener speaks {listener['Protocol']}, and {why}", _correct("listener", environment)
    port = 443 if wanted == "HTTPS" else 80
    if listener["Protocol"] == wanted and listener["Port"] != port:
        yield f"the listener is on port {listener['Port']}, but users call {port}", _correct("listener", environment)


def _public(config: Config, environment: Environment) -> list[Resolved]:
    """The services on the environment's public load balancer, as they are there."""
    found = (resolved(service, environment) for service in config.services)
    return [each for each in found if each.service.kind == "web" and not each.service.internal]


def _attribute_faults(
    public: list[Resolved], balancer: ExistingLoadBalancer, attributes: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Bakes that end before the alarm on requests without an answer can fire."""
    seconds = int(attributes.get("idle_timeout.timeout_seconds", _IDLE_SECONDS))
    needed = MIN_BAKE_MINUTES + max(0, -(-(seconds - _IDLE_SECONDS) // 60))
    short: dict[str, list[str]] = {}
    for each in public:
        rollout = each.environment.rollout
        stepwise = rollout.strategy in ("canary", "linear")
        for key in ("step_bake_minutes", "bake_minutes") if stepwise else ("bake_minutes",):
            if getattr(rollout, key) < needed:
                short.setdefault(key, []).append(each.service.name)
    if short:
        names = dict.fromkeys(name for listed in short.values() for name in listed)
        yield (
            f"waits {seconds} s for an answer, so a bake of {', '.join(names)} ends before requests count as "
            "unanswered",
            f"raise {' and '.join(short)} to {needed} or more, or have its owner set idle_timeout.timeout_seconds to "
            f"{_IDLE_SECONDS} on {balancer.full_name}",
        )


def _exit_faults(
    public: list[Resolved], environment: Environment, groups: list[Mapping[str, Any]], own: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Ports of services that none of the load balancer's security groups lets out to the tasks.

    What one of several groups allows is allowed:
    https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html

    Args:
        groups: The load balancer's groups, as EC2 describes them.
        own: Ids of the groups that tasks have already.
    """
    ports = sorted({each.service.port for each in public})
    rules = [
        rule
        for group in groups
        for rule in group.get("IpPermissionsEgress", ())
        if _leads_to_tasks(rule, environment.network.cidr, own)
    ]
    if closed := [port for port in ports if not any(_opens(rule, port) for rule in rules)]:
        listed = ", ".join(map(str, closed))
        named = " and ".join(group["GroupId"] for group in groups)
        yield (
            f"{named} {'lets' if len(groups) == 1 else 'let'} nothing out to port {listed} of tasks, so targets never "
            "become healthy",
            f"have its owner let TCP {listed} out to {environment.network.cidr}",
        )


def _leads_to_tasks(rule: Mapping[str, Any], cidr: str, own: Collection[str]) -> bool:
    """Whether any destination of a rule may contain tasks; prefix lists are not looked up."""
    tasks = ip_network(cidr)
    ranges = (ip_network(each["CidrIp"], strict=False) for each in rule.get("IpRanges", ()))
    return (
        any(tasks.overlaps(each) for each in ranges)
        or any(each.get("GroupId") in own for each in rule.get("UserIdGroupPairs", ()))
        or bool(rule.get("PrefixListIds"))
    )


def _opens(rule: Mapping[str, Any], port: int) -> bool:
    if rule.get("IpProtocol") not in ("-1", "tcp", "6"):
        return False
    return rule["IpProtocol"] == "-1" or bool(rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535))


def _others(balancer: ExistingLoadBalancer, own: Mapping[str, list[str]], access: Account) -> list[ListenerRule]:
    """The rules of others on the listener."""
    rules = access.pages("elbv2", "describe_rules", "Rules", ListenerArn=balancer.listener)
    return of_others(rules, own.get("AWS::ElasticLoadBalancingV2::ListenerRule", ()))


def _own_resources(config: Config, environment: Environment, access: Account) -> dict[str, list[str]]:
    """Physical ids of the resources of the services' stacks, by type."""
    prefix = environment_prefix(config.platform.name, environment.name)
    own: dict[str, list[str]] = {}
    for service in config.services:
        try:
            found = access.call(
                "cloudformation", "describe_stack_resources", StackName=stack_name(prefix, service.name)
            )
        except NovaError as error:
            if error.code != "ValidationError":  # it is not deployed
                raise
            continue
        for resource in found["StackResources"]:
            own.setdefault(resource["ResourceType"], []).append(str(resource.get("PhysicalResourceId", "")))
    return own


def _correct(key: str, environment: Environment) -> str:
    return f"correct network.load_balancer.{key} of {environment.name} in nova.toml"
