from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.load_balancer.routing import (
    FixedResponse,
    Redirect,
    RoutingRule,
    WeightedGroup,
    read_default_rule,
    read_rule,
)
from nova_infra.rehearsal.load_balancer.targets import (
    Audience,
    Target,
    TargetGroup,
    TargetGroupSettings,
    read_target_group,
)
from nova_infra.rehearsal.tasks.task import Task

SETTINGS = TargetGroupSettings("/health", 10, 5, 2, 3, "200", 30)


def target(healthy: bool | None, *, draining: bool = False) -> Target:
    return Target(cast(Task, SimpleNamespace(definition=SimpleNamespace(revision="new"))), healthy, draining)


def group(name: str = "blue", *targets: Target) -> TargetGroup:
    return TargetGroup(name, SETTINGS, list(targets))


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/audio/*", "/audio/version", True),
        ("/audio/*", "/audio/", True),
        ("/audio/*", "/audio", False),
        ("/audio/*", "/Audio/version", False),
        ("/a?c", "/abc", True),
        ("/a?c", "/ac", False),
        ("/a.c", "/abc", False),
        ("/", "/", True),
        ("/", "/x", False),
    ],
)
def test_a_path_pattern_knows_stars_and_question_marks_and_compares_case_by_case(
    pattern: str, path: str, matches: bool
) -> None:
    assert RoutingRule("r", 1, paths=(pattern,)).matches("host", path) is matches


def test_one_of_several_patterns_is_enough_and_without_any_every_path_matches() -> None:
    rule = RoutingRule("r", 1, paths=("/a", "/b/*"))
    assert [rule.matches("host", path) for path in ("/a", "/b/c", "/c")] == [True, True, False]
    assert RoutingRule("r", 1).matches("host", "/c")


def test_a_host_and_a_path_must_both_match() -> None:
    rule = RoutingRule("r", 1, paths=("/a",), hosts=("x.test",))
    assert [rule.matches(host, path) for host, path in (("x.test", "/a"), ("x.test", "/b"), ("y.test", "/a"))] == [
        True,
        False,
        False,
    ]


def test_a_host_pattern_does_not_care_about_case() -> None:
    assert RoutingRule("r", 1, hosts=("*.Example.com",)).matches("API.example.COM", "/")
    assert not RoutingRule("r", 1, hosts=("*.example.com",)).matches("example.org", "/")


@given(st.lists(st.integers(0, 100), min_size=1, max_size=4).filter(any))
def test_weights_are_kept_exactly_over_every_cycle(weights: list[int]) -> None:
    groups = [group(str(number)) for number in range(len(weights))]
    rule = RoutingRule("r", 1, forward=[WeightedGroup(g, w) for g, w in zip(groups, weights, strict=True)])
    chosen = Counter(rule.choose().name for _ in range(sum(weights)))  # type: ignore[union-attr]
    assert [chosen[g.name] for g in groups] == weights


@pytest.mark.parametrize(
    ("condition", "method", "query", "matches"),
    [
        (("http-request-method", ["POST", "PUT"]), "PUT", "", True),
        (("http-request-method", ["POST"]), "post", "", False),
        (("query-string", [{"Key": "Version", "Value": "v*"}]), "GET", "a=1&version=V2", True),
        (("query-string", [{"Key": "version", "Value": "v1"}, {"Value": "beta"}]), "GET", "x=beta", True),
        (("query-string", [{"Key": "version", "Value": "v1"}]), "GET", "x=v1", False),
        (("query-string", [{"Value": "beta"}]), "GET", "", False),
        (("source-ip", ["10.0.0.0/8", "192.0.2.44/32"]), "GET", "", False),
        (("source-ip", ["::/0", "0.0.0.0/0"]), "GET", "", True),
    ],
)
def test_a_method_and_a_query_count(condition: tuple[str, list[Any]], method: str, query: str, matches: bool) -> None:
    """Source: Condition types for listener rules: methods are case-sensitive, queries are not."""
    kind, values = condition
    config = {
        "http-request-method": "HttpRequestMethodConfig",
        "query-string": "QueryStringConfig",
        "source-ip": "SourceIpConfig",
    }[kind]
    rule = read_rule(
        {
            "Priority": 1,
            "Conditions": [{"Field": kind, config: {"Values": values}}],
            "Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        },
        "rule",
        {},
    )
    assert rule.matches("host", "/", method=method, query=query) is matches


def test_ten_percent_is_every_tenth_request_from_the_first_ten_on() -> None:
    rule = RoutingRule("r", 1, forward=[WeightedGroup(group("old"), 100), WeightedGroup(group("new"), 0)])
    rule.set_weights({"old": 90, "new": 10})
    chosen = [rule.choose().name for _ in range(100)]  # type: ignore[union-attr]
    assert all(chosen[start : start + 10].count("new") == 1 for start in range(0, 100, 10))


def test_without_any_weight_there_is_no_group() -> None:
    assert RoutingRule("r", 1, forward=[WeightedGroup(group(), 0)]).choose() is None


def test_requests_go_to_healthy_targets_in_turns() -> None:
    one, two = target(True), target(True)
    both = group("g", one, two, target(False), target(None), target(True, draining=True))
    assert Counter(map(id, (both.next_target() for _ in range(10)))) == {id(one): 5, id(two): 5}


def test_where_all_checked_targets_are_unhealthy_the_load_balancer_fails_open() -> None:
    red = target(False)
    assert group("g", red, target(None)).next_target() is red


def test_an_unchecked_target_gets_no_requests_even_when_it_is_the_only_one() -> None:
    assert group("g", target(None)).next_target() is None
    assert group("g").next_target() is None


@pytest.mark.parametrize(
    ("codes", "good", "bad"),
    [("200", 200, 201), ("200-299", 204, 300), ("200,302", 302, 301), ("200-202,404", 404, 403)],
)
def test_a_matcher_takes_codes_and_ranges(codes: str, good: int, bad: int) -> None:
    settings = read_target_group({"Matcher": {"HttpCode": codes}})
    assert settings.accepts(good) is True
    assert settings.accepts(bad) is False


@pytest.mark.parametrize(
    ("given", "port", "good"), [("traffic-port", 8080, False), ("8080", 8080, False), ("9000", 8080, True)]
)
def test_a_check_of_the_port_that_requests_go_to_judges_its_answer(given: str, port: int, good: bool) -> None:
    assert read_target_group({"HealthCheckPort": given}).accepts(500, port) is good


def test_a_target_group_without_settings_has_the_defaults_of_the_load_balancer() -> None:
    settings = read_target_group({})
    assert (settings.interval, settings.timeout, settings.unhealthy_threshold, settings.healthy_threshold) == (
        30,
        5,
        2,
        5,
    )
    assert settings.drain == 300


def rule_with(**parts: Any) -> RoutingRule:
    properties = {"Priority": 7, "Actions": [{"Type": "forward", "TargetGroupArn": "blue"}]} | parts
    return read_rule(properties, "stack/Rule", {"blue": group("blue"), "green": group("green")})


def test_a_rule_is_read_with_its_conditions_and_weights() -> None:
    forward = {"TargetGroups": [{"TargetGroupArn": "blue", "Weight": 100}, {"TargetGroupArn": "green", "Weight": 0}]}
    rule = rule_with(
        Conditions=[
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a/*", "/b"]}},
            {"Field": "host-header", "HostHeaderConfig": {"Values": ["x.test"]}},
        ],
        Actions=[{"Type": "forward", "ForwardConfig": forward}],
    )
    assert (rule.priority, rule.paths, rule.hosts) == (7, ("/a/*", "/b"), ("x.test",))
    assert [(entry.group.name, entry.weight) for entry in rule.forward] == [("blue", 100), ("green", 0)]


def test_a_rule_may_name_one_group_without_a_weight() -> None:
    """As the load balancer takes it: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html."""
    entry = {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "green"}]}}
    for rule, name in ((rule_with(), "blue"), (rule_with(Actions=[entry]), "green")):
        assert [group_of.group.name for group_of in rule.forward] == [name]
        assert [chosen.name for chosen in (rule.choose(), rule.choose()) if chosen] == [name, name]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"Conditions": [{"Field": "source-ip"}]}, "source-ip without Values: add them"),
        ({"Conditions": [{"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/99"]}}]}, "no range"),
        ({"Conditions": [{"Field": "weather"}]}, "'weather'"),
        ({"Conditions": [{"Field": "path-pattern"}]}, "path-pattern without Values: add them"),
        ({"Conditions": [{"Field": "host-header", "HostHeaderConfig": {}}]}, "host-header without Values: add them"),
        ({"Actions": [{"Type": "forward"}]}, "forward without TargetGroupArn: add it"),
        ({"Actions": [{"Type": "fixed-response"}]}, "fixed-response without FixedResponseConfig: add it"),
        ({"Actions": [{"Type": "redirect"}]}, "redirect without RedirectConfig: add it"),
        ({"Actions": [{"Type": "forward", "TargetGroupArn": "red"}]}, "'red', which is not a target group"),
        ({"Actions": [{"Type": "authenticate-oidc"}]}, "0 entries"),
        ({"Actions": [{"Type": "send-a-letter"}]}, "send-a-letter"),
        ({"Actions": [{"Type": "forward"}, {"Type": "forward"}]}, "2 entries"),
    ],
)
def test_a_rule_that_is_not_known_is_refused_by_name(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match="stack/Rule") as error:
        rule_with(**parts)
    assert said in str(error.value)


def test_a_default_rule_comes_last_and_may_answer_itself() -> None:
    config = {"StatusCode": "404", "ContentType": "text/plain", "MessageBody": "nothing here"}
    rule = read_default_rule([{"Type": "fixed-response", "FixedResponseConfig": config}], "listener", {})
    assert rule.priority == float("inf")
    assert rule.matches("any", "/thing")
    assert rule.answer == FixedResponse(404, "text/plain", "nothing here")


def test_a_redirect_keeps_what_it_does_not_change() -> None:
    config = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    rule = read_default_rule([{"Type": "redirect", "RedirectConfig": config}], "listener", {})
    assert isinstance(rule.answer, Redirect)
    assert rule.answer.status == 301
    where = rule.answer.location(protocol="HTTP", host="a.test", port="80", path="/x/y", query="q=1")
    assert where == "https://a.test:443/x/y?q=1"


def test_new_weights_begin_a_new_cycle() -> None:
    used, fresh = (
        RoutingRule("r", 1, forward=[WeightedGroup(group("old"), 99), WeightedGroup(group("new"), 1)]) for _ in range(2)
    )
    for _ in range(50):
        used.choose()
    for rule in (used, fresh):
        rule.set_weights({"old": 90, "new": 10})
    chosen = [[rule.choose().name for _ in range(10)] for rule in (used, fresh)]  # type: ignore[union-attr]
    assert chosen[0] == chosen[1]


def test_a_target_is_idle_when_its_last_request_is_answered_and_only_failures_count_as_failed() -> None:
    busy = target(True)
    busy.enter()
    busy.enter()
    busy.leave()
    assert not busy.idle.is_set()
    busy.leave()
    assert busy.idle.is_set()
    busy.answered(0.5, failed=False)
    busy.answered(0.25, failed=True)
    assert (busy.served, busy.failed, busy.seconds) == (2, 1, 0.75)


def test_a_new_target_has_nothing_under_way_and_is_not_known_to_be_healthy() -> None:
    new = Target(target(None).task)
    assert new.idle.is_set()
    assert (new.healthy, new.draining, new.served, new.failed) == (None, False, 0, 0)
    assert new.revision == "new"


def test_an_audience_counts_the_users_of_each_revision_those_hit_and_unserved_requests() -> None:
    audience = Audience()
    audience.note("ada", "old", failed=False)
    audience.note("ada", "new", failed=False)
    audience.note("bob", "new", failed=True)
    audience.note("cy", None, failed=True)
    audience.note(None, "new", failed=True)
    audience.note(None, None, failed=True)
    assert audience.reached == {"old": {"ada"}, "new": {"ada", "bob"}}
    assert audience.hit == {"bob", "cy"}
    assert audience.unserved == 2


def test_a_redirect_without_a_query_ends_with_its_path() -> None:
    redirect = Redirect(301, "HTTPS", "#{host}", "443", "/#{path}", "#{query}")
    parts = {"protocol": "HTTP", "host": "x.test", "port": "80", "path": "/a"}
    assert redirect.location(**parts, query="") == "https://x.test:443/a"
    assert redirect.location(**parts, query="b=1") == "https://x.test:443/a?b=1"
