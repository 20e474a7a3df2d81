"""Refuses contradictions in what an environment takes over: a VPC, a cluster, a load balancer."""

from collections.abc import Iterator, Mapping
from itertools import combinations

from nova_infra.config.environment import Environment, Network
from nova_infra.config.resolved import Resolved, on_public_load_balancer
from nova_infra.config.services.service import Service
from nova_infra.config.services.smoke import smoke_paths
from nova_infra.config.values.fields import aws_regions


def existing_parts(key: str, environment: Environment) -> Iterator[str]:
    """Every contradiction of one environment, as the key's path, what is wrong and what to do."""
    network = environment.network
    yield from _vpc(key, network)
    if network.cluster is not None and network.cluster.startswith("arn:"):
        yield from _elsewhere(f"{key}.network.cluster", network.cluster, environment)
    balancer = network.load_balancer
    if balancer is None:
        return
    own = f"{key}.network.load_balancer"
    if network.vpc is None:
        yield f"{own}: is in an existing VPC, but this environment creates its own: add network.vpc = …, or remove it"
    yield from _elsewhere(f"{own}.arn", balancer.arn, environment)
    if not balancer.listener.startswith(f"{balancer.arn.replace(':loadbalancer/', ':listener/')}/"):
        yield (
            f"{own}.listener: {balancer.listener!r} is not a listener of {balancer.full_name}: name one of those that "
            "`aws elbv2 describe-listeners` prints for it"
        )
    if f".{environment.region}.elb." not in balancer.dns_name:
        yield (
            f"{own}.dns_name: {balancer.dns_name!r} is not in {environment.region}: write DNSName as "
            "`aws elbv2 describe-load-balancers` prints it"
        )
    if environment.waf:
        yield (
            f"{key}.waf: true puts a firewall in front of a load balancer that is not this environment's: remove it, "
            f"and have the owner of {balancer.full_name} add one"
        )


def between_environments(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    """Rules of two environments with one priority on a shared listener; a tests' rule stands right before."""
    for (_, first), (_, second) in combinations(environments.items(), 2):
        one, other = first.network.load_balancer, second.network.load_balancer
        if one is None or other is None or one.listener != other.listener:
            continue
        taken = _places(services, first)
        for index, found in on_public_load_balancer(services, second):
            name, priority = found.service.name, found.service.priority
            if priority in taken:
                whose = f"also that of {taken[priority]} in {first.name}"
            elif _is_tested(found, services) and not taken.get(priority - 1, "the tests").startswith("the tests"):
                whose = f"right after that of {taken[priority - 1]} in {first.name}, where its tests have theirs"
            else:
                continue
            yield (
                f"services[{index}].priority: {priority} of {name} in {second.name} is {whose}, on one listener: "
                f"write priority = … with another number under [services.environments.{second.name}]"
            )


def _places(services: Mapping[int, Service], environment: Environment) -> dict[int, str]:
    """The owner of each priority on the environment's public load balancer: a service's rule, or that of its tests."""
    found = [each for _, each in on_public_load_balancer(services, environment)]
    tests = {e.service.priority - 1: f"the tests of {e.service.name}" for e in found if _is_tested(e, services)}
    return tests | {each.service.priority: each.service.name for each in found}


def _is_tested(found: Resolved, services: Mapping[int, Service]) -> bool:
    smoke = smoke_paths(found.service, found.environment, services.values())
    return found.environment.rollout.asks_suite or bool(smoke)


def _vpc(key: str, network: Network) -> Iterator[str]:
    given = network.model_fields_set
    if network.vpc is None:
        for each in ("public_subnets", "private_subnets"):
            if each in given:
                yield f"{key}.network.{each}: belongs to an existing VPC: add vpc = …, or remove it"
        return
    for each in ("nat_gateways", "interface_endpoints"):
        if each in given:
            yield f"{key}.network.{each}: nothing is added to an existing VPC: remove it"
    if "cidr" not in given:
        yield f"{key}.network.cidr: is missing: write the address range of {network.vpc}"
    for each in ("public_subnets", "private_subnets"):
        subnets = getattr(network, each)
        if each == "public_subnets" and network.load_balancer is not None and not subnets:
            continue
        if len(subnets) != len(network.zones):
            yield (
                f"{key}.network.{each}: names {len(subnets)} subnets for {len(network.zones)} zones: name one in each "
                "zone, in the order of zones"
            )
    for each in sorted(set(network.public_subnets) & set(network.private_subnets)):
        yield (
            f"{key}.network.private_subnets: {each!r} is also listed as public, where tasks, which have no public "
            "address, cannot reach the internet: name a subnet with a route to a NAT gateway"
        )


def _elsewhere(key: str, arn: str, environment: Environment) -> Iterator[str]:
    """Say what of an ARN is not the environment's."""
    _, partition, _, region, account, *_ = arn.split(":")
    wanted = aws_regions()[environment.region]
    if region != environment.region:
        yield f"{key}: {arn!r} is in {region}, and {environment.name} is in {environment.region}: name one there"
    elif partition != wanted:
        yield f"{key}: {arn!r} is in {partition}, and {environment.region} is in {wanted}: correct the ARN"
    if account != environment.account:
        yield (
            f"{key}: {arn!r} belongs to the account {account}, and {environment.name} is in {environment.account}: "
            "name one there"
        )
