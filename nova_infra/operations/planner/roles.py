"""What roles of a template may do, and who may assume them, for the rehearsal and the planner.

In doubt it may: where the role is not in the template, where a policy is AWS's own, where a condition would decide.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from nova_infra.checks.permissions.attached import Attached, branches, is_listed, pattern_in
from nova_infra.checks.permissions.protected import OF_ITSELF, READING
from nova_infra.checks.permissions.statements import Statement, allowing, contains, in_one_partition, pattern_of
from nova_infra.checks.rule import Template, as_list, as_text, referenced
from nova_infra.operations.changes.stated_values import is_function, table, tables
from nova_infra.operations.planner.model import StackKey

NAME_SUFFIX = "-AbCdEf"
"""Six characters that Secrets Manager puts behind a name: a policy may name a secret with or without them."""


_OF_TLS = ("aws:securetransport", "s3:tlsversion")


class TaskRole:
    """The role of one task definition.

    Attributes:
        name: Logical id of the role; empty where there is none in the template.
    """

    def __init__(self, resources: Mapping[str, Mapping[str, Any]], task: str) -> None:
        """Read it.

        Args:
            resources: Logical id to resource; references to what has a name of its own may be filled in.
        """
        role = resources[task].get("Properties", {}).get("TaskRoleArn")
        self.is_missing = role is None
        self.name = found if (found := referenced(role) or "") in resources else ""
        self._resources = resources

    @cached_property
    def _hidden(self) -> list[Any]:
        """The managed policies that are not in the template: AWS's own, as a rule."""
        managed = table(self._resources[self.name].get("Properties")).get("ManagedPolicyArns")
        return [each for each in branches(managed, mappings=False) if referenced(each) not in self._resources]

    @cached_property
    def _own(self) -> list[Statement]:
        """What the policies in the template say."""
        role = self._resources[self.name]
        managed = branches(table(role.get("Properties")).get("ManagedPolicyArns"), mappings=False)
        shown = [each for each in managed if each not in self._hidden]
        own = {**role, "Properties": {**table(role.get("Properties")), "ManagedPolicyArns": shown}}
        return self._read({**self._resources, self.name: own})

    @cached_property
    def _statements(self) -> list[Statement]:
        unknown = ((*READING, *OF_ITSELF) if is_listed(pattern_of(each)) else ("*",) for each in self._hidden)
        others = [Statement(self.name, True, each, False, ("*",), False, conditional=False) for each in unknown]
        return [*self._read(self._resources), *others]

    def _read(self, resources: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
        found = Attached(Template(resources)).statements(self.name)
        # What the template alone cannot name may be anything.
        return [
            replace(each, resources=tuple(re.sub(r"\$\{\w+\}", "*", one) for one in each.resources)) for each in found
        ]

    def denied(self, needs: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
        """The first permission that it is sure to lack: an action and a resource's ARN; None if it has all."""
        for action, resource in needs:
            if self.is_missing:
                return action, resource
            if self.name and not any(allowing(self._statements, action, each) for each in _names(resource)):
                return action, resource
        return None

    def doubt(self, needs: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
        """The first permission that it may lack, of those that it is not denied: an action, and why, in a clause."""
        for action, resource in needs:
            if why := self._doubt(action, _names(resource)):
                return action, why
        return None

    def _doubt(self, action: str, names: Sequence[str]) -> str:
        if not self.name:
            return "its role is in no template"
        open_ones = [each for each in self._own if _may_decide(each)]
        if any(not each.allows and each.covers(action, name) for each in open_ones for name in names):
            return "a Deny has a condition"
        plain = [each for each in self._statements if each not in open_ones]
        own = [each for each in self._own if each not in open_ones]
        for found, why in (
            (plain, "its role may only under a condition"),
            (own, "only a managed policy of AWS's own may allow it"),
        ):
            if not any(allowing(found, action, name) for name in names):
                return why
        if any(contains(pattern, name) for name in names for _, pattern in allowing(own, action, name)):
            return ""
        return "it is not known on which resource"


def _may_decide(statement: Statement) -> bool:
    """Whether a statement's conditions may turn out either way: every call comes over TLS."""
    return statement.conditional and not (
        statement.conditions and all(k in _OF_TLS for _, k, _ in statement.conditions)
    )


def _names(resource: str) -> tuple[str, ...]:
    name = in_one_partition(resource)
    return (name, f"{name}{NAME_SUFFIX}") if ":secretsmanager:" in name else (name,)


_KEY_OF = {"AWS::SQS::Queue": "KmsMasterKeyId", "AWS::SecretsManager::Secret": "KmsKeyId"}
"""Type to the property that names the customer's key which encrypts it."""


def encrypting_keys(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Logical id of each encrypted queue and secret to its key's, where the key's policy leaves it to IAM."""
    found = {}
    for name, each in resources.items():
        key = referenced(table(each.get("Properties")).get(_KEY_OF.get(each["Type"], ""))) or ""
        if resources.get(key, {}).get("Type") == "AWS::KMS::Key" and _is_left_to_iam(resources[key]):
            found[name] = key
    return found


def _is_left_to_iam(key: Mapping[str, Any]) -> bool:
    """Whether a key's policy admits only its account, whose identities then need permissions of their own."""
    policy = table(key.get("Properties")).get("KeyPolicy")
    if not isinstance(policy, Mapping) or is_function(policy):
        return False
    statements = as_list(policy.get("Statement"))
    if len(tables(statements)) < len(statements):
        return False
    allowed = [each.get("Principal") for each in tables(statements) if each.get("Effect") == "Allow"]
    accounts = [each.get("AWS") if isinstance(each, dict) else None for each in allowed]
    return all(isinstance(each, (str, dict)) and as_text(each).endswith(":root") for each in accounts)


def trusts(template: Template, role: str, service: str) -> bool:
    """Whether a role of a template lets a service assume it, or may."""
    document = template.resources[role].get("Properties", {}).get("AssumeRolePolicyDocument")
    statements = [each for one in branches(document) for each in branches(one.get("Statement"))]
    allowed = [each for each in statements if each.get("Effect") != "Deny"]
    principals = [p for each in allowed for p in branches(each.get("Principal"), mappings=False)]
    named = [
        name
        for each in principals
        for name in (branches(each.get("Service"), mappings=False) if table(each) else [each])
    ]
    # What only CloudFormation knows may be any.
    unknown = any(map(is_function, (*branches(document), *statements, *named)))
    return unknown or any(isinstance(each, str) and (each in (service, "*") or "${" in each) for each in named)


# Type to the property that names a resource, and to its ARN with region and account, and with that name.
_ARNS = {
    "AWS::DynamoDB::Table": ("TableName", "arn:aws:dynamodb:{}:table/{}"),
    "AWS::ECR::Repository": ("RepositoryName", "arn:aws:ecr:{}:repository/{}"),
    "AWS::KMS::Key": ("", "arn:aws:kms:{}:key/{}"),
    "AWS::Kinesis::Stream": ("Name", "arn:aws:kinesis:{}:stream/{}"),
    "AWS::Lambda::Function": ("FunctionName", "arn:aws:lambda:{}:function:{}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:{}:log-group:{}"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{1}"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:{}:{}"),
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:{}:{}"),
    "AWS::SSM::Parameter": ("Name", "arn:aws:ssm:{}:parameter/{}"),
    "AWS::SecretsManager::Secret": ("Name", "arn:aws:secretsmanager:{}:secret:{}"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", "arn:aws:states:{}:stateMachine:{}"),
}
_SERVICES = {"elasticloadbalancingv2": "elasticloadbalancing", "kinesisfirehose": "firehose", "opensearchservice": "es"}
"""Services that ARNs call otherwise than types do."""
_HAVE_PARTS = ("AWS::DynamoDB::", "AWS::S3::", "AWS::ElasticLoadBalancingV2::", "AWS::WAFv2::", "AWS::Events::")
"""What begins types whose ARNs may go on behind the name, as by a table's index, or end in letters of AWS's."""
_WITHIN = re.compile(r'", \{[^{}]*\}, "|\$\{[^{}]*\}')
"""A region, an account or a partition within a text, as ``Fn::Join`` and ``Fn::Sub`` have it in JSON."""
_RANDOM = "-AbCdEfGhIjKl"
"""Characters that CloudFormation puts behind a name that it makes: no policy can foresee them."""
_SHORTENS = 48
"""So many characters of a stack's name and a logical id, and more, it may shorten: a function's name has 64."""


class StackPlace(NamedTuple):
    """A stack's region and account, as patterns, and its name."""

    region: str
    account: str
    stack: str

    @classmethod
    def of(cls, key: StackKey) -> "StackPlace":
        """The place of a stack."""
        region, account = (each if re.fullmatch(r"[a-z0-9-]+", each) else "*" for each in (key.region, key.account))
        return cls(region, account, key.name)

    def __str__(self) -> str:
        return f"{self.region}:{self.account}"


def policy_names(
    template: Template, place: StackPlace, value: Any, kind: str = "", ending: str = ""
) -> tuple[str, ...]:
    """How policies may name a resource: by its reference, by the ARN of its name, with or without an ending."""
    pattern, logical_id = pattern_in(template, value), referenced(value) or ""
    resource = template.resources.get(logical_id, {})
    name, arn = _ARNS.get(kind or str(resource.get("Type")), ("", ""))
    found = [pattern]
    if arn and not pattern.startswith("arn:"):
        given = resource.get("Properties", {}).get(name)
        names = _made(place.stack, logical_id) if given is None else (pattern_in(template, given),)
        found += (arn.format(place, each).replace("parameter//", "parameter/") for each in (pattern, *names))
    return tuple(dict.fromkeys(f"{each}{end}" for each in found for end in ("", ending)))


def by_arn(template: Template, place: StackPlace, names: Iterable[str]) -> tuple[str, ...]:
    """Names of resources as policies say them, with its ARN for a reference to one that has a name of its own.

    A template may name by its ARN what it has held before, such as a queue with ``existing = true``.
    """

    def arn_of(reference: re.Match[str]) -> str:
        resource = template.resources.get(reference[1], {})
        key, arn = _ARNS.get(str(resource.get("Type")), ("", ""))
        given = table(resource.get("Properties")).get(key)
        ending = NAME_SUFFIX if ":secretsmanager:" in arn else ""
        return f"{arn.format(place, given.lstrip('/'))}{ending}" if isinstance(given, str) else reference[0]

    return tuple(re.sub(r"\$\{(\w+)\}", arn_of, each) for each in names)


def names_arn(properties: Iterable[Any], kind: str, name: str) -> bool:
    """Whether any of some properties has the ARN of a resource of that type and name, or a queue's URL."""
    text = re.sub(_WITHIN, "*", json.dumps([*properties]))
    service = kind.lower().split("::")[1]
    ordinary = f'arn:aws:{_SERVICES.get(service, service)}:{{}}:(?:[^"]*[:/])?{{}}'
    arn = _ARNS.get(kind, ("", ordinary))[1].replace("aws", r"[\w*-]+", 1)
    arn = arn.format('[^:"]*:[^:"]*', re.escape(name.lstrip("/")))
    url = rf"|/([0-9]{{12}}|\*)/{re.escape(name)}" if kind == "AWS::SQS::Queue" else ""
    suffix = r"(-[\w?]{6})?" if kind == "AWS::SecretsManager::Secret" else ""
    within = "" if kind.startswith(_HAVE_PARTS) else "/"
    return re.search(rf"({arn}{url}){suffix}(?![\w.{within}-])", text) is not None


def _made(stack: str, logical_id: str) -> Iterator[str]:
    """Names that CloudFormation may make of a resource's logical id, as patterns; none without one."""
    if logical_id:
        yield from (f"{each}{logical_id}{_RANDOM}" for each in (f"{stack}-", "", "CFN-"))
    if logical_id and len(stack + logical_id) >= _SHORTENS:
        yield f"{stack[:16]}*"
