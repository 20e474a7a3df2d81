"""Intersects the IAM statements of a role with its permissions boundary's (IAM: access_policies_boundaries)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from nova_infra.checks.permissions.statements import Statement, contains, overlap


def limited(held: Iterable[Statement], boundary: Sequence[Statement] | None) -> list[Statement]:
    """What a role may do within its boundary.

    Args:
        held: The role's statements. What a resource's policy gives it is limited only by what the boundary denies.
        boundary: The boundary's statements; None for a role without one, or with one that is not known.
    """
    if boundary is None:
        return list(held)
    found = [each for each in boundary if not each.allows]
    for statement in held:
        if statement.allows and not statement.by_resource:
            found += [each for limit in boundary if limit.allows for each in _both(statement, limit)]
        else:
            found.append(statement)
    return found


def _both(statement: Statement, limit: Statement) -> Iterator[Statement]:
    actions, not_actions = _meet(
        [each.lower() for each in statement.actions],
        [each.lower() for each in limit.actions],
        (statement.not_actions, limit.not_actions),
    )
    resources, not_resources = _meet(
        statement.resources, limit.resources, (statement.not_resources, limit.not_resources)
    )
    # Nothing at all is left, or all but nothing, which no policy can say.
    if (actions or not_actions) and (resources or not_resources):
        yield replace(
            statement,
            actions=tuple(actions),
            not_actions=not_actions,
            resources=tuple(resources),
            not_resources=not_resources,
            conditional=statement.conditional or limit.conditional,
            conditions=(*statement.conditions, *limit.conditions),
        )


def _meet(ones: Sequence[str], others: Sequence[str], excluding: tuple[bool, bool]) -> tuple[list[str], bool]:
    """The intersection of two lists of patterns, either of which may be exclusions; and whether the result is one."""
    match excluding:
        case (True, True):
            return [*ones, *others], True
        case (True, False):
            return [other for other in others if not any(contains(one, other) for one in ones)], False
        case (False, True):
            return [one for one in ones if not any(contains(other, one) for other in others)], False
    narrower = (other if contains(one, other) else one for one in ones for other in others if overlap(one, other))
    return list(dict.fromkeys(narrower)), False
