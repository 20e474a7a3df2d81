"""Refuses keys that a secret's JSON will lack when a task reads it, and names those that only its value shows.

A task whose definition names a key that the secret's JSON has not does not start ("ResourceInitializationError …
retrieved secret from Secrets Manager did not contain json key"):
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.documents.text import listed
from nova_infra.operations.changes.stated_values import is_function, tables
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step
from nova_infra.operations.release.secrets import origins

_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a resource type, not a password
_ATTACHMENT = "AWS::SecretsManager::SecretTargetAttachment"
_ROTATION = "AWS::SecretsManager::RotationSchedule"
# What an attachment adds to a secret's JSON; each database has some of them. No template says whether it has a dbname:
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
_OF_DATABASES = frozenset(
    {
        *("engine", "host", "port", "dbname", "ssl", "masterarn"),
        *("dbInstanceIdentifier", "dbClusterIdentifier", "namespaceName", "workgroupName"),
    }
)
_KEY_OF = re.compile(r"\$\{(\w+)\}:(\w[^:$]*)(?::.*)?")
_KEY_OF_NAME = re.compile(r"arn:[^:]*(?:::Partition\})?:secretsmanager:(.*):secret:([^:$]+):(\w[^:$]*)(?::.*)?")


def missing_secret_keys(step: Step) -> Iterator[Refusal]:
    """Refuse a task that needs a key that the secret created with it lacks.

    What a secret holds that is deployed already, only AWS knows: somebody may have changed it. The same goes for a new
    one that a rotation or a custom resource may write to.
    """
    for logical_id, properties in step.after.of_type("AWS::ECS::TaskDefinition") if step.actions else ():
        for container in tables(properties.get("ContainerDefinitions")):
            for each in tables(container.get("Secrets")):
                stack, secret, key = _named(step, shown(each.get("ValueFrom")))
                keys = _keys_when_made(step, stack, secret) if key else None
                if keys is not None and key not in keys:
                    added = ["what its database adds, such as host"] if keys >= _OF_DATABASES else []
                    own = [*sorted(keys - _OF_DATABASES), *added] if added else sorted(keys)
                    has = f"has {' and '.join(own)}" if own else "is no JSON object"
                    what = secret if stack is step.after else f"{stack.key.name}.{secret}"
                    yield step.refuse(
                        f"{logical_id}.Secrets",
                        f"{each.get('Name')} is the key {key} of {what}, which {has}, so no task starts "
                        "(ResourceInitializationError)",
                        f"correct the key, or add it to {what}",
                        "this would fail",
                    )


def unseen_secret_keys(step: Step) -> Iterator[Consequence]:
    """Name the keys that running tasks do not read yet of a secret that no stack of the release makes."""
    if step.before is None or not any(each.type == "AWS::ECS::TaskDefinition" for each in step.actions):
        return
    home = (step.after.key.region, step.after.key.account)
    had = origins(dict(step.before.template), home)
    for origin, variables in origins(dict(step.after.template), home).items():
        name = origin.secret.rpartition(":")[2]
        made = any(p.get("Name") == name for each in step.release.values() for _, p in each.of_type(_SECRET))
        if origin.field and origin not in had and not made:
            said = f"{listed(variables)} will be the key {origin.field} of {name}: only its value shows whether it is "
            yield step.note("", f"{said}there, and without it no task starts")


def _named(step: Step, value: str) -> tuple[StackTemplate, str, str]:
    """The stack, the secret of it and the key that a reference names; an empty key if it names none that is known."""
    if match := _KEY_OF.fullmatch(value):
        return step.after, _attached_to(step, match[1]), match[2]
    place = step.after.key
    here = value.replace("${AWS::Region}", place.region).replace("${AWS::AccountId}", place.account)
    if match := _KEY_OF_NAME.fullmatch(here):
        for stack in (step.after, *step.release.values()) if match[1] == f"{place.region}:{place.account}" else ():
            for logical_id, properties in stack.of_type(_SECRET) if stack.key[:2] == place[:2] else ():
                if properties.get("Name") == match[2]:
                    return stack, logical_id, match[3]
    return step.after, "", ""


def _attached_to(step: Step, logical_id: str) -> str:
    """The secret that a logical id stands for: an attachment stands for its secret."""
    resource = step.after.resources.get(logical_id, {})
    if resource.get("Type") != _ATTACHMENT:
        return logical_id
    return next(iter(references(resource.get("Properties", {}).get("SecretId"))), "")


def _keys_when_made(step: Step, stack: StackTemplate, secret: str) -> set[str] | None:
    """The keys of a new secret, with those that its stack adds; None if the templates do not say."""
    before = step.before if stack is step.after else step.world.stacks.get(stack.key)
    resource = stack.resources.get(secret, {})
    if resource.get("Type") != _SECRET or (before is not None and secret in before.resources):
        return None
    properties = resource.get("Properties", {})
    writers = {
        str(each["Type"])
        for each in stack.resources.values()
        if _writes(str(each["Type"])) and _mentions(each.get("Properties", {}), secret, properties.get("Name"))
    }
    keys = _keys(properties)
    if keys is None or writers - {_ATTACHMENT}:
        return None
    return keys | _OF_DATABASES if writers else keys


def _mentions(properties: Any, secret: str, name: Any) -> bool:
    return secret in set(references(properties)) or (isinstance(name, str) and name in json.dumps(properties))


def _writes(kind: str) -> bool:
    return kind in (_ATTACHMENT, _ROTATION, "AWS::CloudFormation::CustomResource") or kind.startswith("Custom::")


def _keys(secret: Mapping[str, Any]) -> set[str] | None:
    """The keys of a new secret's JSON, none if it is not an object; None if the template does not say."""
    if isinstance(text := secret.get("SecretString"), str):
        return _object(text)
    generated = secret.get("GenerateSecretString")
    if not isinstance(generated, Mapping) or is_function(generated):
        return None
    template, key = generated.get("SecretStringTemplate"), generated.get("GenerateStringKey")
    if template is None:
        return set()
    return _object(template) | {key} if isinstance(template, str) and isinstance(key, str) else None


def _object(text: str) -> set[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return set()
    return set(found) if isinstance(found, dict) else set()
