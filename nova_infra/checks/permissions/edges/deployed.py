"""What tasks of an environment before the approval reach, across accounts, of what the approval protects.

Its account and those of later environments are different ones, as a rule. So what counts is a permission that names an
account behind the approval, one to assume a role that may be there, and whatever an environment behind the approval
lets an earlier account do. Other writes need a permission of the other account, which the last of these would be.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nova_infra.checks.permissions.attached import ROLE, Attached, branches
from nova_infra.checks.permissions.protected import CONTENTS, CREDENTIALS, READING
from nova_infra.checks.permissions.reach import account_of
from nova_infra.checks.permissions.statements import COMPARES, Statement, contains, overlap, pattern_of
from nova_infra.checks.rule import Finding, Template, filled_in
from nova_infra.checks.stages import PIPELINE

_TAKING = ("sts:Assume*", "sts:TagSession", "sts:SetSourceIdentity")
# What a step of the pipeline may not do either, where an environment is in the pipeline's account.
_DELIVERING = ("codepipeline:*", "codebuild:*", "codeconnections:*", "codestar-connections:*", "ecr:*", "signer:*")
_TASKS = "ecs-tasks"
# Services that run what a role's owner has written, or call what he names; the others only do what they are for.
_RUNNING = (
    *(_TASKS, "lambda", "states", "codebuild", "ec2", "batch", "glue", "sagemaker", "tasks.apprunner", "pods.eks"),
    *("scheduler", "pipes", "ssm"),
)
# Keys of conditions that tell whose request it is, or from whose resource or network it comes. An organization is
# none of them: it has the accounts of all environments, as a rule.
_TELLING = (
    *("aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn", "aws:sourceowner"),
    *("kms:calleraccount", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"),
    *("aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:vpceaccount"),
)
# A service of AWS's for itself; a file system that is mounted, which takes a way through the network.
_WITHIN = ("aws:principalisawsservice", "elasticfilesystem:accessedviamounttarget")
_FOR_USERS = {"execute-api:Invoke", "lambda:InvokeFunctionUrl", "vpc-lattice-svcs:Invoke"}
_SEARCH_DOMAINS = ("AWS::OpenSearchService::Domain", "AWS::Elasticsearch::Domain")
# Where a production template may name an earlier environment's account without anything passing between the two: in
# policies, which are judged by what they allow, and in texts that code reads.
_NAMED_FREELY = re.compile(
    r"(?i).*policy(documents?|text)?|policies|environment(variables)?|statement|tags|.*description|value|dashboardbody"
)
_JUDGED_BY_WHAT_THEY_ALLOW = (
    *("AWS::IAM::", "AWS::Lambda::Permission", "AWS::Lambda::LayerVersionPermission", "AWS::Events::EventBusPolicy"),
)
_UNKNOWN = re.compile(r"\$\{(\w+)\}")
# CDK's stack with the artifacts for another region, by the names and the kinds of all that it has. What deploys there
# reads them, as it does at home.
_OF_COPIES = re.compile(
    r"CrossRegionCodePipelineReplicationBucket\w* AWS::(KMS::(Alias|Key)|S3::Bucket(Policy)?)"
    r"|CDKMetadata AWS::CDK::Metadata"
)
_DEPLOYS = re.compile(r"arn:[^:]*:iam::\d{12}:role/cdk-\w+-deploy-role-[\w-]+")
_FETCHES = ("kms:Decrypt", "s3:GetObject*")


def reach_of_deployed(template: Template) -> Iterator[Finding]:
    """Each permission by which an environment reaches beyond an approval that it comes before."""
    if not template.beyond and not template.before:
        return
    template = _in_its_account(template)
    attached = Attached(template)
    beyond = template.beyond - {template.account}
    unknown = "may be behind the approval, as the stack's own account is not known: give it in env"
    for logical_id, role in template.of_type(ROLE) if template.beyond else ():
        if not _runs(role, _RUNNING, others=True):
            continue
        statements = attached.statements(logical_id)
        name = pattern_of(role.get("RoleName", "")) or logical_id
        for statement, action, resource in _beyond(statements, beyond):
            is_sure = template.account is not None or account_of(resource) in beyond
            where = "behind the approval" if is_sure else unknown
            yield _finding(statement.policy, f"{name} may {statement.allowed(action, resource)}: {where}")
        if template.account in template.beyond and _runs(role, (_TASKS,), others=False):
            for statement, action, resource in _delivering(statements):
                said = f"{name} may {statement.allowed(action, resource)}: what delivers, or an image"
                yield _finding(statement.policy, said)
    # What the pipeline's own template lets them do, another search follows to its end.
    if any(template.of_type(PIPELINE)):
        return
    copies = all(_OF_COPIES.fullmatch(f"{name} {each['Type']}") for name, each in template.resources.items())
    for logical_id, principal, statement in _let_in(template, attached):
        needed = _FETCHES if copies and _DEPLOYS.fullmatch(principal) else ()
        for action in (each for each in dict.fromkeys(_counting(statement)) if each not in needed):
            yield _finding(logical_id, f"{principal} may {action}: its environment comes before the approval")
    for logical_id, key, account in _named(template):
        said = f"something passes between this account and {account}: its environment comes before the approval"
        yield Finding(logical_id, f"Properties.{key}", said)


def _finding(logical_id: str, said: str) -> Finding:
    return Finding(logical_id, "Properties.PolicyDocument", said)


def _counting(statement: Statement) -> Iterator[str]:
    """What counts of a statement's actions: whatever writes, and what is read of users or lets act as somebody else."""
    writing = list(statement.actions_within(("*:*",), but=READING))
    reading = statement.actions_within((*CONTENTS, *CREDENTIALS))
    yield from (
        *writing,
        *(each for each in reading if not any(contains(one.lower(), each.lower()) for one in writing)),
    )


def _beyond(statements: list[Statement], beyond: frozenset[str]) -> Iterator[tuple[Statement, str, str]]:
    roles = [f"arn:aws:iam::{account}:role/*" for account in sorted(beyond)]
    for statement in statements:
        counting, taking = dict.fromkeys(_counting(statement)), dict.fromkeys(statement.actions_within(_TAKING))
        resources = statement.resources_within(["*"]) if statement.not_resources else statement.resources
        for resource in resources:
            named = any(_names(resource, each) for each in beyond)
            may_be = any(overlap(resource, each) for each in roles)
            for action in counting if named else taking if may_be else ():
                if not any(each.forbids(action, resource) for each in statements):
                    yield statement, action, resource


def _names(resource: str, account: str) -> bool:
    """Whether a pattern of ARNs names an account, also by some of its digits."""
    written = (resource.split(":", 5)[4:5] or [""])[0]
    return account_of(resource) == account or (written.strip("*?") != "" and overlap(written, account))


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
    """Whom of earlier environments a statement of a resource or a trust lets in, and the statement."""
    earlier = template.before - {template.account}
    for logical_id, principals, statement in attached.on_resources() if earlier else ():
        for principal in principals:
            account = principal if principal.isdigit() else account_of(principal)
            if account in earlier:
                yield logical_id, principal, statement
        if "*" not in principals and any(_may_meet(each, statement, template) for each in earlier):
            for source in sorted(_sources(statement)):
                if any(_is_of(each, source) for each in earlier):
                    yield logical_id, f"a service of AWS's for {source}", statement
        if "*" in principals and not _is_for_users(template.resources[logical_id], statement):
            met = sorted(each for each in earlier if _may_meet(each, statement, template))
            if met and not set(statement.actions) <= _FOR_USERS:
                yield logical_id, f"anybody, and so {' and '.join(met)},", statement


def _named(template: Template) -> Iterator[tuple[str, str, str]]:
    """Where a resource names an account of an earlier environment: by which property, and which account."""
    earlier = template.before - {template.account}
    for logical_id, resource in template.resources.items() if earlier else ():
        properties = resource.get("Properties", {})
        named = [account for account in sorted(earlier) if account in template.written[logical_id]]
        if not named or resource["Type"].startswith(_JUDGED_BY_WHAT_THEY_ALLOW):
            continue
        for key, value in properties.items():
            texts = list(_texts({key: value}))
            for account in named:
                # Whose it is, in an ARN, a URL or a registry, and not a part of a name that somebody made up.
                if any(
                    re.search(rf"(?:^|[:/]){account}(?:$|[:/]|\.dkr\.)|(?:^|[:/])cdk-\w+-assets-{account}-", each)
                    for each in texts
                ):
                    yield logical_id, key, account


def _texts(value: Any) -> Iterator[str]:
    """The texts of properties in which an account may mean that something passes between it and this one."""
    match value:
        case {**named}:
            for key, each in named.items():
                if not _NAMED_FREELY.fullmatch(str(key)):
                    yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
        case str() | int():
            yield str(value)


def _sources(statement: Statement) -> Iterator[str]:
    """The accounts and resources for which a service may ask, as far as anything is said of them."""
    for operator, key, values in statement.conditions:
        if key in ("aws:sourceaccount", "aws:sourcearn") and COMPARES.fullmatch(operator):
            yield from (each for each in values if each != "*")


def _is_for_users(resource: Mapping[str, Any], statement: Statement) -> bool:
    """Whether a policy lets nobody of another account in; a URL's and a VPC's do (opensearch: developerguide/ac)."""
    properties = resource.get("Properties", {})
    if resource["Type"] in _SEARCH_DOMAINS and "SubnetIds" in properties.get("VPCOptions", {}):
        searches = all(contains("es:eshttp*", each.lower()) for each in statement.actions) and not statement.not_actions
        below = all(each.endswith("/*") for each in statement.resources) and not statement.not_resources
        return searches or below
    return properties.get("InvokedViaFunctionUrl") in (True, "true")


def _may_meet(account: str, statement: Statement, template: Template) -> bool:
    """Whether somebody of an account may meet all conditions of a statement, as far as these tell accounts apart."""
    for operator, key, values in statement.conditions:
        if operator == "Bool" and key in _WITHIN and tuple(each.lower() for each in values) == ("true",):
            return False
        if key in _TELLING and COMPARES.fullmatch(operator) and values:
            known = [
                _UNKNOWN.sub(lambda name: name[0] if name[1] in template.resources else "*", each) for each in values
            ]
            if not any(_is_of(account, each) for each in known):
                return False
    return True


def _is_of(account: str, pattern: str) -> bool:
    """Whether a pattern of accounts or ARNs may be an account, or something in it; a bucket's ARN tells by its name."""
    parts = pattern.split(":", 5)
    if len(parts) < 6:
        return overlap(pattern, account) or overlap(pattern, f"arn:aws:*:{account}:*")
    return overlap(parts[4] or ("*" if "*" in parts[5].partition("/")[0] else ""), account)


def _in_its_account(template: Template) -> Template:
    """A template with its account in place of the pseudo-parameter, if it is known.

    What it imports stays unknown: the stack that exports a value may be of this account, but any text may be exported.
    """
    if template.account is None or not any("AWS::AccountId" in each for each in template.written.values()):
        return template
    return template.with_resources(filled_in(template.resources, {"AWS::AccountId": template.account}))
