"""Updates in place that a service refuses: DynamoDB indexes, Cognito pools, caches, streams.

Each is on the type's page of the template reference ("Updates are not supported") or in the service's reference:
API_UpdateTable and API_UpdateTimeToLive (DynamoDB), API_UpdateShardCount (Kinesis), API_UpdateUserPool (Cognito),
API_ModifyReplicationGroup (ElastiCache), API_AssociateVPCWithHostedZone (Route 53) and API_UpdateService (ECS). What
replaces a resource is in ``changes/resource_types``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import (
    certain_entries,
    is_known,
    is_on,
    number,
    table,
    tables,
    values_at,
)
from nova_infra.operations.changes.template_values import references, same, shown
from nova_infra.operations.planner.model import Action, Consequence, Refusal
from nova_infra.operations.planner.step import Fault, Step

# Type, and properties that no update changes, to what they are where a template does not say.
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "AWS::CloudFormation::WaitCondition": {"Count": 1, "Handle": None, "Timeout": None},
    "AWS::Cognito::UserPool": {
        "AliasAttributes": [],
        "UsernameAttributes": [],
        "UsernameConfiguration": {"CaseSensitive": True},
    },
    "AWS::EC2::Volume": {
        **dict.fromkeys(("AvailabilityZone", "KmsKeyId", "OutpostArn", "SnapshotId")),
        "Encrypted": False,
    },
    "AWS::KMS::Key": {
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": False,
        "Origin": "AWS_KMS",
    },
}
_OF_ATTRIBUTE = {"Mutable": True, "Required": False}
"""What an attribute is where its pool does not say: see API_SchemaAttributeType."""
_TASK = "AWS::ECS::TaskDefinition"
_Properties = Mapping[str, Any]


def refused_updates(step: Step) -> Iterator[Refusal]:
    """Refuse changes of resources that stay the same ones, and that their services do not make."""
    replaced = {action.logical_id for action in step.actions if action.action is Action.REPLACE}
    for action in step.actions:
        if step.before is None or action.action not in (Action.UPDATE, Action.MAY_REPLACE, Action.REPLACE):
            continue
        old, new = (table(each.resources[action.logical_id].get("Properties")) for each in (step.before, step.after))
        faults = [*_token(old, new, replaced)]
        if action.action is not Action.REPLACE:
            faults += _fixed(action.type, old, new, replaced)
        if action.action is not Action.REPLACE and action.type == "AWS::ECS::Service":
            faults += _by_code_deploy(step, old, new, replaced)
        if action.action is not Action.REPLACE and action.type in _JUDGES:
            faults += _JUDGES[action.type](old, new)
        yield from step.refuse_each(action.logical_id, faults)


def left_to_code_deploy(step: Step) -> Iterator[Consequence]:
    """Warn about a new revision that no template hands on: a service of CodeDeploy names its family alone."""
    changed = [each.logical_id for each in step.actions if each.type == _TASK and each.changes and step.before]
    families = {table(step.after.resources[each].get("Properties")).get("Family") for each in changed}
    for logical_id, service in step.after.of_type("AWS::ECS::Service"):
        family, controller = service.get("TaskDefinition"), table(service.get("DeploymentController")).get("Type")
        if controller == "CODE_DEPLOY" and isinstance(family, str) and family in families:
            what = f"stays at the revision that it runs: only a deployment by CodeDeploy moves it to {family}'s new one"
            yield step.note(f"{logical_id}.TaskDefinition", what, hurts=True)


def other_branches(step: Step) -> Iterator[Consequence]:
    """Warn about a pipeline that follows another branch: no template says which branches a repository has."""
    for logical_id, after in step.given_of_type("AWS::CodePipeline::Pipeline"):
        before = step.before.resources.get(logical_id, {}) if step.before is not None else {}
        had = {(repository, branch) for repository, _, branch in _branches(table(before.get("Properties")))}
        for repository, place, branch in _branches(after) if had else ():
            if (repository, branch) not in had:
                what = (
                    f"follows {branch} now: where {place} has no such branch, its source fails and nothing is delivered"
                )
                yield step.note(logical_id, what, hurts=True)


def _branches(pipeline: _Properties) -> Iterator[tuple[str, str, str]]:
    """Each repository that a pipeline takes its sources from, as it is given and as it is called, with the branch."""
    for config in values_at(pipeline, "Stages[].Actions[].Configuration"):
        given = {key: str(each) for key, each in table(config).items() if isinstance(each, str)}
        branch = given.get("BranchName") or given.get("Branch")
        if branch is not None:
            keys = [key for key in ("FullRepositoryId", "RepositoryName", "Owner", "Repo") if key in config]
            place = "/".join(given[key] for key in keys if key in given) or "its repository"
            yield "/".join(shown(config[key]) for key in keys), place, branch


def _token(old: _Properties, new: _Properties, replaced: set[str]) -> Iterator[Fault]:
    """Whether a custom resource moves to another function, which none does, not even one that is replaced."""
    was, becomes = (each.get("ServiceToken") for each in (old, new))
    if was is not None and becomes is not None and (not same(was, becomes) or set(references(becomes)) & replaced):
        fault = "a custom resource cannot move to another function"
        yield "ServiceToken", fault, "give the resource another logical id"


def _fixed(kind: str, old: _Properties, new: _Properties, replaced: set[str]) -> Iterator[Fault]:
    """What no update of a type changes. A zone, unlike an id, may stay the same when that of which it is changes."""
    for name, default in _FIXED.get(kind, {}).items():
        was, becomes = (each.get(name, default) for each in (old, new))
        follows = name != "AvailabilityZone" and set(references(becomes)) & replaced
        if follows or (is_known(was) and is_known(becomes) and _plain(was) != _plain(becomes)):
            yield name, "cannot be changed", "give the resource another logical id"


def _by_code_deploy(step: Step, old: _Properties, new: _Properties, replaced: set[str]) -> Iterator[Fault]:
    """What of a service only CodeDeploy changes: a template does not ask it to, unless by its hook."""
    controllers = {shown(table(each.get("DeploymentController")).get("Type")) for each in (old, new)}
    if controllers != {"CODE_DEPLOY"} or {"Hooks", "Transform"} & step.after.template.keys():
        return
    for name in ("TaskDefinition", "NetworkConfiguration", "LoadBalancers", "PlatformVersion"):
        if not same(old.get(name), new.get(name)) or set(references(new.get(name))) & replaced:
            fault = "cannot change while CODE_DEPLOY deploys the service: ECS leaves that to CodeDeploy"
            yield name, fault, "deploy it by CodeDeploy, or give a new service the DeploymentController ECS"


def _plain(value: Any) -> Any:
    """A value that its service takes for the same as another way to write it: the lists here are of names."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(shown, value))
    text = shown(value)
    return text.lower() if text in ("True", "False") else text


def _table(old: _Properties, new: _Properties) -> Iterator[Fault]:
    yield from _indexes(old, new)
    was, becomes = (table(each.get("TimeToLiveSpecification")) for each in (old, new))
    names = [each.get("AttributeName") for each in (was, becomes) if is_on(each.get("Enabled"))]
    if len(names) > 1 and all(isinstance(each, str) for each in names) and names[0] != names[1]:
        fault = f"goes from {names[0]} to {names[1]}, and an update does not swap it"
        remedy = "turn it off in one release, and on again in a later one, an hour apart at least"
        yield "TimeToLiveSpecification.AttributeName", fault, remedy


def _indexes(old: _Properties, new: _Properties) -> Iterator[Fault]:
    where = "GlobalSecondaryIndexes"
    had, has = (
        {str(i.get("IndexName")): (i.get("KeySchema"), i.get("Projection")) for i in tables(each.get(where))}
        for each in (old, new)
    )
    if len(changed := sorted(had.keys() ^ has.keys())) > 1:
        fault = f"adds or deletes {len(changed)} indexes ({', '.join(changed)}), and an update takes one"
        yield where, fault, "deliver them singly"
    for name in sorted(had.keys() & has.keys()):
        if had[name] != has[name]:
            fault = f"changes the key or the projection of {name}, which no index does"
            yield where, fault, "add another index, and delete this one later"


def _stream(old: _Properties, new: _Properties) -> Iterator[Fault]:
    if any(table(each.get("StreamModeDetails")).get("StreamMode") == "ON_DEMAND" for each in (old, new)):
        return
    had, has = (number(each.get("ShardCount")) for each in (old, new))
    if had and has and not had / 2 <= has <= had * 2:
        fault = f"goes from {had:g} to {has:g}, and an update doubles or halves it at most"
        yield "ShardCount", fault, "go there in steps, a release each, or make the stream ON_DEMAND"


def _zone(old: _Properties, new: _Properties) -> Iterator[Fault]:
    had, has = (each.get("VPCs", []) for each in (old, new))
    becomes_private = had == [] and certain_entries(has) != []
    if becomes_private or (certain_entries(had) != [] and has == []):
        fault = "makes a public zone private" if becomes_private else "makes a private zone public"
        yield "VPCs", f"{fault}, which Route 53 does not", "make another zone"


def _user_pool(old: _Properties, new: _Properties) -> Iterator[Fault]:
    if not all(is_known(each.get("Schema", [])) for each in (old, new)):
        return
    had, has = (
        {str(a.get("Name")): {**_OF_ATTRIBUTE, **a} for a in tables(each.get("Schema", []))} for each in (old, new)
    )
    if gone := sorted(name for name, each in had.items() if name not in has or _differ(each, has[name])):
        fault = f"changes or removes {gone[0]}, and a user pool keeps its attributes"
        yield "Schema", fault, "leave it as it is, and add another attribute"


def _differ(one: _Properties, other: _Properties) -> bool:
    """Whether two attributes do; an omitted type is the one that the attribute has by its name."""
    stated = [key for key in (*_OF_ATTRIBUTE, "AttributeDataType") if key in one and key in other]
    return any(_plain(one[key]) != _plain(other[key]) for key in stated)


def _cache(old: _Properties, new: _Properties) -> Iterator[Fault]:
    had, has = (str(each.get("TransitEncryptionEnabled", False)).lower() for each in (old, new))
    mode = new.get("TransitEncryptionMode", "required")
    if (had, has) == ("false", "true") and mode == "required":
        fault = "is not preferred, and encryption in transit is switched on"
        yield "TransitEncryptionMode", fault, "make it preferred in this release, and required in a later one"


_JUDGES: Mapping[str, Callable[[_Properties, _Properties], Iterator[Fault]]] = {
    "AWS::Cognito::UserPool": _user_pool,
    "AWS::DynamoDB::Table": _table,
    "AWS::ElastiCache::ReplicationGroup": _cache,
    "AWS::Kinesis::Stream": _stream,
    "AWS::Route53::HostedZone": _zone,
}
