"""The data classes of a rule and of a finding, and the template that a rule reads."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from nova_infra.checks.shapes import SHAPES, is_function, read


@dataclass(frozen=True)
class Template:
    """A synthesized CloudFormation template.

    Attributes:
        resources: Logical id to resource, each policy as an object, because many types accept it as text, too; and what
            the rules judge in its shape.
        beyond: Accounts that an approval protects from it, because it is deployed before.
        before: Accounts of what is deployed before the approval of this one.
        transforms: Names of the macros that make of it what is deployed, but for those that change no permission.
        unread: What has another shape than the rules can judge.
    """

    resources: Mapping[str, Mapping[str, Any]]
    account: str | None = None
    beyond: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    transforms: tuple[str, ...] = ()
    unread: tuple["Finding", ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Read what is written as text, and leave out what no rule can judge."""
        unread = list(self.unread)
        read_ = {name: _readable(name, each, unread) for name, each in self.resources.items()}
        object.__setattr__(self, "resources", {name: each for name, each in read_.items() if each is not None})
        object.__setattr__(self, "unread", tuple(unread))

    def with_resources(self, resources: Mapping[str, Mapping[str, Any]]) -> "Template":
        """The same template with other resources, which have been read."""
        other = copy(self)
        object.__setattr__(other, "resources", resources)
        vars(other).pop("written", None)
        return other

    @cached_property
    def written(self) -> Mapping[str, str]:
        """Logical id to the resource as text: to look for a word in it takes far less than to go through its values."""
        return {logical_id: json.dumps(each, default=str) for logical_id, each in self.resources.items()}

    def of_type(self, resource_type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of each resource of a type."""
        for logical_id, resource in self.resources.items():
            if resource["Type"] == resource_type:
                yield logical_id, resource.get("Properties", {})


@dataclass(frozen=True)
class Finding:
    """A place in a template that breaks a rule.

    Attributes:
        location: The property, such as ``Properties.DesiredCount``.
    """

    logical_id: str
    location: str
    detail: str = ""


@dataclass(frozen=True)
class Rule:
    """A rule that templates must follow.

    Attributes:
        id: ``NOVA-R…`` for services, ``NOVA-P…`` for the pipeline, ``NOVA-L…`` for AWS's limits.
        remedy: What to do where it does not.
        source: Why it must: documentation, an issue, or reasoning.
        severity: An error cannot be recovered from; a warning makes recovery slower or unseen. Both fail the synthesis.
    """

    id: str
    sentence: str
    remedy: str
    source: str
    check: Callable[[Template], Iterator[Finding]]
    severity: Literal["error", "warning"] = "error"


_DOCUMENT = re.compile(r".*Polic(y|yDocument|yText)|AccessPolicies|Content")
# What a document may say that only CloudFormation knows, such as by Fn::Transform.
_ANYTHING = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def _readable(logical_id: str, resource: Any, unread: list[Finding]) -> Mapping[str, Any] | None:
    """A resource as the rules read it; None for what is no resource, such as a loop of CloudFormation's."""
    if not isinstance(resource, Mapping) or not isinstance(resource.get("Type"), str):
        unread.append(Finding(logical_id, "Type", "it is no resource with a type"))
        return None
    properties = resource.get("Properties", {})
    shape = SHAPES.get(resource["Type"], {})
    if shape or not isinstance(properties, Mapping) or is_function(properties):
        properties = read(properties, shape, lambda where, fault: unread.append(Finding(logical_id, where, fault)))
    identity = resource["Type"].startswith("AWS::IAM::")
    documents = {
        key: _document(each, identity=identity) for key, each in properties.items() if _DOCUMENT.fullmatch(key)
    }
    if isinstance(inline := properties.get("Policies"), list) and identity:
        documents["Policies"] = [
            {**each, "PolicyDocument": _document(each["PolicyDocument"], identity=True)}
            if isinstance(each, Mapping) and "PolicyDocument" in each
            else each
            for each in inline
        ]
    return {**resource, "Properties": {**properties, **documents}}


def _document(value: Any, *, identity: bool) -> Any:
    """A policy as an object. An unknown identity policy counts as allowing anything; a resource policy stays."""
    match value:
        case {"Fn::If": [condition, *choices]}:
            return {"Fn::If": [condition, *(_document(each, identity=identity) for each in choices)]}
        case {"Ref": "AWS::NoValue"} | {"Statement": _} | {"Principal": _}:
            return value
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), *_]}:
            pass
        case str() | {"Fn::Join": _}:
            text = as_text(value)
        case {**keys} if not any(str(key).startswith("Fn::") or key == "Ref" for key in keys):
            return value
        case _:
            return _ANYTHING if identity else value
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, Mapping if identity else Mapping | list) else _ANYTHING if identity else value


def filled_in(value: Any, known: Mapping[str, str], tables: Mapping[str, Any] | None = None) -> Any:
    """A value with what is known of it: of parameters, by their names, and of a template's mappings."""
    if isinstance(value, str):
        return re.sub(r"\$\{([\w:]+)\}", lambda name: known.get(name[1], name[0]), value) if "${" in value else value
    if isinstance(value, list):
        return [filled_in(each, known, tables) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(name)} if name in known:
            return known[name]
        case {"Fn::FindInMap": [str(table), str(row), str(column), *_]}:
            found: Any = tables
            for key in (table, row, column):
                found = found.get(key) if isinstance(found, Mapping) else None
            return value if found is None else found
    return {key: filled_in(each, known, tables) for key, each in value.items()}


def referenced(value: object) -> str | None:
    """The logical id that a ``Ref`` or ``Fn::GetAtt`` points to, or a ``Fn::Sub`` of one; None for anything else."""
    match value:
        case {"Fn::Sub": str(text)} if one := re.fullmatch(r"\$\{(\w+)(\.\w+)*\}", text):
            return one[1]
        case {"Ref": str(logical_id)}:
            return logical_id
        case {"Fn::GetAtt": [str(logical_id), *_]}:
            return logical_id
    return None


def resource(template: Template, logical_id: str | None) -> Mapping[str, Any] | None:
    """The resource of that logical id; None where the template has none."""
    return template.resources.get(logical_id) if logical_id is not None else None


def as_text(value: object) -> str:
    """A value as text, with ``${…}`` for what only CloudFormation knows."""
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(as_text, parts))
        case dict():
            return "${" + (referenced(value) or next(iter(value), "")) + "}"
        case list():
            return ",".join(map(as_text, value))
    return str(value)


def as_list(value: object) -> list[Any]:
    """The value as a list, as IAM means a single one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def deployment(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """How an ECS service replaces its tasks, from its properties."""
    configuration: Mapping[str, Any] = service["DeploymentConfiguration"]
    return configuration
