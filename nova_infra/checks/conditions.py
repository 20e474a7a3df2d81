"""Lists the variants of a template that its ``Conditions`` and ``Fn::If`` allow.

Conditions are read down to what they compare: two that contradict each other are never taken for true together. Those
that decide on resources that refer to each other are tried in all combinations, the others beside them as they come.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nova_infra.checks.shapes import SHAPES

MOST = 256
"""How many combinations are tried of the conditions of resources that refer to each other."""

_OTHER = "another value"
_NAMES = ("AlarmName", "QueueName")
_IRREVERSIBLE = ("AWS::ECS::Service", "AWS::CodePipeline::Pipeline")
"""What must be judged in every combination, not only in pairs."""

Choice = Mapping[str, object]
"""What conditions compare, to the value that it has."""


@dataclass(frozen=True)
class Outcome:
    """A way in which conditions may turn out.

    Attributes:
        resources: What is there then, with the branches that are chosen.
        untried: Logical ids of what has more combinations than are tried.
    """

    resources: Mapping[str, Any]
    untried: tuple[str, ...] = ()


class Logic:
    """A template's conditions, and the values that they depend on."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._conditions = _table(template.get("Conditions"))
        self._parameters = _table(template.get("Parameters"))

    @cached_property
    def _compared(self) -> dict[str, set[str]]:
        """What conditions compare, to the texts that it is compared with."""
        found: dict[str, set[str]] = {}
        for each in self._conditions.values():
            for compared, text in _comparisons(each):
                found.setdefault(compared, set()).add(text)
        return found

    def needed(self, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """What a condition depends on."""
        if name not in self._conditions or name in seen:
            return {name}
        return self._needed(self._conditions[name], {*seen, name})

    def _needed(self, condition: Any, seen: Iterable[str]) -> set[str]:
        match condition:
            case {"Condition": str(name)}:
                return self.needed(name, frozenset(seen))
            case {"Fn::Not": list(parts)} | {"Fn::And": list(parts)} | {"Fn::Or": list(parts)}:
                return {each for part in parts for each in self._needed(part, seen)}
            case {"Fn::Equals": [one, other]} if _text(one) is not None and _text(other) is not None:
                return set()
        return {next((compared for compared, _ in _comparisons(condition)), _key(condition))}

    def values(self, compared: str) -> list[object]:
        """The values that matter of what conditions compare; true and false for a condition that cannot be read."""
        if (texts := self._compared.get(compared)) is None:
            return [True, False]
        allowed = None
        match json.loads(compared):
            case {"Ref": str(name)}:
                match self._parameters.get(name):
                    case {"AllowedValues": list(listed)}:
                        allowed = {text for each in listed if (text := _text(each)) is not None}
        found = sorted(texts if allowed is None else texts & allowed)
        return [*found, _OTHER] if allowed is None or allowed - texts or not found else [*found]

    def holds(self, name: str, choice: Choice, seen: frozenset[str] = frozenset()) -> bool | None:
        """Whether a condition holds; None where no value is chosen for what it depends on."""
        if name not in self._conditions or name in seen:
            found = choice.get(name)
            return found if isinstance(found, bool) else None
        return self._holds(self._conditions[name], choice, seen | {name})

    def _holds(self, condition: Any, choice: Choice, seen: frozenset[str]) -> bool | None:
        match condition:
            case {"Condition": str(name)}:
                return self.holds(name, choice, seen)
            case {"Fn::Not": [part]}:
                return None if (found := self._holds(part, choice, seen)) is None else not found
            case {"Fn::And": list(parts)}:
                known = [self._holds(part, choice, seen) for part in parts]
                return False if False in known else None if None in known else True
            case {"Fn::Or": list(parts)}:
                known = [self._holds(part, choice, seen) for part in parts]
                return True if True in known else None if None in known else False
            case {"Fn::Equals": [one, other]} if (text := _text(one)) is not None and _text(other) is not None:
                return text == _text(other)
        for compared, text in _comparisons(condition):
            return choice[compared] == text if compared in choice else None
        chosen = choice.get(_key(condition))
        return chosen if isinstance(chosen, bool) else None

    def lists(self) -> dict[str, bool]:
        """Parameters that are lists, to whether they hold something unless somebody empties them."""
        parameters = {name: each for name, each in self._parameters.items() if isinstance(each, Mapping)}
        return {name: each.get("Default") != "" for name, each in parameters.items() if "List" in str(each.get("Type"))}


def outcomes(template: Mapping[str, Any]) -> Iterator[Outcome]:
    """Each different way in which the conditions that decide on something judged may turn out."""
    conditions, resources = Logic(template), _listed(template)
    judged = {name: each for name, each in resources.items() if _is_judged(each)}
    conditional = {name: each for name, each in resources.items() if any(_choosers(each))}
    needed = {name: _variables(conditions, each) if name in conditional else set() for name, each in judged.items()}
    domains = {each: conditions.values(each) for each in sorted(set().union(*needed.values()))}
    usual = {each: values[0] for each, values in domains.items()}
    together: dict[frozenset[str], list[str]] = {}
    for group in _groups(judged, needed):
        together.setdefault(frozenset(each for name in group for each in needed[name]), []).extend(group)
    seen: set[str] = set()
    for variables, group in together.items():
        choices, complete = _choices({each: domains[each] for each in sorted(variables)})
        untried = () if complete else tuple(name for name in group if judged[name]["Type"] in _IRREVERSIBLE)
        for choice in choices:
            found = _in(conditions, conditional, {**usual, **choice})
            if (mark := json.dumps([found, untried], sort_keys=True, default=str)) not in seen:
                seen.add(mark)
                there = {**resources, **found}
                yield Outcome(
                    {name: there[name] for name in resources if name in found or name not in conditional}, untried
                )


def _in(conditions: Logic, resources: Mapping[str, Any], choice: Choice) -> dict[str, Any]:
    """Those resources that exist then, decided."""
    return {
        name: decided(each, conditions, choice)
        for name, each in resources.items()
        if conditions.holds(str(each.get("Condition")), choice) is not False
    }


def branches_of(template: Mapping[str, Any], types: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The resources, all of them, with every branch of those types in one of the ways at least."""
    conditions, resources = Logic(template), _listed(template)
    chosen = {name: each for name, each in resources.items() if isinstance(each, Mapping) and each.get("Type") in types}
    needed = sorted({each for one in chosen.values() for each in _variables(conditions, one.get("Properties"))})
    seen: set[str] = set()
    for choice in _covering({each: conditions.values(each) for each in needed}, deviating=1):
        found = {name: decided(each, conditions, choice) for name, each in chosen.items()}
        if (mark := json.dumps(found, sort_keys=True, default=str)) not in seen:
            seen.add(mark)
            yield {**resources, **found}


def decided(value: Any, conditions: Logic, choice: Choice) -> Any:
    """A value with conditions decided: only the branches that they choose stay."""
    match value:
        case {"Fn::If": [str(name), one, other]} if (holds := conditions.holds(name, choice)) is not None:
            return decided(one if holds else other, conditions, choice)
        case dict():
            return {key: decided(each, conditions, choice) for key, each in value.items()}
        case list():
            return [decided(each, conditions, choice) for each in value]
    return value


def _choices(domains: Mapping[str, list[object]]) -> tuple[Iterable[Choice], bool]:
    """The combinations to try, and whether they are all."""
    number = 1
    for values in domains.values():
        number *= len(values)
    if number > MOST:
        return itertools.islice(_covering(domains, deviating=2), MOST), False
    return (dict(zip(domains, each, strict=True)) for each in itertools.product(*domains.values())), True


def _covering(domains: Mapping[str, list[object]], deviating: int) -> Iterator[Choice]:
    """All first values, and all last ones, with up to some of them changed."""
    for end in (0, -1):
        usual = {each: values[end] for each, values in domains.items()}
        for count in range(deviating + 1):
            for names in itertools.combinations(domains, count):
                for values in itertools.product(*(domains[name] for name in names)):
                    yield {**usual, **dict(zip(names, values, strict=True))}


def _groups(judged: Mapping[str, Mapping[str, Any]], needed: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """The resources that refer to each other, directly or by others, also by the names of alarms and queues."""
    if not any(needed.values()):
        yield []
        return
    known = {text: name for name, each in judged.items() for text in (name, *_names(each))}
    links = {name: {known[text] for text in _texts(each) if text in known} for name, each in judged.items()}
    for name, others in [*links.items()]:
        for other in others:
            links[other].add(name)
    left = set(judged)
    for name in judged:
        queue = [name] if name in left else []
        left -= {name}
        for at in queue:
            queue += sorted(links[at] & left)
            left -= links[at]
        if queue:
            yield queue


def _variables(conditions: Logic, value: Any) -> set[str]:
    """What the conditions within a resource, or a part of one, depend on."""
    return {each for name in _choosers(value) for each in conditions.needed(name)}


def _choosers(value: Any) -> Iterator[str]:
    """The names of the conditions that decide on a resource, or on a part of one."""
    if isinstance(value, Mapping) and isinstance(value.get("Type"), str):
        if isinstance(name := value.get("Condition"), str):
            yield name
        value = value.get("Properties")
    yield from _ifs(value)


def _ifs(value: Any) -> Iterator[str]:
    """The names of the conditions that choose between values within a value."""
    queue = [value]  # as every part of every template is asked, neither called again for each nor matched
    for each in queue:
        if isinstance(each, dict):
            if "Fn::If" in each:
                match each["Fn::If"]:
                    case [str(name), _, _]:
                        yield name
            queue += each.values()
        elif isinstance(each, list):
            queue += each


def _texts(value: Any) -> Iterator[str]:
    """All texts within a value, what ``Fn::Sub`` names, and functions as they are written."""
    if isinstance(value, str):
        yield value
        yield from re.findall(r"\$\{(\w+)", value)
    elif isinstance(value, Mapping):
        yield _key(value)
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _names(resource: Mapping[str, Any]) -> Iterator[str]:
    """The names that a resource may have for others."""
    queue = [_table(resource.get("Properties")).get(key) for key in _NAMES]
    for each in queue:
        match each:
            case {"Fn::If": [_, one, other]}:
                queue += [one, other]
            case str():
                yield each
            case Mapping():
                yield _key(each)


def _comparisons(condition: Any) -> Iterator[tuple[str, str]]:
    """Within a condition, what is compared with texts, and the texts."""
    match condition:
        case {"Fn::Equals": [one, other]}:
            for compared, literal in ((one, _text(other)), (other, _text(one))):
                if literal is not None and _text(compared) is None:
                    yield _key(compared), literal
        case {"Fn::Not": list(parts)} | {"Fn::And": list(parts)} | {"Fn::Or": list(parts)}:
            for part in parts:
                yield from _comparisons(part)


def _text(value: Any) -> str | None:
    """A literal as CloudFormation compares it; None for what only CloudFormation knows."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_judged(resource: Any) -> bool:
    return isinstance(resource, Mapping) and resource.get("Type") in SHAPES


def _listed(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resources, with lists for the parameters that are lists."""
    lists = Logic(template).lists()
    resources: Mapping[str, Any] = template.get("Resources", {})
    if not lists:
        return resources
    return {name: _with_lists(each, lists) if _is_judged(each) else each for name, each in resources.items()}


def _with_lists(value: Any, lists: Mapping[str, bool]) -> Any:
    match value:
        case {"Ref": str(name)} if name in lists:
            return [value] if lists[name] else []
        case dict():
            return {key: _with_lists(each, lists) for key, each in value.items()}
        case list():
            return [_with_lists(each, lists) for each in value]
    return value
