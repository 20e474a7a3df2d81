"""Matches policy statements as IAM would: wildcards, ARNs, all actions but some. `attached` reads them.

A condition of an Allow is taken as met, a permissions boundary that the template does not show as none, a policy of
AWS's own that is in no list as everything, and a value that only CloudFormation knows as any value. See
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from nova_infra.checks.rule import referenced

COMPARES = re.compile(r"(ForAnyValue:)?(String|Arn)(Equals|Like|EqualsIgnoreCase)")
"""Operators of conditions that are not met where the request lacks the key."""
OF_SERVICES = ("aws:sourcearn", "aws:sourceaccount")
"""Keys of conditions that requests have only where a service acts for a resource."""
OWN_ACCOUNT = "000000000000"
"""Stands for the account of a condition's own template."""
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_WILDCARD = re.compile(r"[*?]")
_DYNAMIC = re.compile(r"\{\{resolve:[^}]*\}\}")
_PARTITION = re.compile(r"arn:aws-[a-z-]+:")


@dataclass(frozen=True)
class Statement:
    """One statement of a policy.

    Attributes:
        policy: Logical id of the resource that it stands in.
        not_actions: Whether all actions but those are meant.
        not_resources: Whether all resources but those are meant.
        conditions: What they compare: the operator, the key in lower case, and the patterns of which one has to match.
        by_resource: Whether it stands in the policy of a resource, and not in one of the role.
        guessed: What it stands for, if nothing shows what that says; it then allows everything.
    """

    policy: str
    allows: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditional: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    by_resource: bool = False
    guessed: str = ""

    def demands(self, key: str, allowed: Sequence[str]) -> bool:
        """Whether it holds only where a key of the request has one of some values.

        A condition without its key is not met, unless it compares with what must not be, or has ``IfExists`` or
        ``ForAllValues``: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        """
        return any(
            name == key.lower() and values and all(any(contains(one, value) for one in allowed) for value in values)
            for operator, name, values in self.conditions
            if COMPARES.fullmatch(operator)
        )

    def may_hold_for(self, own: str) -> bool:
        """Whether somebody can meet its conditions; those on the resource or the request count as met.

        What refers to something of the template may be anything: a name, an ARN, an account.

        AWS sets the keys of a resource for which a service acts only where a service calls, which a resource's policy
        may let it do: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html

        Args:
            own: Pattern of the ARN by which he acts.
        """
        own, account = _REFERENCE.sub("*", own), own.split(":")[4]
        of_caller = {"aws:principalarn": own, "aws:principalaccount": account}
        for operator, key, values in self.conditions if self.allows else ():
            if not COMPARES.fullmatch(operator) or not values:
                continue
            if key in OF_SERVICES and not self.by_resource:
                return False
            wanted = [_REFERENCE.sub("*", each.replace(OWN_ACCOUNT, account)).lower() for each in values]
            if key in of_caller and not any(overlap(each, of_caller[key].lower()) for each in wanted):
                return False
        return True

    @property
    def limits(self) -> str:
        """What its conditions ask for, as text; empty for nothing."""
        conditions = (f"{key} {operator} {' or '.join(values)}" for operator, key, values in self.conditions)
        return " and ".join(sorted(conditions)).replace(OWN_ACCOUNT, "*")

    def allowed(self, action: str, resource: str) -> str:
        """What it allows, for people: an action on a resource."""
        return f"{action} on {resource}{self.guessed and f', by {self.guessed}'}"

    def names(self, action: str) -> bool:
        """Whether it applies to an action, on any resource."""
        return _name(self.actions, action, negated=self.not_actions)

    def covers(self, action: str, resource: str) -> bool:
        """Whether it applies to an action on a resource; both may be patterns."""
        if not self.names(action):
            return False
        if self.not_resources:
            return not any(contains(pattern, resource) for pattern in self.resources)
        return any(overlap(pattern, resource) for pattern in self.resources)

    def actions_within(self, wanted: Sequence[str], *, but: Sequence[str] = ()) -> Iterator[str]:
        """Which of some actions it allows; the narrower pattern, where both are one."""
        if self.allows:
            yield from _within(self.actions, tuple(wanted), tuple(but), negated=self.not_actions)

    def resources_within(self, wanted: Sequence[str]) -> Iterator[str]:
        """Patterns of its resources that are among the wanted ones."""
        for each in wanted:
            if not self.not_resources:
                yield from (one for one in self.resources if overlap(one, each))
            elif not any(contains(one, each) for one in self.resources):
                yield "*"

    def forbids(self, action: str, resource: str) -> bool:
        """Whether it denies an action on every resource that a pattern matches."""
        if self.allows or self.conditional:
            return False
        # What is excepted must have no part in it; what is denied must have all of it.
        covers = overlap if self.not_actions else contains
        named = any(covers(pattern.lower(), action.lower()) for pattern in self.actions)
        covers = overlap if self.not_resources else contains
        meant = any(covers(pattern, resource) for pattern in self.resources)
        return named != self.not_actions and meant != self.not_resources


def allowing(statements: Sequence[Statement], action: str, resource: str) -> list[tuple[str, str]]:
    """Policy and resource pattern of each permission for an action on a resource.

    Args:
        resource: The resource, which may be a pattern.
    """
    return [
        (statement.policy, pattern)
        for statement in statements
        if statement.allows and statement.covers(action, resource)
        for pattern in (("*",) if statement.not_resources else statement.resources)
        if overlap(pattern, resource) and not any(each.forbids(action, pattern) for each in statements)
    ]


# A template's roles may do mostly the same, and each is asked about the same goals: a few lists meet again and again.
@cache
def _name(patterns: tuple[str, ...], action: str, *, negated: bool) -> bool:
    if negated:
        return not any(contains(pattern.lower(), action.lower()) for pattern in patterns)
    return any(overlap(pattern.lower(), action.lower()) for pattern in patterns)


@cache
def _within(
    patterns: tuple[str, ...], wanted: tuple[str, ...], but: tuple[str, ...], *, negated: bool
) -> tuple[str, ...]:
    within: list[str] = []
    for each in wanted:
        if negated:
            found = [] if any(contains(one.lower(), each.lower()) for one in patterns) else [each]
        else:
            found = [
                one if contains(each.lower(), one.lower()) else each if contains(one.lower(), each.lower()) else one
                for one in patterns
                if overlap(one.lower(), each.lower())
            ]
        within += (one for one in found if not any(contains(other.lower(), one.lower()) for other in but))
    return tuple(within)


def pattern_of(value: object) -> str:
    """A value as a pattern: resources of the template become ``${LogicalId}``, and what is not known ``*``.

    An ARN of another partition, such as GovCloud's, becomes that of ``aws``: nothing reaches from one partition into
    another, so what is compared is all in the same, which the other side of the comparison need not know.
    """
    return in_one_partition(_pattern_of(value))


def pattern_here(value: object) -> str:
    """A value as a pattern in which the account of its own template is not a wildcard, but twelve zeros."""
    text = json.dumps(value).replace("${AWS::AccountId}", OWN_ACCOUNT)
    return pattern_of(json.loads(text.replace('{"Ref": "AWS::AccountId"}', f'"{OWN_ACCOUNT}"')))


def in_one_partition(pattern: str) -> str:
    """A pattern with the partition ``aws`` in place of its own."""
    return _PARTITION.sub("arn:aws:", pattern) if "arn:aws-" in pattern else pattern


def _pattern_of(value: object) -> str:
    match value:
        case str():
            value = _DYNAMIC.sub("*", value) if "{{" in value else value
            return re.sub(r"\$\{(?!AWS::|\*)[^}]*\}", "*", _pseudo(value)) if "${" in value else value
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(_pattern_of, parts))
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{(?!AWS::)([^}.]*)[^}]*\}", r"${\1}", _pseudo(text))
        case {"Fn::Sub": [str(text), {**given}]}:
            known = {name: _pattern_of(each) for name, each in given.items()}
            return re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1], match[0]), _pattern_of({"Fn::Sub": text}))
        case {"Ref": str(name)} if name.startswith("AWS::"):
            return _pseudo(f"${{{name}}}")
    logical_id = referenced(value)
    return f"${{{logical_id}}}" if logical_id else "*"


def _pseudo(text: str) -> str:
    return re.sub(r"\$\{AWS::(\w+)\}", lambda match: "aws" if match[1] == "Partition" else "*", text)


@cache
def overlap(one: str, other: str) -> bool:
    """Whether some text matches both patterns, with ``*`` for any characters and ``?`` for one."""
    if _ends_differ(one, other):
        return False
    if "?" not in one + other:
        if "*" in one and "*" in other:  # the stars of each then take what the other has between its ends
            return True
        return contains(one, other) or contains(other, one)
    row = {0}
    for symbol in (*one, ""):
        row = _closed(row, other)
        if not symbol:
            break
        if symbol == "*":
            row = set(range(min(row), len(other) + 1)) if row else set()
            continue
        stay = {at for at in row if at < len(other) and other[at] == "*"}
        row = stay | {at + 1 for at in row if at < len(other) and (other[at] in (symbol, "?") or symbol == "?")}
    return len(other) in _closed(row, other)


def _ends_differ(one: str, other: str) -> bool:
    """Whether two patterns' fixed beginnings or ends differ, so that no text matches both: a quick test."""
    first, second = _WILDCARD.split(one), _WILDCARD.split(other)
    if len(first) == len(second) == 1:
        return one != other
    head, tail = min(len(first[0]), len(second[0])), min(len(first[-1]), len(second[-1]))
    return first[0][:head] != second[0][:head] or (tail > 0 and first[-1][-tail:] != second[-1][-tail:])


def _closed(row: set[int], other: str) -> set[int]:
    """The positions, and those reached by letting a star of the other pattern match nothing."""
    found = set(row)
    for at in sorted(row):
        while at < len(other) and other[at] == "*":
            at += 1
            found.add(at)
    return found


@cache
def contains(pattern: str, other: str) -> bool:
    """Whether a pattern matches everything that another one matches."""
    if not _WILDCARD.search(pattern):
        return pattern == other
    return bool(_regex(pattern).fullmatch(other))


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "[^*]"}.get(symbol, re.escape(symbol)) for symbol in pattern), re.DOTALL)
