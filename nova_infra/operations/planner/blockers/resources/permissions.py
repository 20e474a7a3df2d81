"""Roles that lack permissions which resources need: execution role, schedule, function, state machine.

Only what is sure is refused. A permission under a condition counts as given, and so does a policy of AWS's own that is
not known, a resource that another stack names, and everything of a role that is not in the template. Sources:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html,
https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html#sync-async-iam-policies,
https://docs.aws.amazon.com/scheduler/latest/UserGuide/setting-up.html#setting-up-execution-role.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nova_infra.checks.permissions.attached import Attached, branches, pattern_in
from nova_infra.checks.permissions.statements import Statement, allowing, contains, pattern_of
from nova_infra.checks.rule import Template, as_list, referenced
from nova_infra.operations.changes.stated_values import is_function, table, tables, values_at
from nova_infra.operations.planner.model import Consequence, Refusal
from nova_infra.operations.planner.roles import NAME_SUFFIX, StackPlace, by_arn, policy_names, trusts
from nova_infra.operations.planner.step import Step

_ROLE, _TASK, _SERVICE = "AWS::IAM::Role", "AWS::ECS::TaskDefinition", "AWS::ECS::Service"
_SCHEDULE, _MACHINE = "AWS::Scheduler::Schedule", "AWS::StepFunctions::StateMachine"
_SECRETS = ("AWS::SecretsManager::Secret", "AWS::SecretsManager::SecretTargetAttachment")
_FUNCTION, _QUEUE, _TOPIC = "AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::SNS::Topic"
_STREAM, _MAPPING = "AWS::Kinesis::Stream", "AWS::Lambda::EventSourceMapping"
_ECR = re.compile(r"(?P<account>[^.]+)\.dkr[.-]ecr(?:-fips)?\.(?P<region>[^./]+)\.[^/]+/(?P<repository>[^:@]+)[:@].+")

_FAILS = "this would fail"
_NEVER_RUNS = "its schedule starts nothing"
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
_OF_AWS = {
    "AmazonECSTaskExecutionRolePolicy": (
        *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken"),
        *("ecr:GetDownloadUrlForLayer", *_LOGS),
    ),
    "AWSLambdaBasicExecutionRole": ("logs:CreateLogGroup", *_LOGS),
}
"""What AWS's own policies allow, as far as they are known here."""

# Type to the property that names its role, to the service that has to be able to assume it.
_TRUSTED = {
    (_TASK, "ExecutionRoleArn"): "ecs-tasks.amazonaws.com",
    (_TASK, "TaskRoleArn"): "ecs-tasks.amazonaws.com",
    (_FUNCTION, "Role"): "lambda.amazonaws.com",
    (_MACHINE, "RoleArn"): "states.amazonaws.com",
    ("AWS::CodeBuild::Project", "ServiceRole"): "codebuild.amazonaws.com",
    ("AWS::CodePipeline::Pipeline", "RoleArn"): "codepipeline.amazonaws.com",
}
# What a schedule does to a target, by the target's type.
_STARTS = {
    _MACHINE: "states:StartExecution",
    _FUNCTION: "lambda:InvokeFunction",
    _QUEUE: "sqs:SendMessage",
    _TOPIC: "sns:Publish",
}
# What Lambda does to a source of events, by the source's type.
_READS = {
    _QUEUE: ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    _STREAM: ("kinesis:GetRecords", "kinesis:GetShardIterator"),
}


@dataclass(frozen=True)
class Need:
    """Something that a role must be allowed to do.

    Attributes:
        names: Patterns by which a policy may name what it is done to; one that is allowed is enough.
        why: What it is needed for, as the end of "so".
        whole: Whether all that a name means is needed, where it is a pattern.
    """

    role: str
    action: str
    names: tuple[str, ...]
    why: str
    whole: bool = False


def missing_permissions(step: Step) -> Iterator[Refusal]:
    """Refuse what cannot start because a role of the same template lacks a permission."""
    if not step.actions:
        return
    template, statements = step.after.judged, dict[str, list[Statement]]()
    place = StackPlace.of(step.after.key)
    # Lambda tries out what a role may do where it is given it; what a role loses later is missed at run time.
    of_roles = any(action.type.startswith("AWS::IAM::") for action in step.actions)
    for logical_id, resource in step.after.resources.items():
        properties = resource.get("Properties", {})
        for (kind, name), service in _TRUSTED.items():
            role = _role(template, properties.get(name)) if kind == resource["Type"] else None
            if role is not None and not trusts(template, role, service):
                fault = f"{service} cannot assume {role}, because its trust does not name it"
                yield step.refuse(f"{logical_id}.{name}", fault, f"let {service} assume it", _FAILS)
        if resource["Type"] in (_FUNCTION, _MAPPING) and logical_id not in step.given and not of_roles:
            continue
        for need in _needs(template, place, resource["Type"], properties):
            if need.role not in statements:
                statements[need.role] = _all_statements(template, need.role)
            if any(allowing(statements[need.role], need.action, name) for name in need.names):
                continue
            fault = f"{need.role} may not {need.action} on {need.names[0]}, so {need.why}"
            yield step.refuse(logical_id, fault, f"grant {need.action} to {need.role}", _FAILS)


def withdrawn_permissions(step: Step) -> Iterator[Consequence]:
    """Warn about permissions that a running revision loses: changes hold at once, deletions come last."""
    if step.before is None or not any(action.type.startswith("AWS::IAM::") for action in step.actions):
        return
    before, after = step.before.judged, step.after.judged
    meanwhile = after.with_resources({**before.resources, **after.resources})
    place = StackPlace.of(step.after.key)
    lost: dict[tuple[str, str, str], list[str]] = {}
    for need in dict.fromkeys(_of_running_tasks(before, place)):
        if need.role not in step.after.resources:
            continue
        had, left = (_all_statements(template, need.role) for template in (before, meanwhile))
        named = replace(need, names=by_arn(before, place, need.names))
        by_arns = [replace(each, resources=by_arn(meanwhile, place, each.resources)) for each in left]
        if named.names == by_arn(meanwhile, place, need.names):  # else a reference means a resource of another name
            by_arns += left
        if _has(had, need) and not any(_has(by_arns, each) for each in (need, named)):
            lost.setdefault((need.role, need.names[0], need.why), []).append(need.action)
    for (role, name, why), actions in lost.items():
        yield step.note(
            role,
            f"loses {', '.join(dict.fromkeys(actions))} on {name} before the running revision is gone, so {why}: take "
            "the permission away in the release after this one",
        )


def _of_running_tasks(template: Template, place: StackPlace) -> Iterator[Need]:
    """What the tasks of a template need to start, and everything that their code may do, whether or not it does."""
    for _, properties in template.of_type(_TASK):
        yield from _of_a_task(template, place, properties)
        role = _role(template, properties.get("TaskRoleArn"))
        for each in Attached(template).statements(role) if role is not None else ():
            for action in each.actions if each.allows and not each.not_actions and not each.not_resources else ():
                for name in each.resources:
                    yield Need(role or "", action, (name,), "its code is refused if it still asks for that", whole=True)


def _has(statements: Sequence[Statement], need: Need) -> bool:
    """Whether a role has what it needs; for a pattern, some or all of what it matches."""
    if not need.whole:
        return any(allowing(statements, need.action, name) for name in need.names)
    return any(
        each.allows
        and (each.not_actions or any(contains(one.lower(), need.action.lower()) for one in each.actions))
        and (each.not_resources or any(contains(one, need.names[0]) for one in each.resources))
        for each in statements
    )


def _all_statements(template: Template, role: str) -> list[Statement]:
    """A role's permissions; everything if a policy outside the template may allow it."""
    properties = template.resources[role].get("Properties", {})
    managed = as_list(properties.get("ManagedPolicyArns"))
    shown = [each for each in managed if referenced(each) in template.resources]
    arns = [pattern_of(each) for each in managed if each not in shown]
    hidden = any(map(is_function, branches(properties.get("Policies"))))
    known = [_OF_AWS.get(arn.rpartition("policy/service-role/")[2]) for arn in arns]
    if hidden or None in known:
        return [Statement(role, True, ("*",), False, ("*",), False, conditional=False)]
    if arns:  # what is known of them is added here
        own = {**template.resources[role], "Properties": {**properties, "ManagedPolicyArns": shown}}
        template = template.with_resources({**template.resources, role: own})
    found = Attached(template).statements(role)
    allowed = tuple(action for each in known for action in each or ())
    return [*found, Statement(role, True, allowed, False, ("*",), False, conditional=False)] if allowed else found


def _needs(template: Template, place: StackPlace, kind: str, properties: Mapping[str, Any]) -> Iterable[Need]:
    match kind:
        case "AWS::ECS::TaskDefinition":
            return _of_a_task(template, place, properties)
        case "AWS::ECS::Service":
            return _of_a_service(template, place, properties)
        case "AWS::Scheduler::Schedule":
            return _of_a_schedule(template, place, properties)
        case "AWS::StepFunctions::StateMachine":
            return _of_a_machine(template, place, properties)
        case "AWS::Lambda::Function":
            return _of_a_function(template, place, properties)
        case "AWS::Lambda::EventSourceMapping":
            return _of_a_source(template, place, properties)
    return ()


def _of_a_function(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    """What Lambda looks for before it takes a function: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html."""
    if (role := _role(template, properties.get("Role"))) is None:
        return
    if values := [*values_at(properties, "VpcConfig.SubnetIds[]")]:
        yield Need(role, "ec2:CreateNetworkInterface", ("*",), f"its function is not let into {len(values)} subnets")
    letters = table(properties.get("DeadLetterConfig")).get("TargetArn")
    kind = template.resources.get(referenced(letters) or "", {}).get("Type", "")
    if kind in (_QUEUE, _TOPIC):
        yield Need(role, _STARTS[kind], policy_names(template, place, letters), "Lambda refuses its dead-letter target")


def _of_a_source(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html and its page on Kinesis."""
    source = properties.get("EventSourceArn")
    function = template.resources.get(referenced(properties.get("FunctionName")) or "", {})
    role = _role(template, table(function.get("Properties")).get("Role"))
    kind = template.resources.get(referenced(source) or "", {}).get("Type", "")
    for action in _READS.get(kind, ()) if role is not None else ():
        yield Need(role or "", action, policy_names(template, place, source), "Lambda refuses to read the source")


def _of_a_task(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    if (role := _role(template, properties.get("ExecutionRoleArn"))) is None:
        return
    for container in tables(properties.get("ContainerDefinitions")):
        if match := _ECR.fullmatch(pattern_in(template, container.get("Image"))):
            why = "its image cannot be pulled"
            yield Need(role, "ecr:GetAuthorizationToken", ("*",), why)
            repository = ("arn:aws:ecr:{region}:{account}:repository/{repository}".format_map(match.groupdict()),)
            for action in ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
                yield Need(role, action, repository, why)
        log = table(container.get("LogConfiguration"))
        if log.get("LogDriver") == "awslogs":
            group = table(log.get("Options")).get("awslogs-group")
            names = policy_names(template, place, group, "AWS::Logs::LogGroup", ":*")
            yield Need(role, "logs:CreateLogStream", names, "its tasks cannot start without their log")
        for secret in tables(container.get("Secrets")):
            yield from _of_a_secret(template, place, role, secret)
        if login := table(container.get("RepositoryCredentials")).get("CredentialsParameter"):
            name = f"that {container.get('Name')} needs to log in to its image's registry"
            yield from _of_a_secret(template, place, role, {"Name": name, "ValueFrom": login})


def _same_secret(template: Template, logical_id: str) -> Iterator[str]:
    """Other resources whose ``Ref`` is the same secret's ARN: a secret's, or its attachment's to a database."""
    for name, resource in template.resources.items():
        if resource.get("Type") == _SECRETS[1]:
            secret = referenced(table(resource.get("Properties")).get("SecretId"))
            if logical_id in (name, secret):
                yield from filter(None, (name, secret))


def _of_a_secret(template: Template, place: StackPlace, role: str, secret: Mapping[str, Any]) -> Iterator[Need]:
    value, why = secret.get("ValueFrom"), f"its tasks cannot start without the secret {secret.get('Name')}"
    if (text := pattern_in(template, value)) == "*":
        return  # a secret or a parameter, as only CloudFormation knows
    logical_id = referenced(value) or next(iter(re.findall(r"\$\{(\w+)\}", text)), None)
    resource = template.resources.get(logical_id or "", {})
    kind = str(resource.get("Type"))
    if text.startswith("${") and kind not in (*_SECRETS, "AWS::SSM::Parameter"):
        return  # only CloudFormation knows what that is
    if ":secretsmanager:" in text or kind in _SECRETS:
        # What follows the name is a field of it, and Secrets Manager ends every ARN with six characters of its own.
        arn = ":".join(text.split(":")[:7]) if text.startswith("arn:") else text.partition(":")[0]
        same = (logical_id, *_same_secret(template, logical_id or "")) if text.startswith("${") else ()
        others = [name for each in same for name in policy_names(template, place, {"Ref": each}, ending=NAME_SUFFIX)]
        yield Need(role, "secretsmanager:GetSecretValue", (arn, f"{arn}-*", *others), why)
    else:
        name = text.rpartition("parameter")[2].lstrip("/") if ":ssm:" in text else text.lstrip("/")
        known = policy_names(template, place, value) if text.startswith("${") else ()
        names = known or (f"arn:aws:ssm:{place}:parameter/{name}",)
        yield Need(role, "ssm:GetParameters", names, why)
    key = resource.get("Properties", {}).get("KmsKeyId")
    if key is not None and referenced(key) is not None:
        yield Need(role, "kms:Decrypt", policy_names(template, place, key), why)


def _of_a_service(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    for hook in tables(table(properties.get("DeploymentConfiguration")).get("LifecycleHooks")):
        role = _role(template, hook.get("RoleArn"))
        if role is not None and "HookTargetArn" in hook:
            names = policy_names(template, place, hook["HookTargetArn"], _FUNCTION, ":*")
            yield Need(role, "lambda:InvokeFunction", names, "its lifecycle hook fails and ECS rolls back")
    for balancer in tables(properties.get("LoadBalancers")):
        role = _role(template, table(balancer.get("AdvancedConfiguration")).get("RoleArn"))
        if role is not None:
            yield Need(role, "elasticloadbalancing:ModifyRule", ("*",), "ECS cannot shift its traffic")


def _of_a_schedule(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    target = table(properties.get("Target"))
    role, started = _role(template, target.get("RoleArn")), referenced(target.get("Arn"))
    kind = template.resources.get(started or "", {}).get("Type", "")
    if role is None:
        return
    if kind in _STARTS:
        yield Need(role, _STARTS[kind], policy_names(template, place, target["Arn"], ending=":*"), _NEVER_RUNS)
    elif "EcsParameters" in target:
        definition = table(target["EcsParameters"]).get("TaskDefinitionArn")
        yield from _starting_tasks(template, place, role, definition, _NEVER_RUNS)
    elif pattern_of(target.get("Arn")).endswith(":aws-sdk:sfn:startExecution"):
        yield Need(role, "states:StartExecution", ("*",), _NEVER_RUNS)


def _of_a_machine(template: Template, place: StackPlace, properties: Mapping[str, Any]) -> Iterator[Need]:
    role, text = _role(template, properties.get("RoleArn")), pattern_of(properties.get("DefinitionString"))
    if role is None or "states:::ecs:runTask" not in text:
        return
    why = "its runs fail"
    for logical_id, _ in template.of_type(_TASK):
        if f"${{{logical_id}}}" in text:
            yield from _starting_tasks(template, place, role, {"Ref": logical_id}, why)
    if "runTask.sync" in text:
        rule = f"arn:aws:events:{place}:rule/StepFunctionsGetEventsForECSTaskRule"
        for action in ("events:PutRule", "events:PutTargets"):
            yield Need(role, action, (rule,), f"{why}: it cannot wait for its task")


def _starting_tasks(template: Template, place: StackPlace, role: str, definition: Any, why: str) -> Iterator[Need]:
    """The permissions needed to run a task definition of the template."""
    logical_id = referenced(definition)
    properties = template.resources.get(logical_id or "", {}).get("Properties")
    if properties is None:
        return
    family = pattern_in(template, properties.get("Family", "*"))
    names = (f"${{{logical_id}}}", f"${{{logical_id}}}:*", f"arn:aws:ecs:{place}:task-definition/{family}:*")
    yield Need(role, "ecs:RunTask", names, why)
    for name in ("ExecutionRoleArn", "TaskRoleArn"):
        if (passed := _role(template, properties.get(name))) is not None:
            yield Need(role, "iam:PassRole", (f"${{{passed}}}", "arn:aws:iam::*:role/*"), why)


def _role(template: Template, value: Any) -> str | None:
    """The role of the template that a value points to."""
    logical_id = referenced(value)
    return logical_id if template.resources.get(logical_id or "", {}).get("Type") == _ROLE else None
