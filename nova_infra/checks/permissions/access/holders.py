"""Lists who can do what before and after the approval, from the synthesized templates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nova_infra.checks.permissions.access.reading import Read, reads
from nova_infra.checks.permissions.attached import arn_of, pattern_in
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.permissions.edges.jobs import jobs_keep_to_their_work
from nova_infra.checks.permissions.edges.run_steps import project_and_role, repository_steps
from nova_infra.checks.permissions.reach import Graph
from nova_infra.checks.permissions.statements import COMPARES, Statement, contains, overlap, pattern_of
from nova_infra.checks.rule import Template, as_list
from nova_infra.checks.stages import PIPELINE, actions, environments, stages

_ROLE = "AWS::IAM::Role"
_TAKE = "sts:assume*"
_READS = re.compile(r"[\w-]+:(Get|List|Describe|BatchGet|BatchCheck|FilterLogEvents|View|Lookup)\w*\*?", re.IGNORECASE)
# What every project needs to say what it does.
_OWN = re.compile(r"logs:(Create|Put)Log\w+|codebuild:\w*(Report|TestCases|CodeCoverages)\w*", re.IGNORECASE)
_ROOT = re.compile(r"(?:arn:[^:]*:iam::)?(\d{12})(?::root)?")
_SUBJECT = "token.actions.githubusercontent.com:sub"


@dataclass(frozen=True)
class Holder:
    """A role or person with permissions.

    Attributes:
        name: A step of the pipeline with its stage, a GitHub environment or branch, or a role's name.
        takers: Who may assume it, for a role that names them.
        takes: Patterns of the roles that it may assume, to what that is limited by, as text; empty for nothing.
        changes: What it may change, each as actions, resources and what that is limited by.
        own: Patterns of the ARNs by which it acts, and how its template refers to its roles.
        path: Of a role, what stands before its name.
    """

    name: str
    after: bool
    runs_repository: bool
    takers: tuple[str, ...]
    takes: Mapping[str, str]
    changes: tuple[tuple[str, str, str], ...]
    reads: tuple[Read, ...] = ()
    account: str | None = None
    own: tuple[str, ...] = field(default=())
    path: str = "/"

    @property
    def arn(self) -> str:
        """Pattern of the ARN of a role of this name."""
        return f"arn:aws:iam::{self.account or '*'}:role{self.path}{self.name}"

    def lets_in(self, other: "Holder") -> bool:
        """Whether somebody is among those who may assume it."""
        return any(overlap(taker, own) for taker in self.takers for own in other.own)


def steps(template: Template) -> Iterator[Holder]:
    """Each step of a template's pipeline that runs commands, in order."""
    graph = Graph(template)
    for _, pipeline in template.of_type(PIPELINE):
        production = environments(pipeline)[-1]
        of_repository = [id(action) for action in repository_steps(pipeline, before=len(stages(pipeline)))]
        for place, stage in enumerate(stages(pipeline)):
            for action in actions(stage, "Build", "Test"):
                _, role = project_and_role(template, action)
                if role is None:
                    continue
                yield _holder(
                    template,
                    f"{stage['Name']}: {action['Name']}",
                    {way: graph.statements(way) for way in graph.ways(role)},
                    after=place >= production,
                    runs_repository=id(action) in of_repository,
                )


def jobs(template: Template, *, protected: Sequence[str]) -> Iterator[Holder]:
    """Each kind of GitHub's jobs that a role of a template lets in.

    Args:
        protected: Names of the environments that wait for an approval.
    """
    graph = Graph(template)
    for logical_id, role in template.of_type(_ROLE):
        for subject in _conditions(role, _SUBJECT):
            environment = subject.partition(":environment:")[2]
            held = {way: graph.statements(way) for way in graph.ways(logical_id)}
            yield _holder(template, subject, held, after=environment in protected, runs_repository=True)


def roles(template: Template) -> Iterator[Holder]:
    """Each role of a template that named roles may assume."""
    graph = Graph(template)
    for logical_id, role in template.of_type(_ROLE):
        if any(_conditions(role, "aws:PrincipalArn")):
            name = pattern_of(role.get("RoleName", f"${{{logical_id}}}"))
            held, takers = {logical_id: graph.statements(logical_id)}, {_named(template, one) for one in _takers(role)}
            holder = _holder(template, name, held, takers=tuple(sorted(takers)))
            yield replace(holder, path=pattern_in(template, role.get("Path", "/")))


def ways_around(template: Template) -> list[str]:
    """Each way around the approval that the template has."""
    return [each.detail for rule in (production_out_of_reach, jobs_keep_to_their_work) for each in rule(template)]


def _holder(
    template: Template,
    name: str,
    held: Mapping[str, Sequence[Statement]],
    *,
    after: bool = False,
    runs_repository: bool = False,
    takers: tuple[str, ...] = (),
) -> Holder:
    """What somebody may do with several roles, by their logical ids: one may allow what another denies."""
    return Holder(
        name,
        after,
        runs_repository,
        takers,
        _takes([each for role in held.values() for each in role]),
        _changes(list(held.values())),
        tuple(dict.fromkeys(each for role in held.values() for each in reads(role))),
        template.account,
        (*(arn_of(template, each) for each in held), *(f"${{{each}}}" for each in held)),
    )


def _named(template: Template, taker: str) -> str:
    """Whom a reference to a role with a name means, as those outside of its template know it."""
    role = template.resources.get(taker[2:-1], {}) if taker.startswith("${") else {}
    return arn_of(template, taker[2:-1]) if "RoleName" in role.get("Properties", {}) else taker


def _conditions(role: Mapping[str, Any], key: str) -> Iterator[str]:
    """Values of one key in the conditions of a role's trust."""
    for statement in as_list(role.get("AssumeRolePolicyDocument", {}).get("Statement")):
        for operator in statement.get("Condition", {}).values():
            yield from (pattern_of(value) for value in as_list(operator.get(key)))


def _takers(role: Mapping[str, Any]) -> Iterator[str]:
    """Patterns of the ARNs of who may assume a role: those that a condition names, or else every principal."""
    for statement in as_list(role.get("AssumeRolePolicyDocument", {}).get("Statement")):
        named = [
            pattern_of(value)
            for operator, keys in statement.get("Condition", {}).items()
            if COMPARES.fullmatch(operator)
            for value in as_list(keys.get("aws:PrincipalArn"))
        ]
        principal = statement.get("Principal", {})
        everybody = as_list(principal.get("AWS")) if isinstance(principal, Mapping) else [principal]
        if statement.get("Effect") == "Allow":
            yield from named or map(_of_principal, map(pattern_of, everybody))


def _of_principal(principal: str) -> str:
    """Pattern of whom a principal means: an account, all of its roles and users."""
    account = _ROOT.fullmatch(principal)
    return f"arn:*:iam::{account[1]}:*" if account else principal


def _takes(statements: Sequence[Statement]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in statements:
        if any(True for _ in each.actions_within(("sts:AssumeRole",))):
            found |= {one: each.limits if found.get(one, "-") else "" for one in each.resources}
    return dict(sorted(found.items()))


def _changes(held: Sequence[Sequence[Statement]]) -> tuple[tuple[str, str, str], ...]:
    found: dict[tuple[str, str], set[str]] = {}
    for statements in held:
        for each in statements:
            names = [f"all but {', '.join(each.actions)}"] if each.not_actions else each.actions
            changing = {name for name in names if each.allows and _changing(name, each, statements)}
            resources = ", ".join(sorted(each.resources))
            if changing:
                shown = f"all but {resources}" if each.not_resources else resources
                found.setdefault((shown, each.limits), set()).update(changing)
    return tuple((", ".join(sorted(names)), *on) for on, names in sorted(found.items()))


def _changing(name: str, statement: Statement, statements: Sequence[Statement]) -> bool:
    denied = all(any(other.forbids(name, one) for other in statements) for one in statement.resources)
    reading = contains(_TAKE, name.lower()) or _READS.fullmatch(name) or _OWN.fullmatch(name)
    return not denied and not reading
