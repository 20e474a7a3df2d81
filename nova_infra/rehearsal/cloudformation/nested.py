"""Puts what nested stacks hold into their parent's template, to be planned and played with the rest.

A nested stack is created, updated and taken back with its parent. One whose template is not in the assembly, that is
under a condition, or whose template has a transform stays what it is: nothing is known of what it holds.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nova_infra.assembly import Template
from nova_infra.operations.planner.blockers.resources.quotas import NESTED

_STACK = "AWS::CloudFormation::Stack"
_FILLED = re.compile(r"\$\{([^!}][^}]*)\}")
_SECTIONS = {"Resources", "Parameters", "Outputs", "Conditions", "Mappings"}
_PLAIN = {*_SECTIONS, "Description", "Metadata", "AWSTemplateFormatVersion"}


@dataclass(frozen=True)
class _Move:
    """How the names of a template read in the one that takes it up.

    Attributes:
        prefix: What the names of its own resources, conditions and mappings begin with there.
        own: These names.
        values: What stands for a parameter, or for ``STACK.Outputs.NAME``.
        held: Name of a nested stack to the resources that have taken its place.
    """

    prefix: str = ""
    own: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)
    held: Mapping[str, list[str]] = field(default_factory=dict)

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
        if name in self.held:  # its id
            return name
        return self.values.get(name, otherwise)

    def _filled(self, text: str, variables: Mapping[str, Any]) -> str | list[Any]:
        given = {key: self.value(each) for key, each in variables.items()}

        def named(found: re.Match[str]) -> str:
            head, dot, attribute = found[1].partition(".")
            if found[1] in given:
                return found[0]
            if found[1] in self.values or found[1] in self.held:
                key = re.sub(r"\W", "", found[1])
                given[key] = self._named(found[1], None)
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
    inner = {name: flattened(each, read) for name, each in found.items() if each.keys() <= _PLAIN}
    if not inner:
        return template
    moves = {name: _move(name, each, inner, template) for name, each in inner.items()}
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
    kept["Metadata"] = {**template.get("Metadata", {}), NESTED: [own for names in held.values() for own in names]}
    kept["Resources"] = {n: outer.resource(each) for n, each in template["Resources"].items() if n not in inner}
    for name, each in inner.items():
        move, needs = moves[name], _listed(template["Resources"][name].get("DependsOn", []))
        for section in ("Conditions", "Mappings"):
            moved = {move.name(own): outer.value(move.value(part)) for own, part in each.get(section, {}).items()}
            kept |= {section: {**kept.get(section, {}), **moved}} if moved else {}
        for own, given in each.get("Resources", {}).items():
            resource = move.resource(given)
            if needs:
                resource["DependsOn"] = [*needs, *resource.get("DependsOn", [])]
            kept["Resources"][move.name(own)] = outer.resource(resource)
    return kept


def _move(name: str, each: Template, inner: Mapping[str, Template], template: Template) -> _Move:
    own = {key for section in ("Resources", "Conditions", "Mappings") for key in each.get(section, {})}
    given = {key: part["Default"] for key, part in each.get("Parameters", {}).items() if "Default" in part}
    given |= template["Resources"][name].get("Properties", {}).get("Parameters", {})
    return _Move(_prefix(name, inner, template), frozenset(own), given)


def _prefix(name: str, inner: Mapping[str, Any], template: Template) -> str:
    """What CDK's users call a nested stack, where no other name begins so."""
    short = name.partition("NestedStack")[0]
    taken = [each for each in {*inner, *template["Resources"]} - {name} if each.startswith(short)]
    return name if taken or not short else short


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _paths(template: Template) -> Iterator[tuple[str, str]]:
    for name, each in template.get("Resources", {}).items():
        path = each.get("Metadata", {}).get("aws:asset:path") if each["Type"] == _STACK else None
        if isinstance(path, str) and "Condition" not in each:
            yield name, path
