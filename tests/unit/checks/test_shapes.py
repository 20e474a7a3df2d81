"""What only CloudFormation knows, and values of odd types, make no rule fail, and none pass."""

import copy
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.assembly import Assembly
from helpers.exhaustive import one_of_each
from helpers.small_pipeline import small_pipeline
from nova_infra.checks.rules import findings
from nova_infra.checks.shapes import FLAG, NUMBER, SHAPES, TEXT, ListOf
from nova_infra.checks.shapes import read as read_properties
from nova_infra.operations.changes.cost import cost

Template = dict[str, Any]
Keys = tuple[str | int, ...]
Place = tuple[str, Keys]

UNKNOWN: tuple[Any, ...] = (
    {"Ref": "Given"},
    {"Fn::ImportValue": "shared-value"},
    {"Fn::If": ["Wide", {"Ref": "Given"}, {"Fn::GetAtt": ["Given", "Arn"]}]},
    {"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "Wide"]},
    {"Fn::Transform": {"Name": "AWS::Include"}},
)
ODD: tuple[Any, ...] = (
    *UNKNOWN,
    *(None, True, False, 7, -0.5, 1e308, "text", "", "NaN", "7" * 400),
    *([], {}, [None], [[]], ["text", None], [{"Ref": "Given"}], {"Key": 3}, {"Fn::If": ["Wide"]}, {"Fn::If": 1}),
    {"Ref": "AWS::NoValue"},
    *({"Fn::Join": each} for each in (["", ["text", 7]], [7, ["text"]], ["", ["text", {"Ref": "Given"}]])),
)


def places(template: Template) -> Iterator[Place]:
    """Every place of a template below its resources: logical id and keys."""

    def below(value: Any, keys: Keys) -> Iterator[Keys]:
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in entries:
            yield (*keys, key)
            yield from below(each, (*keys, key))

    for logical_id, resource in template["Resources"].items():
        for keys in below(resource, ()):
            if keys != ("Type",) and keys[0] != "Metadata":
                yield logical_id, keys


def one_of_each_kind(template: Template) -> list[Place]:
    """One place of each kind: they hold the same property of the same type of resource."""
    kinds = {
        (template["Resources"][logical_id]["Type"], *(0 if isinstance(key, int) else key for key in keys)): (
            logical_id,
            keys,
        )
        for logical_id, keys in places(template)
    }
    return list(kinds.values())


def put(template: Template, place: Place, value: Any) -> Template:
    """The template with another value at a place. What is beside the way there is shared."""
    logical_id, keys = place
    changed = {**template, "Resources": {**template["Resources"]}}
    node: Any = changed["Resources"]
    key: str | int = logical_id
    for following in keys:
        node[key] = copy.copy(node[key])
        node, key = node[key], following
    node[key] = value
    return changed


def faults(template: Template, chosen: Iterable[tuple[Place, Any]]) -> list[str]:
    """What fails when odd values stand at some places of a template."""
    changed, found = template, []
    for place, odd in chosen:
        changed = put(changed, place, odd)
    for read in (lambda each: findings(each, account="222222222222"), lambda each: cost([each])):
        try:
            read(changed)
        except Exception as error:  # any exception is what the test looks for
            found.append(f"{list(chosen)}: {error!r}")
    return found


def rounds(template: Template) -> list[list[Place]]:
    """A place of each kind, in lists of a few: each of another type of resource, so that none hides another."""
    found: list[dict[str, Place]] = []
    for place in one_of_each_kind(template):
        kind = template["Resources"][place[0]]["Type"]
        for each in found:
            if kind not in each and len(each) < AT_ONCE:
                each[kind] = place
                break
        else:
            found.append({kind: place})
    return [list(each.values()) for each in found]


SERVICE = "nova-prod-carts-service"
AT_ONCE = 8


@given(data=st.data())
def test_odd_values_at_any_place_of_a_service_fail_nothing(data: st.DataObject, assembly: Assembly) -> None:
    template = assembly.template(SERVICE)
    place = data.draw(st.sampled_from(one_of_each_kind(template)))
    assert faults(template, [(place, data.draw(st.sampled_from(ODD)))]) == []


@pytest.mark.exhaustive("test_odd_values_at_any_place_of_a_service_fail_nothing")
@pytest.mark.parametrize(
    "stack", one_of_each([SERVICE, "nova-prod-platform", "NovaPipelineStack", "NovaRegistryStack"])
)
def test_odd_values_at_a_place_of_each_kind_fail_nothing(stack: str, assembly: Assembly) -> None:
    template = assembly.template(stack)
    odd = itertools.cycle(ODD)
    assert [
        found for each in rounds(template) for found in faults(template, [(place, next(odd)) for place in each])
    ] == []


@given(data=st.data())
def test_odd_values_at_any_place_of_a_pipeline_fail_nothing(data: st.DataObject) -> None:
    template = small_pipeline()
    place = data.draw(st.sampled_from(list(places(template))))
    assert faults(template, [(place, data.draw(st.sampled_from(ODD)))]) == []


def judged(template: Template) -> Iterator[tuple[Place, Any]]:
    """Each place of a template that has a shape, with its shape."""

    def below(value: Any, shape: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
        if isinstance(shape, ListOf):
            for place, each in enumerate(value):
                yield from below(each, shape.shape, (*keys, place))
        elif isinstance(shape, dict):
            for name, inner in shape.items():
                if (key := name.rstrip("!")) in value:
                    yield (*keys, key), inner
                    yield from below(value[key], inner, (*keys, key))

    for logical_id, resource in template["Resources"].items():
        for keys, shape in below(resource.get("Properties", {}), SHAPES.get(resource["Type"]), ("Properties",)):
            yield (logical_id, keys), shape


def broken(template: Template) -> set[str]:
    return {finding.logical_id for _, finding in findings(template, account="222222222222")}


WRONG: dict[Any, Any] = {FLAG: False, NUMBER: 0, TEXT: "other"}


@pytest.mark.exhaustive("test_odd_values_at_any_place_of_a_service_fail_nothing")
def test_what_cannot_be_read_is_refused_where_a_wrong_value_would_be(assembly: Assembly) -> None:
    template = assembly.template(SERVICE)
    assert broken(template) == set()
    kinds = {(place[1], template["Resources"][place[0]]["Type"]): (place, shape) for place, shape in judged(template)}
    refused = {
        place
        for place, shape in kinds.values()
        if (not isinstance(shape, str) or shape in WRONG)
        and broken(put(template, place, WRONG.get(shape, {}) if isinstance(shape, str) else None))
    }
    assert len(refused) > 20
    accepted = [
        (place, each) for place, each in itertools.product(refused, UNKNOWN) if not broken(put(template, place, each))
    ]
    assert accepted == []


def choose(names: Iterable[str], value: Any) -> Any:
    """A switch that is on whichever of some conditions holds, and else has a value."""
    for name in names:
        value = {"Fn::If": [name, True, value]}
    return value


def service(enable: Any, **resource: Any) -> Template:
    breaker = {"Enable": enable, "Rollback": "true"}
    properties = {"DeploymentConfiguration": {"DeploymentCircuitBreaker": breaker}}
    return {"Resources": {"Service": {"Type": "AWS::ECS::Service", "Properties": properties, **resource}}}


def rules_of(template: Template) -> set[str]:
    return {rule.id for rule, _ in findings(template)} & {"NOVA-R01", "NOVA-R22"}


@pytest.mark.parametrize(
    ("enable", "rules"),
    [
        (True, set()),
        ("true", set()),
        (choose("A", True), set()),
        (choose("A", False), {"NOVA-R01"}),
        (choose("AB", {"Ref": "AWS::NoValue"}), {"NOVA-R01"}),
        (choose("ABCDE", True), set()),
        (choose("ABCDE", False), {"NOVA-R01"}),
        (choose("ABCDEFGH", True), set()),
        (choose("ABCDEFGH", False), {"NOVA-R01"}),
        (choose("ABCDEFGHI", True), {"NOVA-R22"}),  # too many to try
        ({"Ref": "Given"}, {"NOVA-R01", "NOVA-R22"}),
        ("on", {"NOVA-R01", "NOVA-R22"}),
        ({"Fn::If": ["A", True]}, {"NOVA-R01", "NOVA-R22"}),
    ],
)
def test_a_switch_is_on_only_where_every_branch_says_so(enable: Any, rules: set[str]) -> None:
    assert rules_of(service(enable)) == rules


def test_two_choices_by_one_condition_are_tried_together() -> None:
    both = service(choose("A", False), Condition="A")
    assert rules_of(both) == set(), "without A there is no service"


def test_what_is_left_out_is_named_with_its_place_and_what_stands_there() -> None:
    [(_, finding)] = [each for each in findings(service({"Ref": "Given"})) if each[0].id == "NOVA-R22"]
    where = "Properties.DeploymentConfiguration.DeploymentCircuitBreaker.Enable"
    assert (finding.logical_id, finding.location) == ("Service", where)
    assert finding.detail == "it is Ref, not true or false"
    [(_, finding)] = [each for each in findings(service("x" * 60)) if each[0].id == "NOVA-R22"]
    assert finding.detail == f'it is "{"x" * 39}, not true or false'


@pytest.mark.parametrize("resource", [[{"Fn::Transform": "AWS::Include"}], {"Properties": {}}, None])
def test_what_is_no_resource_is_refused(resource: Any) -> None:
    [(rule, finding)] = findings({"Resources": {"Fn::ForEach::Queues": resource}})
    assert (rule.id, finding.logical_id) == ("NOVA-R22", "Fn::ForEach::Queues")


def test_an_alarm_that_rolls_nothing_back_may_take_its_numbers_from_parameters() -> None:
    period = {"Period": {"Ref": "Given"}, "EvaluationPeriods": {"Ref": "Given"}, "AlarmActions": [{"Ref": "Topic"}]}
    alarm: Template = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"AlarmName": "mine", "MetricName": "Errors", **period},
    }
    assert findings({"Resources": {"Alarm": alarm}}) == []
    unread = {"Type": "AWS::CloudWatch::Alarm", "Properties": {**alarm["Properties"], "AlarmActions": {"Ref": "Given"}}}
    assert {rule.id for rule, _ in findings({"Resources": {"Alarm": unread}})} == {"NOVA-R08", "NOVA-R22"}


@pytest.mark.parametrize(
    ("joined", "shape", "found"),
    [
        (["-", ["one", "two"]], TEXT, "one-two"),
        (["", ["1", "7"]], NUMBER, 17),
        (["", ["tr", "ue"]], FLAG, True),
        (["", ["one", "two"]], NUMBER, None),
        (["", ["one", 7]], TEXT, "${Fn::Join}"),
        (["", ["one", {"Ref": "Given"}]], TEXT, "${Fn::Join}"),
    ],
)
def test_texts_that_are_joined_are_read_as_what_they_come_to(joined: Any, shape: Any, found: Any) -> None:
    assert read_properties({"Key": {"Fn::Join": joined}}, {"Key": shape}).get("Key") == found
