"""Lists who can do what before and after the approval, from the synthesized templates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_infra.checks.permissions.access.reading import Read, reads
from nova_infra.checks.permissions.attached import role_patterns
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.permissions.reach import Graph
from nova_infra.checks.permissions.statements import Statement, contains, pattern_of
from nova_infra.checks.permissions.ways.jobs import jobs_keep_to_their_work
from nova_infra.checks.permissions.ways.run_steps import project_and_role, repository_steps
from nova_infra.checks.rule import Template, as_list
from nova_infra.checks.stages import PIPELINE, actions, environments, stages

_ROLE = "AWS::IAM::Role"
_TAKE = "sts:assume*"
_READS = re.compile(r"[\w-]+:(Get|List|Describe|BatchGet|BatchCheck|FilterLogEvents|View|Lookup)\w*\*?", re.IGNORECASE)
# What every project needs to say what it does.
_OWN = re.compile(r"logs:(Create|Put)Log\w+|codebuild:\w*(Report|TestCases|CodeCoverages)\w*", re.IGNORECASE)
_SUBJECT = "token.actions.githubusercontent.com:sub"


@dataclass(frozen=True)
class Holder:
    """A role or person with permissions.

    Attributes:
        name: A step of the pipeline with its stage, a GitHub environment or branch, or a role's name.
        changes: What it may change, each as actions and resources.
    """

    name: str
    after: bool
    runs_repository: bool
    takers: tuple[str, ...]
    takes: tuple[str, ...]
    changes: tuple[tuple[str, str], ...]
    reads: tuple[Read, ...] = ()
    account: str | None = None

    @property
    def arn(self) -> str:
        """Pattern of the ARN of a role of this name."""
        return f"arn:aws:iam::{self.account or '*'}:role/{self.name}"


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
                    [graph.statements(way) for way in graph.ways(role)],
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
            held = [graph.statements(way) for way in graph.ways(logical_id)]
            yield _holder(template, subject, held, after=environment in protected, runs_repository=True)


def roles(template: Template) -> Iterator[Holder]:
    """Each role of a template that named roles may assume."""
    graph = Graph(template)
    for logical_id, role in template.of_type(_ROLE):
        takers = sorted(_conditions(role, "aws:PrincipalArn"))
        if takers:
            name = pattern_of(role.get("RoleName", role_patterns(logical_id, role)[0]))
            yield _holder(template, name, [graph.statements(logical_id)], takers=tuple(takers))


def ways_around(template: Template) -> list[str]:
    """Each way around the approval that the template has."""
    return [each.detail for rule in (production_out_of_reach, jobs_keep_to_their_work) for each in rule(template)]


def _holder(
    template: Template,
    name: str,
    held: Sequence[Sequence[Statement]],
    *,
    after: bool = False,
    runs_repository: bool = False,
    takers: tuple[str, ...] = (),
) -> Holder:
    """What somebody may do with several roles: one may allow what another denies."""
    return Holder(
        name,
        after,
        runs_repository,
        takers,
        _takes([each for role in held for each in role]),
        _changes(held),
        tuple(dict.fromkeys(each for role in held for each in reads(role))),
        template.account,
    )


def _conditions(role: Mapping[str, Any], key: str) -> Iterator[str]:
    """Values of one key in the conditions of a role's trust."""
    for statement in as_list(role.get("AssumeRolePolicyDocument", {}).get("Statement")):
        for operator in statement.get("Condition", {}).values():
            yield from (pattern_of(value) for value in as_list(operator.get(key)))


def _takes(statements: Sequence[Statement]) -> tuple[str, ...]:
    taken = {
        resource
        for each in statements
        if any(True for _ in each.actions_within(("sts:AssumeRole",)))
        for resource in each.resources
    }
    return tuple(sorted(taken))


def _changes(held: Sequence[Sequence[Statement]]) -> tuple[tuple[str, str], ...]:
    found: dict[str, set[str]] = {}
    for statements in held:
        for each in statements:
            names = [f"all but {', '.join(each.actions)}"] if each.not_actions else each.actions
            changing = {name for name in names if each.allows and _changing(name, each, statements)}
            resources = ", ".join(sorted(each.resources))
            if changing:
                found.setdefault(f"all but {resources}" if each.not_resources else resources, set()).update(changing)
    return tuple((", ".join(sorted(names)), resources) for resources, names in sorted(found.items()))


def _changing(name: str, statement: Statement, statements: Sequence[Statement]) -> bool:
    denied = all(any(other.forbids(name, one) for other in statements) for one in statement.resources)
    reading = contains(_TAKE, name.lower()) or _READS.fullmatch(name) or _OWN.fullmatch(name)
    return not denied and not reading
