"""Finds what an environment before the approval reaches of what the approval protects: its tasks run the repository.

Its account and those of later environments are different ones, as a rule. So what counts is a permission that names an
account behind the approval, one to assume a role that may be there, and whatever an environment behind the approval
lets an earlier account do. Other writes need a permission of the other account, which the last of these would be.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.checks.permissions.attached import ROLE, Attached, branches
from nova_infra.checks.permissions.protected import CONTENTS, CREDENTIALS, READING
from nova_infra.checks.permissions.reach import account_of
from nova_infra.checks.permissions.statements import Statement, overlap, pattern_of
from nova_infra.checks.rule import Finding, Template

_TAKING = ("sts:Assume*", "sts:TagSession", "sts:SetSourceIdentity")
# What a step of the pipeline may not do either, where an environment is in the pipeline's account.
_DELIVERING = ("codepipeline:*", "codebuild:*", "codeconnections:*", "codestar-connections:*", "ecr:*", "signer:*")
_TASKS = "ecs-tasks"
# Services that run what a role's owner has written; the others only do what they are for.
_RUNNING = (_TASKS, "lambda", "states", "codebuild", "ec2", "batch", "glue", "sagemaker", "tasks.apprunner", "pods.eks")


def reach_of_deployed(template: Template) -> Iterator[Finding]:
    """Each permission by which an environment reaches beyond an approval that it comes before."""
    attached = Attached(template)
    beyond = template.beyond - {template.account}
    for logical_id, role in template.of_type(ROLE) if template.beyond else ():
        if not _runs(role, _RUNNING, others=True):
            continue
        statements = attached.statements(logical_id)
        name = pattern_of(role.get("RoleName", "")) or logical_id
        for statement, action, resource in _beyond(statements, beyond):
            yield _finding(statement.policy, f"{name} may {action} on {resource}: behind the approval")
        if template.account in template.beyond and _runs(role, (_TASKS,), others=False):
            for statement, action, resource in _delivering(statements):
                yield _finding(statement.policy, f"{name} may {action} on {resource}: what delivers, or an image")
    for logical_id, principal, statement in _let_in(template, attached):
        for action in dict.fromkeys(_counting(statement)):
            yield _finding(logical_id, f"{principal} may {action}: its environment comes before the approval")


def _finding(logical_id: str, said: str) -> Finding:
    return Finding(logical_id, "Properties.PolicyDocument", said)


def _counting(statement: Statement) -> Iterator[str]:
    """What counts of a statement's actions: whatever writes, and what is read of users or lets act as somebody else."""
    yield from statement.actions_within(("*:*",), but=READING)
    yield from statement.actions_within((*CONTENTS, *CREDENTIALS))


def _beyond(statements: list[Statement], beyond: frozenset[str]) -> Iterator[tuple[Statement, str, str]]:
    roles = [f"arn:aws:iam::{account}:role/*" for account in sorted(beyond)]
    for statement in statements:
        counting, taking = dict.fromkeys(_counting(statement)), dict.fromkeys(statement.actions_within(_TAKING))
        resources = statement.resources_within(["*"]) if statement.not_resources else statement.resources
        for resource in resources:
            named = account_of(resource) in beyond
            may_be = any(overlap(resource, each) for each in roles)
            for action in counting if named else taking if may_be else ():
                if not any(each.forbids(action, resource) for each in statements):
                    yield statement, action, resource


def _delivering(statements: list[Statement]) -> Iterator[tuple[Statement, str, str]]:
    for statement in statements:
        for action in statement.actions_within(_DELIVERING, but=READING):
            for resource in statement.resources_within(["*"]):
                if not any(each.forbids(action, resource) for each in statements):
                    yield statement, action, resource


def _runs(role: Mapping[str, Any], services: Sequence[str], *, others: bool) -> bool:
    """Whether one of some services runs something by a role.

    Args:
        others: Whether anybody who is no service counts, too.
    """
    documents = branches(role.get("AssumeRolePolicyDocument"))
    for statement in (each for document in documents for each in branches(document.get("Statement"))):
        principal = statement.get("Principal", "*")
        named = set(principal) if isinstance(principal, Mapping) else {"*"}
        if others and named - {"Service"}:
            return True
        found = principal.get("Service") if isinstance(principal, Mapping) else None
        for each in map(pattern_of, branches(found, mappings=False)):
            if any(overlap(each, f"{service}.amazonaws.com*") for service in services):
                return True
    return False


def _let_in(template: Template, attached: Attached) -> Iterator[tuple[str, str, Statement]]:
    """The accounts of earlier environments that a statement of a resource or a trust names, and the statement."""
    earlier = template.before - {template.account}
    for logical_id, principals, statement in attached.on_resources() if earlier else ():
        for principal in principals:
            account = principal if principal.isdigit() else account_of(principal)
            if account in earlier:
                yield logical_id, principal, statement
