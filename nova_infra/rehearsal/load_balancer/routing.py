"""Chooses a request's target group by listener rules (path, host, headers), then by weights."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import parse_qsl

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.played.load_balancing import LOG_IN
from nova_infra.rehearsal.load_balancer.targets import TargetGroup

Users = tuple[IPv4Network | IPv6Network, ...]
"""Where users ask from."""

INTERNET: Users = (ip_network("203.0.113.7"),)
"""Of nobody, by RFC 5737: stands for the addresses of users anywhere, which a rule for an office does not name."""

PRIVATE: Users = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""Where users of an internal load balancer ask from, which may be a network beyond its own."""

USER_HEADER = "X-Rehearsal-User"
"""Header that names the synthetic user of a request."""

REQUEST_HEADER = "X-Rehearsal-Request"
"""Header that numbers the synthetic requests, to find out which revision got each."""
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")


@dataclass
class WeightedGroup:
    """A target group and its share of a rule's traffic."""

    group: TargetGroup
    weight: float
    _credit: float = 0.0


@dataclass(frozen=True)
class FixedResponse:
    """An answer that the load balancer gives itself."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True)
class Redirect:
    """Sends the client elsewhere, with parts such as ``#{host}`` filled in (ELB: rule-action-types)."""

    status: int
    protocol: str
    host: str
    port: str
    path: str
    query: str

    def location(self, *, protocol: str, host: str, port: str, path: str, query: str) -> str:
        """The address to go to, from the parts of the one that was asked for."""
        parts = {"protocol": protocol, "host": host, "port": port, "path": path.lstrip("/"), "query": query}

        def filled(template: str) -> str:
            return re.sub(r"#\{(\w+)\}", lambda match: parts[match.group(1)], template)

        asked = filled(self.query)
        where = f"{filled(self.protocol).lower()}://{filled(self.host)}:{filled(self.port)}{filled(self.path)}"
        return f"{where}?{asked}" if asked else where


@dataclass
class RoutingRule:
    """A listener rule.

    Attributes:
        priority: Lower ones are tried first.
        headers: Names of headers to patterns; one of each must match.
        queries: Of each entry's keys and values, as patterns, one must be in the query. An empty key: any key.
        for_users: Whether the addresses that it is for are those of users.
    """

    name: str
    priority: float
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    queries: list[tuple[tuple[str, str], ...]] = field(default_factory=list)
    for_users: bool = True
    forward: list[WeightedGroup] = field(default_factory=list)
    answer: FixedResponse | Redirect | None = None

    def names(self, host: str) -> bool:
        """Whether a host is one of those that this rule is for."""
        return bool(self.hosts) and _any_match(host.lower(), [each.lower() for each in self.hosts])

    def matches(
        self, host: str, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", query: str = ""
    ) -> bool:
        """Whether a request matches; only paths and methods are case-sensitive (rule-condition-types)."""
        if not self.for_users or (self.methods and method not in self.methods):
            return False
        if self.queries:
            pairs = [(key.lower(), value.lower()) for key, value in parse_qsl(query, keep_blank_values=True)]
            if not all(any(_is_in(pairs, *wanted) for wanted in condition) for condition in self.queries):
                return False
        for name, patterns in self.headers.items():
            value = (headers or {}).get(name)
            if value is None or not _any_match(value.lower(), [pattern.lower() for pattern in patterns]):
                return False
        return _any_match(path, self.paths) and _any_match(host.lower(), [host.lower() for host in self.hosts])

    def choose(self) -> TargetGroup | None:
        """The target group of the next request, in exact proportion to the weights."""
        if (chosen := self._next()) is None:
            return None
        for entry in self.forward:
            entry._credit += entry.weight
        chosen._credit -= sum(entry.weight for entry in self.forward)
        return chosen.group

    def peek(self) -> TargetGroup | None:
        """What :meth:`choose` will say next."""
        return chosen.group if (chosen := self._next()) is not None else None

    def _next(self) -> WeightedGroup | None:
        if not any(entry.weight for entry in self.forward):
            return None
        return max(self.forward, key=lambda entry: entry._credit + entry.weight)

    def set_weights(self, weights: dict[str, float]) -> None:
        """Set each target group's share, by name."""
        for entry in self.forward:
            entry.weight = weights[entry.group.name]
            entry._credit = 0.0


def read_rule(
    properties: dict[str, Any], name: str, groups: dict[str, TargetGroup], users: Users = INTERNET
) -> RoutingRule:
    """The rule that a listener rule's resolved properties define."""
    rule = RoutingRule(name, priority=float(properties["Priority"]))
    for condition in properties.get("Conditions", ()):
        match condition["Field"]:
            case "path-pattern":
                rule.paths += _values(condition, "PathPatternConfig", name)
            case "host-header":
                rule.hosts += _values(condition, "HostHeaderConfig", name)
            case "http-header":
                if "HttpHeaderConfig" not in condition:
                    raise UnresolvableError(f"{name}: Conditions holds an http-header without HttpHeaderConfig: add it")
                asked = condition["HttpHeaderConfig"]
                rule.headers[asked["HttpHeaderName"]] = tuple(asked["Values"])
            case "http-request-method":
                rule.methods += _values(condition, "HttpRequestMethodConfig", name)
            case "query-string":
                pairs = _values(condition, "QueryStringConfig", name)
                rule.queries.append(tuple((pair.get("Key", ""), pair.get("Value", "")) for pair in pairs))
            case "source-ip":
                rule.for_users &= _has_users(_values(condition, "SourceIpConfig", name), users, name)
            case unknown:
                raise UnresolvableError(f"{name}: Conditions holds {unknown!r}, which the rehearsal does not know")
    rule.forward, rule.answer = _read_actions(properties["Actions"], name, groups)
    return rule


def _has_users(ranges: Sequence[Any], users: Users, name: str) -> bool:
    """Whether users are in one of some ranges of addresses."""
    try:
        named = [ip_network(str(each), strict=False) for each in ranges]
    except ValueError as error:
        raise UnresolvableError(f"{name}: Conditions holds a source-ip that is no range: {error}: correct it") from None
    return any(one.version == other.version and one.overlaps(other) for one in named for other in users)


def _is_in(pairs: list[tuple[str, str]], key: str, value: str) -> bool:
    """Whether a query, in small letters, has a key and a value that match two patterns."""
    return any(
        (not key or _any_match(k, [key.lower()])) and _any_match(v, [value.lower()] if value else []) for k, v in pairs
    )


def _values(condition: dict[str, Any], config: str, name: str) -> tuple[Any, ...]:
    values = tuple(condition.get(config, condition).get("Values", ()))
    if not values:
        raise UnresolvableError(f"{name}: Conditions holds a {condition['Field']} without Values: add them")
    return values


def read_default_rule(actions: list[dict[str, Any]], name: str, groups: dict[str, TargetGroup]) -> RoutingRule:
    """The rule that a listener's default actions define: it matches what nothing else does."""
    rule = RoutingRule(name, priority=float("inf"))
    rule.forward, rule.answer = _read_actions(actions, name, groups)
    return rule


def _read_actions(
    actions: list[dict[str, Any]], name: str, groups: dict[str, TargetGroup]
) -> tuple[list[WeightedGroup], FixedResponse | Redirect | None]:
    actions = [each for each in actions if each["Type"] not in LOG_IN]
    if len(actions) != 1:
        raise UnresolvableError(f"{name}: Actions holds {len(actions)} entries; the rehearsal knows rules with one")
    [action] = actions
    needed = {"forward": "TargetGroupArn", "fixed-response": "FixedResponseConfig", "redirect": "RedirectConfig"}
    if (key := needed.get(action["Type"])) and key not in action and "ForwardConfig" not in action:
        raise UnresolvableError(f"{name}: Actions holds a {action['Type']} without {key}: add it")
    match action["Type"]:
        case "forward" if "ForwardConfig" in action:
            entries = action["ForwardConfig"]["TargetGroups"]
            return [
                WeightedGroup(_group(groups, entry["TargetGroupArn"], name), float(entry.get("Weight", 1)))
                for entry in entries
            ], None
        case "forward":
            return [WeightedGroup(_group(groups, action["TargetGroupArn"], name), 1)], None
        case "fixed-response":
            config = action["FixedResponseConfig"]
            return [], FixedResponse(
                int(config["StatusCode"]), config.get("ContentType", "text/plain"), config.get("MessageBody", "")
            )
        case "redirect":
            config = action["RedirectConfig"]
            return [], Redirect(
                status=int(config["StatusCode"].removeprefix("HTTP_")),
                protocol=config.get("Protocol", "#{protocol}"),
                host=config.get("Host", "#{host}"),
                port=str(config.get("Port", "#{port}")),
                path=config.get("Path", "/#{path}"),
                query=config.get("Query", "#{query}"),
            )
    raise UnresolvableError(f"{name}: Actions holds {action['Type']!r}, which the rehearsal does not know")


def _group(groups: dict[str, TargetGroup], arn: str, name: str) -> TargetGroup:
    if arn not in groups:
        raise UnresolvableError(f"{name}: forwards to {arn!r}, which is not a target group of this environment")
    return groups[arn]


def _any_match(value: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(_pattern(pattern).fullmatch(value) for pattern in patterns)


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """``*`` stands for any characters and ``?`` for one; everything else for itself."""
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def existing_balancer(listener: str) -> str:
    """The name in CloudWatch, ``app/<name>/<id>``, of a load balancer whose listener no stack creates."""
    match = re.fullmatch(r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}:listener/(app/[\w-]+/\w+)/\w+", listener)
    if match is None:
        raise UnresolvableError(
            f"ListenerArn: {listener!r} is neither a listener of this environment nor the ARN of one: correct it"
        )
    return match[1]


def normalized(target: str) -> str:
    """The path of a request's target in its plainest form, with which rules are compared.

    A load balancer evaluates rules "only after URI normalization occurs" (Path conditions in
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html). AWS does not say
    which normalization that is; here it is the one of RFC 3986, sections 5.2.4 and 6.2.2.

    Args:
        target: As it was sent: a path, or a whole address, each with or without a query.

    Returns:
        The path without its query: letters, digits and ``-._~`` are not escaped, other escapes have capital letters,
        and no segment is ``.`` or ``..``.
    """
    path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "", target).partition("?")[0].partition("#")[0]
    return _without_dots(_ESCAPE.sub(_plainest, path)) or "/"


def _plainest(match: re.Match[str]) -> str:
    letter = chr(int(match.group(1), 16))
    return letter if _UNRESERVED.fullmatch(letter) else match.group(0).upper()


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == ".." and kept:
            kept.pop()
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")
    return "/" + "/".join(kept) if segments else ""
