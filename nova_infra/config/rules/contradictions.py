"""Contradictions between tables of ``nova.toml``: engine, promotion, names, CIDR blocks; calls most other rules."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from itertools import combinations

from nova_infra.config.delivery import Delivery, Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.resolved import usable
from nova_infra.config.root import ValidParts
from nova_infra.config.rules.group import group_contradictions
from nova_infra.config.rules.network.existing import between_environments, existing_parts
from nova_infra.config.rules.network.internal import internal_load_balancers
from nova_infra.config.rules.rollouts import rollout_contradictions
from nova_infra.config.rules.services import largest, service_contradictions
from nova_infra.config.rules.smoke import smoke_contradictions
from nova_infra.config.services.service import Service
from nova_infra.config.values.repeats import repeated
from nova_infra.names import REGISTRY_ENVIRONMENT

MAX_ACTIONS = 50
"""Actions in one stage of a pipeline: https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html. So many
services also fit one load balancer, which takes 100 target groups, two for each web service:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""

_ENDPOINTS_TO_START = ("ecr.api", "ecr.dkr", "logs")
RESERVED_SERVICES = {
    "canary": "group of alarms",
    "smoke": "function",
    "together": "function",
    "platform": "stack",
    "overview": "stack",
    "kit": "directory",
    "tests": "directory",
}
_RESERVED_ENVIRONMENTS = {
    **dict.fromkeys(("source", "build", "images", "assets", "update-pipeline", "updatepipeline"), "a stage"),
    "platform": "the pipeline",
    "github": "the stack of GitHub's roles",
}
# Constructs beside the stages in the pipeline's stack, and those that CDK's own pipeline has beside its stages.
_PIPELINE_CONSTRUCTS = (
    *("alerts", "artifacts", "boundary", "encryption", "logs", "notifications", "pipeline", "vulnerabilities"),
    *("default", "resource", "role"),
)


def contradictions(parts: ValidParts) -> Iterator[str]:
    """Every contradiction, each as the key's path, the value, what is wrong and what to do."""
    toolchain, source, delivery = parts.toolchain, parts.source, parts.delivery
    environments, services = parts.environments, parts.services
    if source is not None and delivery is not None:
        yield from _engine(source, delivery, environments)
    if toolchain is not None and delivery is not None and toolchain.permissions_boundary:
        yield from _boundary(toolchain, delivery, environments)
    in_job = delivery is not None and delivery.engine == "github-actions"
    reserved = _RESERVED_ENVIRONMENTS | dict.fromkeys(() if in_job else _PIPELINE_CONSTRUCTS, "a construct")
    yield from _promotion(environments, reserved, last=parts.environment_count - 1)
    for index, environment in environments.items():
        key = f"environments[{index}]"
        yield from _deployment(key, environment)
        yield from _addresses(key, environment, services)
        yield from _private_network(key, environment, toolchain, services)
        yield from existing_parts(key, environment)
    for (_, first), (index, second) in combinations(environments.items(), 2):
        shared = first.network.vpc is not None and first.network.vpc == second.network.vpc
        if not shared and IPv4Network(first.network.cidr).overlaps(IPv4Network(second.network.cidr)):
            yield (
                f"environments[{index}].network.cidr: {second.network.cidr!r} overlaps that of {first.name}: "
                "give each environment its own range, so that the networks can be connected later"
            )
    yield from between_environments(environments, services)
    yield from internal_load_balancers(environments, services, last=parts.environment_count - 1)
    yield from _services(services, environments)
    yield from service_contradictions(
        environments, services, names=parts.environment_names, platform=parts.platform.name
    )
    yield from smoke_contradictions(environments, services)
    yield from rollout_contradictions(environments, services, in_job=in_job)
    yield from group_contradictions(parts.release, environments, services, in_job=in_job)
    yield from _prefixes(environments)
    yield from _stacks(environments, services)


def actions_besides(environment: Environment, services: Mapping[int, Service]) -> int:
    """How many actions an environment's stage in the pipeline has, in addition to that of each service."""
    found = usable(services, environment).values()
    asks = any(each.service.kind == "web" and each.environment.rollout.asks_suite for each in found)
    # The stacks platform and overview, and the step that verifies; then the preflight, the tests and the gate.
    return 3 + environment.approval + (environment.tests is not None) + asks


def _engine(source: Source, delivery: Delivery, environments: Mapping[int, Environment]) -> Iterator[str]:
    if delivery.engine == "codepipeline" and source.connection_arn is None and source.token_secret is None:
        yield (
            "source: needs exactly one way to authenticate: set connection_arn or token_secret, "
            'or set engine = "github-actions" under [delivery]'
        )
    if delivery.early_branch == source.branch:
        yield (
            f"delivery.early_branch: {source.branch!r} is the branch that goes to production: "
            "name another one, or leave it out"
        )
    if delivery.engine == "codepipeline":
        return
    for index, environment in environments.items():
        if environment.name == REGISTRY_ENVIRONMENT:
            yield (
                f"environments[{index}].name: {environment.name!r} is GitHub's environment for the image repositories: "
                "choose another name"
            )
        if environment.window is not None:
            yield (
                f"environments[{index}].window: works only with CodePipeline; GitHub Actions would "
                "deploy at any time: remove it"
            )


def _boundary(toolchain: Toolchain, delivery: Delivery, environments: Mapping[int, Environment]) -> Iterator[str]:
    key = "toolchain.permissions_boundary: true"
    if delivery.engine != "codepipeline":
        yield f"{key} limits the pipeline's roles, and GitHub Actions delivers without a pipeline: remove it"
    for environment in environments.values():
        if environment.account == toolchain.account:
            yield (
                f"{key} keeps the toolchain's account from creating roles for {environment.name}, which shares it: "
                "give the environment an account of its own, or remove the boundary"
            )


def _promotion(environments: Mapping[int, Environment], reserved: Mapping[str, str], *, last: int) -> Iterator[str]:
    for index, name, _ in repeated({index: environment.name for index, environment in environments.items()}):
        yield f"environments[{index}].name: {name!r} is used twice: give each its own name"
    domains = {index: environment.domain.name for index, environment in environments.items() if environment.domain}
    for index, domain, first in repeated(domains):
        yield (
            f"environments[{index}].domain.name: {domain!r} is also the domain of {environments[first].name}: "
            "give each environment its own name"
        )
    for index, environment in environments.items():
        key = f"environments[{index}]"
        taken = "a stage" if environment.name.startswith("approve-") else reserved.get(environment.name)
        if taken is not None:
            yield f"{key}.name: {environment.name!r} is already the name of {taken}: choose another name"
        if index == 0 and environment.approval:
            yield (
                f"{key}.approval: true is set on the first environment, before anything has been tested: "
                "remove it, or put another environment first"
            )
        if index == last > 0 and not environment.approval:
            yield (f"{key}.approval: false lets every push into the last environment: write approval = true")
        if index < last and environment.tests is None:
            yield (
                f"{key}.tests: is missing, so nothing would test a release here before it moves on: "
                'write tests = "integration" or tests = "e2e"'
            )


def _deployment(key: str, environment: Environment) -> Iterator[str]:
    if environment.domain is None and not environment.allow_plain_http:
        yield (
            f"{key}.domain: is missing, so nothing could be served over TLS: "
            'write domain = { name = "…", zone_id = "Z…" }, or allow_plain_http = true'
        )
    if environment.window is not None and environment.on_failure == "rollback":
        # AWS documents both conditions, and not whether a rollback of the stage has to wait for the window, too.
        yield (
            f'{key}.window: may keep on_failure = "rollback" from rolling back outside of it, which AWS does not '
            'document: write on_failure = "stop" or "retry", or remove the window'
        )


def _addresses(key: str, environment: Environment, services: Mapping[int, Service]) -> Iterator[str]:
    network = environment.network
    zones = len(network.zones)
    # An eighth of the network for each subnet, public and private ones in up to three zones; AWS keeps five addresses.
    room = zones * (2 ** (32 - IPv4Network(network.cidr).prefixlen - 3) - 5)
    needed = 2 * largest(services, environment) + zones * len(network.interface_endpoints)
    if needed > room:
        yield (
            f"{key}.network.cidr: {network.cidr!r} has room for {room} tasks, but {len(services)} services may run "
            f"{needed} while all of them are deployed at max_tasks: widen it, or lower scaling.max_tasks"
        )


def _private_network(
    key: str, environment: Environment, toolchain: Toolchain | None, services: Mapping[int, Service]
) -> Iterator[str]:
    if environment.network.nat_gateways > 0:
        return
    needed = list(_ENDPOINTS_TO_START)
    found = usable(services, environment).values()
    secrets = [secret for each in found for secret in each.service.secrets.values()]
    secrets += [secret for each in found for car in each.service.sidecars for secret in car.secrets.values()]
    needed += ["secretsmanager"] if any(each.secret for each in secrets) else []
    needed += ["ssm"] if any(each.parameter for each in secrets) else []
    needed += ["sqs"] if any(each.service.queue for each in found) else []
    if environment.exec:
        needed.append("ssmmessages")
    missing = [endpoint for endpoint in needed if endpoint not in environment.network.interface_endpoints]
    if missing:
        yield (
            f"{key}.network.nat_gateways: 0 leaves tasks without {', '.join(missing)}: "
            "add them to interface_endpoints, or write nat_gateways = 1"
        )
    if toolchain is not None and toolchain.region != environment.region:
        yield (
            f"{key}.network.nat_gateways: 0 leaves tasks without images, which are in {toolchain.region}: "
            "write nat_gateways = 1, or use the toolchain's region"
        )


def _services(services: Mapping[int, Service], environments: Mapping[int, Environment]) -> Iterator[str]:
    besides, name = max(
        ((actions_besides(each, services), each.name) for each in environments.values()), default=(0, "")
    )
    if besides + len(services) > MAX_ACTIONS:
        yield (
            f"services: has {len(services)} entries, but the stage of {name} in the pipeline (which every engine is "
            f"rehearsed as) takes {MAX_ACTIONS} actions, and {besides} of them deploy no service: keep at "
            f"most {MAX_ACTIONS - besides} services, or split them between two installations"
        )
    for index, name, _ in repeated({index: service.name for index, service in services.items()}):
        yield f"services[{index}].name: {name!r} is used twice: give each its own name"
    for index, service in services.items():
        if taken := RESERVED_SERVICES.get(service.name):
            yield f"services[{index}].name: {service.name!r} is already the name of a {taken}: choose another one"
    lines: dict[str, None] = {}
    for name in [environment.name for environment in environments.values()] or [""]:
        # Those of internal services are on another load balancer.
        priorities = {i: (s.priority_in(name), s.internal) for i, s in services.items() if s.kind == "web"}
        for index, (priority, _), first in repeated(priorities):
            own = priority == services[index].priority
            key = f"services[{index}].priority" if own else f"services[{index}].environments.{name}.priority"
            lines[
                f"{key}: {priority} is also the priority of {services[first].name}: "
                "write priority = … with another number in one of the two"
            ] = None
    yield from lines


def _prefixes(environments: Mapping[int, Environment]) -> Iterator[str]:
    """Environments of one account whose roles, alarms and jobs could not be told apart by how their names begin."""
    for (first, one), (second, other) in combinations(environments.items(), 2):
        if (one.account, one.region) != (other.account, other.region):
            continue
        (_, shorter), (index, longer) = sorted(((first, one), (second, other)), key=lambda each: len(each[1].name))
        if longer.name.startswith(f"{shorter.name}-"):
            yield (
                f"environments[{index}].name: {longer.name!r} begins like {shorter.name}, whose roles and alarms would "
                f"include it, as both are in {longer.account} {longer.region}: choose another name"
            )


def _stacks(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    names = {
        (index, name): f"{environment.name}-{name}"
        for index, environment in environments.items()
        for name in ("platform", "overview", *(service.name for service in services.values()))
    }
    for (index, name), stack, (first, other) in repeated(names):
        if environments[index].name != environments[first].name:
            yield (
                f"environments[{index}].name: {environments[index].name!r} gives {name} the stack {stack}, which also "
                f"belongs to {other} in {environments[first].name}: choose another name"
            )
