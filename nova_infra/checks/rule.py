"""The data classes of a rule and of a finding, and the template that a rule reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Template:
    """A synthesized CloudFormation template.

    Attributes:
        resources: Logical id to resource.
        account: The account that it is deployed to; None where that is not known.
    """

    resources: Mapping[str, Mapping[str, Any]]
    account: str | None = None

    def of_type(self, resource_type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Logical id and properties of each resource of a type."""
        for logical_id, resource in self.resources.items():
            if resource["Type"] == resource_type:
                yield logical_id, resource.get("Properties", {})


@dataclass(frozen=True)
class Finding:
    """A place in a template that breaks a rule.

    Attributes:
        logical_id: The resource.
        location: The property, such as ``Properties.DesiredCount``.
        detail: What is wrong there, where the rule's sentence does not say it.
    """

    logical_id: str
    location: str
    detail: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing that templates are held to.

    Attributes:
        id: ``NOVA-R…`` for services, ``NOVA-P…`` for the pipeline, ``NOVA-L…`` for AWS's limits.
        sentence: What must hold.
        remedy: What to do where it does not.
        source: Why it must: documentation, an issue, or reasoning.
        check: The places in a template where it does not hold.
        severity: An error cannot be recovered from; a warning makes recovery slower or unseen. Both fail the synthesis.
    """

    id: str
    sentence: str
    remedy: str
    source: str
    check: Callable[[Template], Iterator[Finding]]
    severity: Literal["error", "warning"] = "error"


def referenced(value: object) -> str | None:
    """The logical id that a ``Ref`` or ``Fn::GetAtt`` points to; None for anything else."""
    match value:
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
    configuration: Mapping[str, Any] = service.get("DeploymentConfiguration", {})
    return configuration
