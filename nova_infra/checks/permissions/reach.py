"""Which roles the projects that run the repository's code before the approval can assume, and what those may do.

A path begins at such a project's role, goes on to every role that it can take (by assuming or passing it, or by
changing or starting something that has it), and ends where one of them may change what an approval protects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_infra.checks.permissions.statements import Statement, allowing, overlap, pattern_of, statements_of
from nova_infra.checks.rule import Template, as_list, referenced

_PROJECT, _ROLE = "AWS::CodeBuild::Project", "AWS::IAM::Role"

# What gives its caller the role of a thing, by the thing's type.
_TAKES_OVER = {
    _PROJECT: (
        "codebuild:StartBuild",
        "codebuild:StartBuildBatch",
        "codebuild:UpdateProject",
    ),
    "AWS::Lambda::Function": ("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
}
_TAKING = ("iam:PassRole", "sts:AssumeRole", *(action for actions in _TAKES_OVER.values() for action in actions))
_ROLE_OF = {_PROJECT: "ServiceRole", "AWS::Lambda::Function": "Role"}


@dataclass(frozen=True)
class Goal:
    """Something that nobody may reach.

    Attributes:
        what: What it is, as the end of "may".
        actions: The actions that reach it.
        resources: Patterns of the resources that they would be done to.
        harmless: Patterns of resources that are none of it, where a permission names nothing else.
    """

    what: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    harmless: tuple[str, ...] = ()


@dataclass(frozen=True)
class Path:
    """A way from a role to a goal.

    Attributes:
        roles: Logical ids of the roles, from the first to the one that reaches the goal.
        policy: Logical id of the resource whose permission is the last step.
        action: The action.
        resource: The pattern of resources of that permission.
        goal: What is reached.
    """

    roles: tuple[str, ...]
    policy: str
    action: str
    resource: str
    goal: Goal

    def __str__(self) -> str:
        """The way in words."""
        by = "".join(f" takes {role}, which" for role in self.roles[1:])
        return f"{by} may {self.action} on {self.resource}: {self.goal.what}".strip()


@dataclass
class Graph:
    """The roles of a template and what each can take.

    Attributes:
        template: The template.
    """

    template: Template
    _statements: dict[str, list[Statement]] = field(default_factory=dict)

    def paths(self, start: str, goals: Sequence[Goal]) -> Iterator[Path]:
        """The shortest way from a role to each goal that it reaches.

        Args:
            start: Logical id of the role.
            goals: What must not be reached.
        """
        ways = self.ways(start)
        for goal in goals:
            if (path := next(self._reached(ways, goal), None)) is not None:
                yield path

    def _reached(self, ways: Mapping[str, tuple[str, ...]], goal: Goal) -> Iterator[Path]:
        for role, way in ways.items():
            for action in goal.actions:
                for resource in goal.resources:
                    for policy, pattern in allowing(self.statements(role), action, resource):
                        if not any(overlap(pattern, each) and "*" not in pattern for each in goal.harmless):
                            yield Path(way, policy, action, pattern, goal)

    def ways(self, start: str) -> dict[str, tuple[str, ...]]:
        """Every role that can be taken from one, to the roles on the way there; the nearest first."""
        ways: dict[str, tuple[str, ...]] = {start: (start,)}
        for role in (queue := [start]):
            for taken in self._taken_by(role):
                if taken not in ways:
                    ways[taken] = (*ways[role], taken)
                    queue.append(taken)
        return ways

    def _taken_by(self, role: str) -> Iterator[str]:
        statements = self.statements(role)
        # Most roles may do none of these to anything, and a template has many of both.
        able = {action for action in _TAKING if any(each.allows and each.names(action) for each in statements)}
        for logical_id, resource in self.template.resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == _ROLE:
                names = role_patterns(logical_id, properties) if able else ()
                taking = able & {"iam:PassRole", "sts:AssumeRole"}
                if role in _trusted(properties) or any(allowing(statements, a, name) for a in taking for name in names):
                    yield logical_id
            elif resource["Type"] in _TAKES_OVER and able.intersection(_TAKES_OVER[resource["Type"]]):
                taken = referenced(properties.get(_ROLE_OF[resource["Type"]]))
                names = (
                    f"${{{logical_id}}}",
                    f"arn:aws:*:*:*:*/${{{logical_id}}}",
                    f"arn:aws:*:*:*:*:${{{logical_id}}}",
                )
                actions = _TAKES_OVER[resource["Type"]]
                if taken and any(allowing(statements, action, name) for action in actions for name in names):
                    yield taken

    def statements(self, role: str) -> list[Statement]:
        """What a role of the template may do; nothing for one that is not in it."""
        if role not in self._statements:
            known = role in self.template.resources
            self._statements[role] = statements_of(self.template, role) if known else []
        return self._statements[role]


def role_patterns(logical_id: str, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """How policies may name a role: by its reference, by its ARN."""
    name = properties.get("RoleName")
    return (f"${{{logical_id}}}", f"arn:aws:iam::*:role/{pattern_of(name) if name else f'${{{logical_id}}}'}")


def _trusted(properties: Mapping[str, Any]) -> set[str]:
    """Logical ids of the roles that a role's trust names."""
    statements = as_list(properties.get("AssumeRolePolicyDocument", {}).get("Statement"))
    principals = [each.get("Principal") for each in statements if each.get("Effect") == "Allow"]
    named = [value for each in principals if isinstance(each, Mapping) for value in as_list(each.get("AWS"))]
    return {logical_id for value in named if (logical_id := referenced(value)) is not None}
