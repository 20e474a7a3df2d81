"""Finds stacks of services that nova.toml no longer has, and the listener rules that they still hold.

A delivery creates and updates stacks and deletes none. What is left over keeps its tasks, its alarms and its rule on
the load balancer, which may stand before the rule of a service that the release has.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from nova_infra.config import Config, Environment
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.services.smoke import smoke_paths
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Stack
from nova_infra.names import TEST_HEADER, stack_name
from nova_infra.operations.changes.stated_values import is_known
from nova_infra.operations.gates.problems import removal

_SHARED = ("platform", "overview")
_NARROWER = ("http-header", "http-request-method", "query-string", "source-ip")


@dataclass(frozen=True)
class ListenerRule:
    """The requests that a listener rule takes.

    Attributes:
        paths: Patterns of paths; any path where it has none.
        hosts: Patterns of hosts; any host where it has none.
        for_tests: Whether it takes only some requests of its hosts and paths, as tests of a new revision by a header,
            or by a regular expression.
        tested: Whether the place right before it is that of such a rule.
    """

    priority: int
    paths: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    for_tests: bool = False
    tested: bool = False
    internal: bool = False


def orphans(prefix: str, stacks: Iterable[Stack], services: Collection[str]) -> tuple[Stack, ...]:
    """The stacks of an environment that belong to no service of nova.toml.

    Args:
        prefix: ``<platform>-<environment>``.
    """
    known = {stack_name(prefix, name) for name in (*_SHARED, *services)}
    return tuple(stack for stack in stacks if stack.name not in known)


def told(stack: Stack) -> str:
    """What to report about such a stack, with the remedy."""
    if stack.status == "DELETE_IN_PROGRESS":
        return f"{stack.name}: is not in nova.toml and is being deleted"
    return f"{stack.name}: is not in nova.toml, and nothing updates or removes it: {removal(stack)}, or put it back"


def left_environments(environment: ObservedEnvironment, known: Collection[str]) -> Iterator[str]:
    """Report environments in an environment's account and region that nova.toml does not have."""
    platform = environment.prefix.removesuffix(f"-{environment.name}")
    for name in environment.environments():
        if name not in known:
            yield (
                f"{platform}-{name}: is an environment that is not in nova.toml, and nothing updates or removes it: "
                f"delete its stacks, {platform}-{name}-overview first, {platform}-{name}-platform last, or put it back"
            )


def rules_of(template: Mapping[str, Any]) -> Iterator[ListenerRule]:
    """The load balancer's rules in a template, except those whose conditions only CloudFormation knows."""
    for resource in template.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        if resource.get("Type") == "AWS::ElasticLoadBalancingV2::ListenerRule" and is_known(
            [properties.get(key) for key in ("Priority", "Conditions")]
        ):
            yield rule_of(properties)


def rule_of(properties: Mapping[str, Any]) -> ListenerRule:
    """A rule, as a template has it or as DescribeRules does."""
    conditions = properties.get("Conditions", ())
    return ListenerRule(
        int(properties.get("Priority", 0)),
        tuple(_values(conditions, "path-pattern", "PathPatternConfig")),
        tuple(_values(conditions, "host-header", "HostHeaderConfig")),
        # A rule that asks for more than a host and a path does not take all requests of either.
        any(each.get("Field") in _NARROWER or _by_expression(each) for each in conditions),
    )


def is_for_tests(properties: Mapping[str, Any]) -> bool:
    """Whether a rule of these properties takes only tests of a new revision."""
    return any(
        condition.get("HttpHeaderConfig", {}).get("HttpHeaderName") == TEST_HEADER[0]
        for condition in properties.get("Conditions", ())
    )


def _by_expression(condition: Mapping[str, Any]) -> bool:
    """Whether a host or a path is matched by regular expressions, which are not compared here."""
    return any(isinstance(each, Mapping) and each.get("RegexValues") for each in condition.values())


def _values(conditions: Iterable[Mapping[str, Any]], field: str, config: str) -> Iterator[str]:
    for condition in conditions:
        if condition.get("Field") == field:
            yield from (str(value) for value in condition.get(config, condition).get("Values", ()))


def wanted_rules(config: Config, environment: Environment) -> dict[str, ListenerRule]:
    """Service to the rule that it is to have in an environment."""
    found = [resolved(service, environment) for service in config.services]
    return {
        each.service.name: ListenerRule(
            each.service.priority,
            each.service.paths,
            each.service.hosts,
            tested=_is_tested(each, config),
            internal=each.service.internal,
        )
        for each in found
        if each.service.kind == "web"
    }


def _is_tested(found: Resolved, config: Config) -> bool:
    return found.environment.rollout.asks_suite or bool(smoke_paths(found.service, found.environment, config.services))


def taken(left: Mapping[str, Iterable[ListenerRule]], wanted: Mapping[str, ListenerRule]) -> Iterator[str]:
    """Say which paths and priorities of a release a rule holds that is left over."""
    for stack, rules in left.items():
        for rule in rules:
            for service, mine in wanted.items():
                if fault := held(rule, mine):
                    yield (
                        f"{service}: {fault} {stack}, which is not in nova.toml: delete that stack first, or change "
                        "the service's paths or priority"
                    )


def held(rule: ListenerRule, mine: ListenerRule) -> str:
    """What a rule takes from one of the release's, in a clause that ends before the stack's name; empty if nothing."""
    if rule.priority == mine.priority:
        return f"its priority {mine.priority} is that of the rule of"
    if mine.tested and rule.priority == mine.priority - 1:
        return f"the place of its tests' rule, {rule.priority}, is that of the rule of"
    if rule.for_tests:
        return ""
    if rule.priority > mine.priority or not _covers(rule.hosts, mine.hosts or ("*",)):
        return ""
    paths = [path for path in mine.paths or ("/*",) if _covers(rule.paths, (path,))]
    return f"its path {paths[0]} goes to an earlier rule, of" if paths else ""


def _covers(patterns: tuple[str, ...], values: tuple[str, ...]) -> bool:
    """Whether patterns overlap with others. A load balancer's patterns work like a shell's."""
    return not patterns or any(fnmatchcase(value, pattern) for value in values for pattern in patterns)
