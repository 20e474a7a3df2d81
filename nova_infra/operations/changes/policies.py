"""Compares policy documents by meaning: what does one allow that the other does not?

The order of statements, a list of one instead of a string, and a statement split in two change nothing. Where the
meaning is not clear (an unknown operator, a statement that is an intrinsic function), it counts as allowing more: an
approver would rather look once too often.

How statements are evaluated: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.statements import contains
from nova_infra.documents.text import listed, shortened
from nova_infra.operations.changes.template_values import shown

# Values of one condition are alternatives, except for the negated operators, whose values must all differ:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
_ALTERNATIVES = {"stringequals", "stringequalsignorecase", "arnequals", "numericequals", "dateequals", "ipaddress"}
_PATTERNS = {"stringlike", "arnlike"}
_NEGATED = {"stringnotequals", "stringnotequalsignorecase", "arnnotequals", "numericnotequals", "notipaddress"}


@dataclass(frozen=True)
class Condition:
    """One operator on one key."""

    operator: str
    key: str
    values: frozenset[str]

    def __str__(self) -> str:
        return f"{self.operator} {self.key} {', '.join(sorted(self.values))}"

    def implies(self, other: Condition) -> bool:
        """Whether all requests that meet this condition meet the other."""
        mine, theirs = self.operator.lower(), other.operator.lower()
        # …IfExists also lets through what has no such key.
        if self.key.lower() != other.key.lower() or theirs not in (mine, f"{mine}ifexists"):
            return False
        operator = mine.removesuffix("ifexists").removeprefix("foranyvalue:")
        if operator in _PATTERNS:
            return all(any(contains(pattern, value) for pattern in other.values) for value in self.values)
        if operator in _ALTERNATIVES:
            return self.values <= other.values
        if operator in _NEGATED:
            return self.values >= other.values
        return self.values == other.values


@dataclass(frozen=True)
class _Set:
    """A set of principals, actions or resources: everything that the patterns match, or everything that they do not.

    Attributes:
        complement: Everything else is meant.
        any_case: Actions are the same in any case.
    """

    patterns: frozenset[str]
    complement: bool = False
    any_case: bool = False

    def parts(self) -> Iterator[_Set]:
        """The smallest pieces, each covered entirely or not at all."""
        if self.complement:
            yield self
        else:
            yield from (_Set(frozenset((p,)), any_case=self.any_case) for p in sorted(self.patterns))

    def covers(self, part: _Set) -> bool:
        mine, theirs = self._compared(), part._compared()
        if not self.complement:
            if part.complement:
                return "*" in mine
            return all(any(contains(pattern, name) for pattern in mine) for name in theirs)
        if part.complement:
            return all(any(contains(pattern, name) for pattern in theirs) for name in mine)
        # A pattern may reach into what is left out, a plain name is in or out.
        return not any("*" in name or "?" in name or any(contains(p, name) for p in mine) for name in theirs)

    def _compared(self) -> list[str]:
        return [pattern.lower() for pattern in self.patterns] if self.any_case else list(self.patterns)

    def __str__(self) -> str:
        names = ", ".join(sorted(self.patterns))
        return f"everything but {names}" if self.complement else names


@dataclass(frozen=True)
class PolicyStatement:
    """One statement of a policy, in a form that can be compared.

    Attributes:
        principals: Who; empty in a policy that is attached to an identity.
    """

    allows: bool
    principals: _Set
    actions: _Set
    resources: _Set
    conditions: frozenset[Condition]

    def meets(self, conditions: Iterable[Condition]) -> bool:
        """Whether every request that this statement applies to meets all the conditions."""
        return all(any(mine.implies(condition) for mine in self.conditions) for condition in conditions)


@dataclass(frozen=True)
class Grant:
    """Something that is allowed now and was not before.

    Attributes:
        principals: Who, in words; empty in a policy that is attached to an identity.
        conditions: Only if.
        lost_conditions: It was allowed before, but only if.
        was_denied: A Deny that is gone, not an Allow that has come.
    """

    principals: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    lost_conditions: tuple[str, ...] = ()
    was_denied: bool = False

    def __str__(self) -> str:
        who = f"{listed(self.principals)} may" if any(self.principals) else "may"
        what = f"{who} {listed(self.actions)}"
        if self.resources and self.resources != ("",):
            what += f" on {listed(self.resources)}"
        if self.was_denied:
            return f"no longer denied: {what.removeprefix('may ')}"
        if self.lost_conditions:
            return f"{what}, no longer only if {' and '.join(self.lost_conditions)}"
        if self.conditions:
            what += f", only if {' and '.join(self.conditions)}"
        return what


@dataclass(frozen=True)
class Policy:
    """Statements that apply together.

    Attributes:
        unread: Those that cannot, as text.
    """

    statements: tuple[PolicyStatement, ...] = ()
    unread: frozenset[str] = frozenset()

    @classmethod
    def of(cls, documents: Iterable[Any]) -> Policy:
        """The statements of policy documents, as a template holds them."""
        statements: list[PolicyStatement] = []
        unread: set[str] = set()
        for document in documents:
            for raw in _statements(document):
                statement = _read(raw)
                if statement is None:
                    unread.add(shown(raw))
                else:
                    statements.append(statement)
        return cls(tuple(statements), frozenset(unread))


def widened(before: Policy, after: Policy) -> list[Grant]:
    """What ``after`` allows and ``before`` does not, empty where it allows the same or less."""
    allowed = _uncovered(_those(after, allows=True), _those(before, allows=True))
    undenied = _uncovered(_those(before, allows=False), _those(after, allows=False))
    unread = after.unread ^ before.unread
    return [
        *allowed,
        *(Grant(g.principals, g.actions, g.resources, g.conditions, was_denied=True) for g in undenied),
        *(Grant((), (f"what {shortened(text)} says, which cannot be read",), ()) for text in sorted(unread)),
    ]


def is_policy(value: Any) -> bool:
    """Whether a value in a template is a policy document; firewall rules, for one, have statements, too."""
    if not isinstance(value, dict) or "Statement" not in value:
        return False
    statements = _statements(value)
    return all(isinstance(s, dict) for s in statements) and any("Effect" in s or "Fn::If" in s for s in statements)


def parsed(value: Any) -> Any:
    """A policy document that a template holds as text, as a document; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith("{") and '"Statement"' in value:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _those(policy: Policy, *, allows: bool) -> list[PolicyStatement]:
    return [statement for statement in policy.statements if statement.allows == allows]


def _uncovered(needed: Sequence[PolicyStatement], by: Sequence[PolicyStatement]) -> list[Grant]:
    """What the needed statements allow and none of the others does, reassembled."""
    grants: list[Grant] = []
    for statement in needed:
        # (principal, conditions lost) → action → resources, so that actions on the same resources share a line.
        found: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for principal in statement.principals.parts():
            for action in statement.actions.parts():
                for resource in statement.resources.parts():
                    reaching = [
                        other
                        for other in by
                        if other.principals.covers(principal)
                        and other.actions.covers(action)
                        and other.resources.covers(resource)
                    ]
                    if any(statement.meets(other.conditions) for other in reaching):
                        continue
                    lost = {str(c) for other in reaching for c in other.conditions if not statement.meets([c])}
                    found[str(principal), tuple(sorted(lost))][str(action)].append(str(resource))
        for (who, lost_conditions), by_action in found.items():
            together: dict[tuple[str, ...], list[str]] = defaultdict(list)
            for name, resources in by_action.items():
                together[tuple(resources)].append(name)
            conditions = tuple(sorted(map(str, statement.conditions)))
            grants += [
                Grant((who,) if who else (), tuple(names), resources, conditions, lost_conditions)
                for resources, names in together.items()
            ]
    return _without_repeats(grants)


def _without_repeats(grants: list[Grant]) -> list[Grant]:
    """Merge grants that differ only in the principal."""
    together: dict[Grant, list[str]] = defaultdict(list)
    for grant in grants:
        key = Grant((), grant.actions, grant.resources, grant.conditions, grant.lost_conditions)
        together[key] += [who for who in grant.principals if who not in together[key]]
    return [
        Grant(tuple(who), grant.actions, grant.resources, grant.conditions, grant.lost_conditions)
        for grant, who in together.items()
    ]


def _statements(document: Any) -> list[Any]:
    statements = document.get("Statement", []) if isinstance(document, dict) else [document]
    return statements if isinstance(statements, list) else [statements]


def _read(raw: Any) -> PolicyStatement | None:
    if not isinstance(raw, dict) or raw.get("Effect") not in ("Allow", "Deny"):
        return None
    if not ("Action" in raw or "NotAction" in raw):
        return None
    conditions = raw.get("Condition", {})
    if not isinstance(conditions, dict) or not all(isinstance(keys, dict) for keys in conditions.values()):
        return None
    return PolicyStatement(
        allows=raw["Effect"] == "Allow",
        principals=_set(raw, "Principal", _principals),
        actions=_set(raw, "Action", _texts, any_case=True),
        resources=_set(raw, "Resource", _texts),
        conditions=frozenset(
            Condition(operator, key, frozenset(_texts(values)))
            for operator, keys in conditions.items()
            for key, values in keys.items()
        ),
    )


def _set(raw: dict[str, Any], key: str, read: Callable[[Any], list[str]], *, any_case: bool = False) -> _Set:
    if f"Not{key}" in raw:
        return _Set(frozenset(read(raw[f"Not{key}"])), complement=True, any_case=any_case)
    # A trust policy names no resource and an identity's policy no principal.
    return _Set(frozenset(read(raw[key])) if key in raw else frozenset(("",)), any_case=any_case)


def _principals(value: Any) -> list[str]:
    if not isinstance(value, dict) or set(value) - {"AWS", "Service", "Federated", "CanonicalUser"}:
        return _texts(value)
    return [_principal(kind, name) for kind, names in value.items() for name in _texts(names)]


def _principal(kind: str, name: str) -> str:
    if kind == "AWS":
        # The number of an account is short for its root: both mean everyone whom the account lets.
        return re.sub(r"^(\d{12}|\$\{AWS::AccountId\})$", r"arn:${AWS::Partition}:iam::\1:root", name)
    return name


def _texts(value: Any) -> list[str]:
    return [shown(item) for item in (value if isinstance(value, list) else [value])]
