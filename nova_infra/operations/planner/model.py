"""The data classes of a plan: stacks, what happens to their resources, and what blocks the plan."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from nova_infra.assembly import readable
from nova_infra.checks.conditions import Logic
from nova_infra.checks.rule import Template as Judged
from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.stated_values import as_given
from nova_infra.operations.changes.template_values import PARTS, references, shown

Template = Mapping[str, Any]


class StackKey(NamedTuple):
    """What distinguishes stacks: two environments may use the same name in different accounts."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class StackTemplate:
    """A stack with its template, deployed or to be deployed.

    Attributes:
        key: Account, region and name.
        status: CloudFormation's status where it is deployed, such as ``UPDATE_COMPLETE``.
        faults: What of it CloudFormation cannot read: the place, and what is wrong. The template is without it.
    """

    key: StackKey
    template: Template = field(repr=False)
    status: str = "UPDATE_COMPLETE"
    faults: tuple[tuple[str, str], ...] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        template, faults = readable(dict(self.template))
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "faults", tuple(faults))

    @cached_property
    def resources(self) -> dict[str, Mapping[str, Any]]:
        """Logical id to resource, without CDK's metadata and without what the template certainly leaves out."""
        conditions = Logic(self.template)
        return {
            logical_id: _with_properties(as_given(resource))
            for logical_id, resource in self.template.get("Resources", {}).items()
            if isinstance(resource, Mapping)
            and resource.get("Type") not in (None, "AWS::CDK::Metadata")
            and ("Condition" not in resource or conditions.holds(str(resource["Condition"]), {}) is not False)
        }

    def of_type(self, resource_type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of the resources of one type."""
        return iter(self._by_type.get(resource_type, ()))

    def has_any(self, resource_types: Iterable[str]) -> bool:
        """Whether it has a resource of one of some types."""
        return not self._by_type.keys().isdisjoint(resource_types)

    @cached_property
    def _by_type(self) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
        found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for logical_id, resource in self.resources.items():
            found.setdefault(resource["Type"], []).append((logical_id, resource.get("Properties", {})))
        return found

    @cached_property
    def judged(self) -> Judged:
        """Its resources as the rules and the search for permissions read them."""
        return Judged(self.resources)

    @cached_property
    def size(self) -> int:
        """Bytes of the template without spaces."""
        return len(json.dumps(self.template, separators=(",", ":")))

    @cached_property
    def named(self) -> dict[str, tuple[str, ...]]:
        """Logical id of each resource to what it refers to or depends on, each once."""
        return {name: tuple(dict.fromkeys(named(part))) for name, part in self.template.get("Resources", {}).items()}

    @cached_property
    def exports(self) -> dict[str, Any]:
        """Name of each export to the value that the template gives it."""
        return {
            shown(output["Export"]["Name"]): output.get("Value")
            for output in self.template.get("Outputs", {}).values()
            if isinstance(output, Mapping) and "Export" in output
        }

    @cached_property
    def imports(self) -> frozenset[str]:
        """Names of the exports that the template uses."""
        return frozenset(_imports({key: self.template.get(key) for key in ("Resources", "Outputs", "Conditions")}))


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "is created"
    UPDATE = "is updated"
    REPLACE = "is replaced"
    MAY_REPLACE = "may be replaced"
    DELETE = "is deleted"
    KEEP = "leaves the stack but is kept"


@dataclass(frozen=True)
class ResourceAction:
    """What happens to one resource.

    Attributes:
        because: Why it is replaced, or updated although its own properties stay; empty otherwise.
        follows: The resource whose replacement is the reason, if one is.
    """

    logical_id: str
    type: str
    action: Action
    because: str = ""
    follows: str | None = None

    @property
    def makes_new(self) -> bool:
        """Whether a new physical resource is created, perhaps next to an old one."""
        return self.action in (Action.CREATE, Action.REPLACE)

    @property
    def changes(self) -> bool:
        """Whether the resource's own API is called with new values."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.MAY_REPLACE)


@dataclass(frozen=True)
class Refusal:
    """Something that AWS would refuse.

    Attributes:
        where: Resource, and its property where one is meant, such as ``Vpc.CidrBlock``; empty for the whole stack.
        fault: What is wrong, in a clause.
        verdict: What AWS would make of it, the beginning of a sentence.
    """

    stack: str
    where: str
    fault: str
    remedy: str
    verdict: str

    def __str__(self) -> str:
        place = ".".join(filter(None, [self.stack, self.where]))
        return f"{place}: {self.fault}: {self.remedy}"


@dataclass(frozen=True)
class Consequence:
    """Something that AWS would do and that people should know beforehand.

    Attributes:
        where: Resource; empty for the whole stack.
        loses: Whether something is gone afterwards that no deployment brings back.
    """

    stack: str
    where: str
    what: str
    hurts: bool = False
    loses: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(filter(None, [self.stack, self.where]))}: {self.what}"


@dataclass(frozen=True)
class PlannedStack:
    """What happens to one stack.

    Attributes:
        wave: Stacks of the same wave are deployed side by side, lower waves first.
        actions: What happens to its resources; empty where the template is the same.
    """

    stack: StackTemplate
    wave: int
    is_new: bool
    actions: tuple[ResourceAction, ...]
    refusals: tuple[Refusal, ...]
    consequences: tuple[Consequence, ...]


def named(part: Mapping[str, Any]) -> Iterator[str]:
    """Logical ids that a resource or an output refers to or depends on."""
    yield from map(str, as_list(part.get("DependsOn")))
    stated = {key: value for key, value in part.items() if key != "Metadata"}
    yield from (name for name in references(stated) if not name.startswith("AWS::"))


def _with_properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """A resource whose properties, if it has any, are an object: no synthesis lets another value through (NOVA-R22)."""
    return resource if isinstance(resource.get("Properties", {}), Mapping) else {**resource, "Properties": {}}


def _imports(value: Any) -> list[str]:
    if isinstance(value, dict) and "Fn::ImportValue" in value:
        others = [each for key, each in value.items() if key != "Fn::ImportValue"]
        return [shown(value["Fn::ImportValue"]), *_imports(others)]
    parts = value.values() if isinstance(value, dict) else value
    return [name for each in parts if isinstance(each, PARTS) for name in _imports(each)]
