"""The deployed stacks while a release goes through: what exists, who owns which name, who exports what."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import referenced
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.blockers.cloudformation.identity import identity
from nova_infra.operations.planner.model import StackKey, StackTemplate

Owner = tuple[StackKey, str]
"""A resource: its stack and its logical id."""


class World:
    """The stacks that are deployed now."""

    def __init__(self, deployed: Iterable[StackTemplate]) -> None:
        self.stacks: dict[StackKey, StackTemplate] = {}
        self._exporters: dict[tuple[str, str, str], StackTemplate] = {}
        self._owners: dict[str, list[Owner]] = {}
        self._owned: dict[StackKey, list[tuple[str, str]]] = {}
        self._holding: dict[tuple[str, ...], list[StackTemplate]] = {}
        for stack in deployed:
            self._export(stack)
            self.stacks[stack.key] = stack
        for stack in self.stacks.values():
            self._own(stack)

    def put(self, stack: StackTemplate) -> None:
        """Record that a stack was deployed."""
        self._holding.clear()
        before = self.stacks.get(stack.key)
        if before is not None:
            for name in before.exports:
                self._exporters.pop((stack.key.account, stack.key.region, name), None)
            # By the names of then: what a stack imports may have another exporter by now, or none.
            for name, logical_id in self._owned.pop(stack.key, ()):
                self._owners[name].remove((stack.key, logical_id))
        self.stacks[stack.key] = stack
        self._export(stack)
        self._own(stack)

    def holding(self, resource_types: tuple[str, ...]) -> list[StackTemplate]:
        """The stacks with a resource of one of some types: few of many, where each service has a stack of its own."""
        if resource_types not in self._holding:
            self._holding[resource_types] = [each for each in self.stacks.values() if each.has_any(resource_types)]
        return self._holding[resource_types]

    def exporter(self, stack: StackTemplate, name: str) -> StackTemplate | None:
        """The stack that exports a name in another stack's account and region."""
        return self._exporters.get((stack.key.account, stack.key.region, name))

    def importers(self, stack: StackTemplate, name: str) -> list[StackTemplate]:
        """The other stacks that use an export of a stack."""
        place = stack.key[:2]
        return [
            other
            for key, other in self.stacks.items()
            if key[:2] == place and key != stack.key and name in other.imports
        ]

    def owners(self, name: str) -> list[Owner]:
        """The resources that have an identity, see :func:`identity_of`."""
        return self._owners.get(name, [])

    def identity_of(self, stack: StackTemplate, resource: Mapping[str, Any]) -> str | None:
        """What only one resource can be, such as an account's role of a name; None if AWS generates the name."""
        return identity(resource, stack.key, lambda value: self.meaning(stack, value))

    def named(self, stack: StackTemplate, value: Any) -> tuple[StackTemplate, str] | None:
        """The stack and the logical id of the resource that a value names, which another stack may export."""
        match value:
            case {"Fn::ImportValue": exported}:
                exporter = self.exporter(stack, name := shown(exported))
                return self.named(exporter, exporter.exports[name]) if exporter is not None else None
        logical_id = referenced(value)
        return (stack, logical_id) if logical_id is not None and logical_id in stack.resources else None

    def meaning(self, stack: StackTemplate, value: Any) -> str:
        """A template's value as text, which is the same for the same thing in every stack."""
        if isinstance(value, Mapping) and len(value) == 1:
            if "Fn::ImportValue" in value:
                name = shown(value["Fn::ImportValue"])
                exporter = self.exporter(stack, name)
                return self.meaning(exporter, exporter.exports[name]) if exporter is not None else f"export {name}"
            if "Ref" in value or "Fn::GetAtt" in value:
                return f"{stack.key.account}/{stack.key.region}/{stack.key.name}/{shown(value)}"
        if any(not str(each).startswith("AWS::") or each == "AWS::StackName" for each in references(value)):
            return f"{stack.key.account}/{stack.key.region}/{stack.key.name}/{shown(value)}"
        return shown(value)

    def _export(self, stack: StackTemplate) -> None:
        for name in stack.exports:
            self._exporters[stack.key.account, stack.key.region, name] = stack

    def _own(self, stack: StackTemplate) -> None:
        self._owned[stack.key] = list(self.identities(stack))
        for name, logical_id in self._owned[stack.key]:
            self._owners.setdefault(name, []).append((stack.key, logical_id))

    def identities(self, stack: StackTemplate) -> Iterator[tuple[str, str]]:
        """Identity and logical id of each resource of a stack that has one."""
        for logical_id, resource in stack.resources.items():
            if (name := self.identity_of(stack, resource)) is not None:
                yield name, logical_id
