"""Refuses keys that a secret's JSON will lack when a task reads it.

A task whose definition names a key that the secret's JSON has not does not start ("ResourceInitializationError …
retrieved secret from Secrets Manager did not contain json key"):
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.certain import is_function, tables
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

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


def missing_secret_keys(step: Step) -> Iterator[Refusal]:
    """Refuse a task that needs a key that the secret created with it lacks.

    What a secret holds that is deployed already, only AWS knows: somebody may have changed it. The same goes for a new
    one that a rotation or a custom resource may write to.
    """
    before = step.before.resources if step.before is not None else {}
    for logical_id, properties in step.after.of_type("AWS::ECS::TaskDefinition") if step.actions else ():
        for container in tables(properties.get("ContainerDefinitions")):
            for each in tables(container.get("Secrets")):
                named, key = _named(each.get("ValueFrom"))
                secret = _attached_to(step, named)
                resource = step.after.resources.get(secret, {})
                if not key or resource.get("Type") != _SECRET or secret in before:
                    continue
                keys = _keys_when_made(step, secret, resource.get("Properties", {}))
                if keys is not None and key not in keys:
                    added = ["what its database adds, such as host"] if keys >= _OF_DATABASES else []
                    own = [*sorted(keys - _OF_DATABASES), *added] if added else sorted(keys)
                    has = f"has {' and '.join(own)}" if own else "is no JSON object"
                    yield step.refuse(
                        f"{logical_id}.Secrets",
                        f"{each.get('Name')} is the key {key} of {secret}, which {has}, so no task starts "
                        "(ResourceInitializationError)",
                        f"correct the key, or add it to {secret}",
                        "this would fail",
                    )


def _named(value: Any) -> tuple[str, str]:
    """The secret of the same stack and the key that a reference names; empty if it names none."""
    match = _KEY_OF.fullmatch(shown(value))
    return (match[1], match[2]) if match is not None else ("", "")


def _attached_to(step: Step, logical_id: str) -> str:
    """The secret that a logical id stands for: an attachment stands for its secret."""
    resource = step.after.resources.get(logical_id, {})
    if resource.get("Type") != _ATTACHMENT:
        return logical_id
    return next(iter(references(resource.get("Properties", {}).get("SecretId"))), "")


def _keys_when_made(step: Step, secret: str, properties: Mapping[str, Any]) -> set[str] | None:
    """The keys of a new secret, with those that its stack adds; None if the templates do not say."""
    writers = {
        str(resource["Type"])
        for resource in step.after.resources.values()
        if _writes(str(resource["Type"])) and secret in set(references(resource.get("Properties", {})))
    }
    keys = _keys(properties)
    if keys is None or writers - {_ATTACHMENT}:
        return None
    return keys | _OF_DATABASES if writers else keys


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
