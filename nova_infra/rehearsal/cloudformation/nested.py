"""Puts what nested stacks hold into their parent's template, to be planned and played with the rest.

A nested stack is created, updated and taken back with its parent. One whose template is not in the assembly, that is
under a condition, or whose template has a transform or cannot be read stays what it is, and so do those that wait for
each other: nothing is known of what they hold.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from nova_infra.assembly import Template, readable
from nova_infra.operations.planner.blockers.resources.quotas import NESTED
from nova_infra.operations.planner.model import named

_STACK = "AWS::CloudFormation::Stack"
_FILLED = re.compile(r"\$\{([^!}][^}]*)\}")
_BY_NAME = ("Conditions", "Mappings")
_SECTIONS = ("Resources", "Parameters", "Outputs", *_BY_NAME)
_PLAIN = {*_SECTIONS, "Description", "Metadata", "AWSTemplateFormatVersion"}


@dataclass(frozen=True)
class _Move:
    """How the names of a template read in the one that takes it up.

    Attributes:
        prefix: What the names of its own resources, conditions and mappings begin with there.
        own: These names.
        values: What stands for a parameter, or for ``STACK.Outputs.NAME``.
        held: Name of a nested stack to the resources that have taken its place.
        stored: What its parent passes for parameters of Systems Manager.
    """

    prefix: str = ""
    own: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, list[str]] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        return f"{self.prefix}{name}" if name in self.own else name

    def resource(self, given: Mapping[str, Any]) -> dict[str, Any]:
        moved = {key: part if key == "Metadata" else self.value(part) for key, part in given.items()}
        if "Condition" in given:
            moved["Condition"] = self.name(str(given["Condition"]))
        if "DependsOn" in given:
            needs = [each for name in _listed(given["DependsOn"]) for each in self.held.get(name, [self.name(name)])]
            moved["DependsOn"] = needs
        return moved

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if (called := self._called(function, argument)) is not None:
                return called
        return {key: self.value(each) for key, each in value.items()}

    def _called(self, function: str, argument: Any) -> Any:
        """A function that names something; None for any other."""
        match function, argument:
            case "Ref", str(name):
                return self._named(name, {"Ref": self.name(name)})
            case "Fn::GetAtt", str() | list():
                full = argument if isinstance(argument, str) else ".".join(map(str, argument))
                head, _, attribute = full.partition(".")
                return self._named(full, {"Fn::GetAtt": [self.name(head), attribute]})
            case "Fn::Sub", str(text):
                return {"Fn::Sub": self._filled(text, {})}
            case "Fn::Sub", [str(text), dict(variables)]:
                return {"Fn::Sub": self._filled(text, variables)}
            case "Condition", str(name):
                return {"Condition": self.name(name)}
            case "Fn::If" | "Fn::FindInMap", [str(name), *others]:
                return {function: [self.name(name), *self.value(others)]}
        return None

    def _named(self, name: str, otherwise: Any) -> Any:
        return _id_of(name) if name in self.held else self.values.get(name, otherwise)

    def _filled(self, text: str, variables: Mapping[str, Any]) -> str | list[Any]:
        given = {key: self.value(each) for key, each in variables.items()}

        def named(found: re.Match[str]) -> str:
            head, dot, attribute = found[1].partition(".")
            if found[1] in given:
                return found[0]
            if found[1] in self.values or found[1] in self.held:
                key, value = re.sub(r"\W", "", found[1]), self._named(found[1], None)
                if isinstance(value, Mapping) and isinstance(text := value.get("Fn::Sub"), str):
                    return text
                given[key] = value
                return f"${{{key}}}"
            return f"${{{self.name(head)}{dot}{attribute}}}"

        filled = _FILLED.sub(named, text)
        return [filled, given] if given else filled


def flattened(template: Template, read: Callable[[str], Template]) -> Template:
    """A template with what its nested stacks hold in their place; the same one where it has none.

    Args:
        read: The template at a path that an asset names.
    """
    found = {name: read(path) for name, path in _paths(template)}
    known = {name: each for name, each in found.items() if each.keys() <= _PLAIN and not readable(each)[1]}
    inner = {name: flattened(each, read) for name, each in known.items()}
    if not inner or _wait_for_each_other(template, inner):
        return template
    moves = {name: _move(name, each, template["Resources"][name]) for name, each in inner.items()}
    held = {name: [moves[name].name(own) for own in each.get("Resources", {})] for name, each in inner.items()}
    values = {
        f"{name}.Outputs.{key}": moves[name].value(output["Value"])
        for name, each in inner.items()
        for key, output in each.get("Outputs", {}).items()
    }
    for _ in inner:  # One may pass on what it got of another.
        values = {name: _Move(values=values, held=held).value(each) for name, each in values.items()}
    outer = _Move(values=values, held=held)
    kept = {key: outer.value(part) for key, part in template.items() if key not in ("Resources", "Metadata")}
    kept["Resources"] = {n: outer.resource(each) for n, each in template["Resources"].items() if n not in inner}
    own = [name for section in _SECTIONS for name in kept.get(section, {})]
    for name, each in inner.items():
        _take_up(kept, each, moves[name], outer, _listed(template["Resources"][name].get("DependsOn", [])))
    taken = {name for section in _SECTIONS for name in kept.get(section, {})} - set(own)
    metadata = template.get("Metadata")
    kept["Metadata"] = {**(metadata if isinstance(metadata, Mapping) else {}), NESTED: sorted(taken)}
    return kept


def _take_up(kept: Template, each: Template, move: _Move, outer: _Move, needs: list[str]) -> None:
    """Add what a nested stack holds to the template that takes it up."""
    exported = {name: output for name, output in each.get("Outputs", {}).items() if "Export" in output}
    sections = {"Outputs": exported, "Parameters": _stored(each), **{key: each.get(key, {}) for key in _BY_NAME}}
    for section, parts in sections.items():
        moved = {f"{move.prefix}{own}": outer.resource(move.resource(part)) for own, part in parts.items()}
        kept |= {section: {**kept.get(section, {}), **moved}} if moved else {}
    for name in move.stored:
        kept["Parameters"][move.name(name)]["Default"] = move.stored[name]
    for own, given in each.get("Resources", {}).items():
        resource = move.resource(given)
        if needs:
            resource["DependsOn"] = [*needs, *resource.get("DependsOn", [])]
        kept["Resources"][move.name(own)] = outer.resource(resource)


def _move(name: str, each: Template, stack: Mapping[str, Any]) -> _Move:
    stored = _stored(each)
    own = {key for section in ("Resources", *_BY_NAME) for key in each.get(section, {})} | {*stored}
    passed = stack.get("Properties", {}).get("Parameters", {})
    given: dict[str, Any] = {"AWS::StackId": _id_of(name)}
    given |= {"AWS::StackName": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}
    for key, part in each.get("Parameters", {}).items():
        value = passed.get(key, part.get("Default"))
        if key not in stored and value is not None:
            listed = str(part["Type"]).startswith(("List<", "CommaDelimitedList"))
            given[key] = {"Fn::Split": [",", value]} if listed and not isinstance(value, list) else value
    kept = {key: passed[key] for key in stored if isinstance(passed.get(key), str)}
    return _Move(name, frozenset(own), given, stored=kept)


def _stored(each: Template) -> dict[str, Any]:
    """Parameters that name a value of Systems Manager: they are not that value."""
    parameters = each.get("Parameters", {})
    return {key: part for key, part in parameters.items() if str(part["Type"]).startswith("AWS::SSM::")}


def _id_of(name: str) -> dict[str, str]:
    """The id of a nested stack, whose second part is its name."""
    of_stack = f"stack/${{AWS::StackName}}-{name}/0"
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:cloudformation:${{AWS::Region}}:${{AWS::AccountId}}:{of_stack}"}


def _wait_for_each_other(template: Template, inner: Mapping[str, Any]) -> bool:
    needs = {name: inner.keys() & set(named(template["Resources"][name])) for name in inner}
    try:
        return not list(TopologicalSorter(needs).static_order())
    except CycleError:
        return True


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _paths(template: Template) -> Iterator[tuple[str, str]]:
    for name, each in template.get("Resources", {}).items():
        metadata = each.get("Metadata") if each["Type"] == _STACK else None
        path = metadata.get("aws:asset:path") if isinstance(metadata, Mapping) else None
        if isinstance(path, str) and "Condition" not in each:
            yield name, path
