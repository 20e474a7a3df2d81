"""Searches the graph of roles for paths from the repository's code to production, before the approval.

A path begins at such a project's role, goes on to every role that it can take (by assuming or passing it, by changing
or starting something that has it, or by sending what starts that), and ends where one of them may change what an
approval protects. A permissions boundary that the template shows cuts it short.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nova_infra.checks.permissions.attached import ROLE, Attached
from nova_infra.checks.permissions.edges.forwarding import ANYBODY
from nova_infra.checks.permissions.edges.starts import Start, starts
from nova_infra.checks.permissions.statements import COMPARES, Statement, allowing, contains, overlap
from nova_infra.checks.rule import Template

_TAKING = ("iam:PassRole", "sts:AssumeRole")


@dataclass(frozen=True)
class Goal:
    """Something that nothing before the approval may reach.

    Attributes:
        what: What it is, as the end of "may".
        actions: Patterns of the actions that reach it.
        resources: Patterns of the resources that they would be done to.
        harmless: Patterns of resources that are none of it, where a permission names nothing else.
        harmless_actions: Patterns of actions that do not reach it, such as reading.
        elsewhere: Accounts in which whatever is done reaches none of it.
        within: The accounts that it is in, if a permission has to name one: another account would have to agree.
    """

    what: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    harmless: tuple[str, ...] = ()
    harmless_actions: tuple[str, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()

    def spares(self, pattern: str) -> bool:
        """Whether a pattern matches none of its resources."""
        account = account_of(pattern)
        if account in self.elsewhere:
            return True
        if self.within and (contains(pattern, "arn:") or account not in (None, *self.within)):
            return True
        bucket = pattern.partition("/")[0]
        if bucket.startswith("arn:aws:s3:::") and "*" not in bucket:
            # No bucket's name has a slash, which a star in a pattern would stand for.
            return not any(overlap(bucket, each) for each in self.resources)
        return "*" not in pattern and any(contains(each, pattern) for each in self.harmless)


@dataclass(frozen=True)
class Path:
    """A way from a role to a goal."""

    roles: tuple[str, ...]
    policy: str
    resource: str
    allowed: str
    goal: Goal

    def __str__(self) -> str:
        by = "".join(f" assumes {role}, which" for role in self.roles[1:])
        return f"{by} may {self.allowed}: {self.goal.what}".strip()


@dataclass
class Graph:
    """The roles of a template and which roles each can assume."""

    template: Template
    attached: Attached = field(init=False)
    _starts: list[Start] = field(init=False)
    _statements: dict[str, list[Statement]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.attached = Attached(self.template)
        self._starts = starts(self.template)

    def paths(self, start: str, goals: Sequence[Goal], *, alone: bool = False) -> Iterator[Path]:
        """The shortest way from a role to each goal that it reaches.

        Args:
            alone: Whether only the role's own permissions count.
        """
        ways = {start: (start,)} if alone else self.ways(start)
        for goal in goals:
            if (path := next(self._reached(ways, goal), None)) is not None:
                yield path

    def _reached(self, ways: Mapping[str, tuple[str, ...]], goal: Goal) -> Iterator[Path]:
        for role, way in ways.items():
            held = self.statements(role)
            for statement in held:
                for action in statement.actions_within(goal.actions, but=goal.harmless_actions):
                    for pattern in statement.resources_within(goal.resources):
                        denied = any(each.forbids(action, pattern) for each in held)
                        if not denied and not goal.spares(pattern):
                            yield Path(way, statement.policy, pattern, statement.allowed(action, pattern), goal)

    def let_in(self, accounts: frozenset[str]) -> Iterator[str]:
        """Whom of some accounts the template lets do something, each from then on as if a role of it could do that."""
        found = dict[str, list[Statement]]()
        for logical_id, principals, statement in self.attached.on_resources():
            for principal in (caller for each in principals for caller in _callers(each, statement)):
                if _account(principal) in accounts:
                    own = (f"${{{logical_id}}}",) if self.template.resources[logical_id]["Type"] == ROLE else ()
                    found.setdefault(principal, []).append(replace(statement, resources=own or statement.resources))
        self._statements.update(found)
        yield from found

    def ways(self, start: str) -> dict[str, tuple[str, ...]]:
        """Every role that can be assumed from one, to the roles on the way there; the nearest first."""
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
        asked = {*_TAKING, *(action for start in self._starts for action in start.actions)}
        able = {action for action in asked if any(each.allows and each.names(action) for each in statements)}
        for logical_id, _ in self.template.of_type(ROLE):
            let_in = "sts:AssumeRole" in able and self.attached.lets_in(logical_id, role)
            possible = able & ({*_TAKING} if let_in else {"iam:PassRole"})
            names = self.attached.names(logical_id) if possible else ()
            if (role in self.template.resources and self.attached.trusts(logical_id, role)) or any(
                allowing(statements, action, name) for action in possible for name in names
            ):
                yield logical_id
        for start in self._starts:
            if start.by in (role, ANYBODY) or any(
                allowing(statements, action, name) for action in able & {*start.actions} for name in start.names
            ):
                yield start.role

    def statements(self, role: str) -> list[Statement]:
        """What a role of the template may do; nothing for one that is not in it."""
        if role not in self._statements:
            kind = self.template.resources.get(role, {}).get("Type", "")
            # A stack within the stack is deployed by a role that may do what its template needs.
            whole = [Statement(role, True, ("*",), False, ("*",), False, conditional=False)]
            known = self.attached.statements(role) if kind.startswith("AWS::IAM::") else whole if kind else []
            self._statements[role] = known
        return self._statements[role]


def _callers(principal: str, statement: Statement) -> list[str]:
    """Whom a statement lets in as a principal: if that is anybody, those whom its conditions name."""
    named = [
        value
        for operator, key, values in statement.conditions
        if key in ("aws:principalaccount", "aws:principalarn") and COMPARES.fullmatch(operator)
        for value in values
    ]
    return [principal] if _account(principal) else named or [principal]


def _account(principal: str) -> str | None:
    return principal if principal.isdigit() else account_of(principal)


def account_of(pattern: str) -> str | None:
    """The one account that a pattern of ARNs names; None if it may be any."""
    arn, partition, service, region, account, *_ = (*pattern.split(":", 5), *[""] * 5)
    unclear = "*" in service or any("*" in each and each != "*" for each in (partition, region))
    return account if arn == "arn" and not unclear and account.isdigit() else None
