"""Checks that the secrets and parameters which a release's tasks read exist, before anything is deployed.

ECS reads them as it starts a task. If one is missing, no task starts ("ResourceInitializationError"):
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html.

Nobody reads a value for that, and only the value tells which fields a secret's JSON has: a field that the running
release reads is there, and another one is noted as not checked.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.assembly import resources_of_type
from nova_infra.deployed.model import StoredSecret
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Template
from nova_infra.documents.text import listed
from nova_infra.machine.parallel import threads
from nova_infra.names import partition_of
from nova_infra.operations.changes.stated_values import table, tables

_SECRET = re.compile(r"(arn:[^:]*:secretsmanager:([^:]*):([^:]*):secret:([^:]+))(?::(.*))?")
_PARAMETER = re.compile(r"arn:[^:]*:ssm:([^:]*:[^:]*):parameter/(.+)")
_OF_AWS = ("/aws/", "aws/")
"""Where AWS keeps public parameters and references to secrets, which no account's list has."""
_CURRENT = "AWSCURRENT"
_NOWHERE = ("", "")
_NOTHING_STARTS = "so no task of it starts"


@dataclass(frozen=True)
class SecretOrigin:
    """Where the value of a variable comes from.

    Attributes:
        secret: ARN of a secret, or its name where nobody knows the account yet; empty for a parameter.
        parameter: Name of a parameter; empty for a secret.
        field: Field of the secret's JSON; empty for all of it.
        label: Staging label of the secret's version.
        version: Id of the secret's version; empty where the label says which.
        place: ``<region>:<account>`` of a parameter; empty for the environment's own.
    """

    secret: str = ""
    parameter: str = ""
    field: str = ""
    label: str = _CURRENT
    version: str = ""
    place: str = ""

    def __str__(self) -> str:
        return f"the secret {self.secret.rpartition(':')[2]}" if self.secret else f"the parameter {self.parameter}"


@dataclass(frozen=True)
class Found:
    """What keeps tasks of a release from starting, and what was not checked, a sentence each."""

    missing: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


def missing_secrets(environment: ObservedEnvironment, released: Mapping[str, Template]) -> Found:
    """What the release's tasks read and the account lacks; nothing in a rehearsal, which makes values up."""
    if environment.played() is not None or not any(map(origins, released.values())):
        return Found()
    stacks = environment.stacks()
    homes = {stack.name: _home(stack.arn) for stack in stacks}
    common = next(iter(homes.values())) if len(set(homes.values())) == 1 else _NOWHERE
    homes = {stack: homes.get(stack, common) for stack in (*homes, *released)}
    own = {":".join(home) for home in homes.values()} | {""}
    read = {stack: origins(template, homes[stack]) for stack, template in released.items()}
    made = {name for template in released.values() for name in _made(template)}
    wanted = {origin for of_stack in read.values() for origin in of_stack if not _is_made(origin, made)}
    secrets = environment.secrets(sorted({each.secret for each in wanted if each.secret and not _is_vague(each)}))
    names = {each.parameter for each in wanted if each.parameter and each.place in own}
    parameters = environment.have_parameters(sorted(names)) if names else {}
    known = _known_fields(environment, {stack.name: homes[stack.name] for stack in stacks}, read)
    found: tuple[list[str], list[str]] = ([], [])
    for stack, of_stack in read.items():
        for origin, variables in of_stack.items():
            if origin in wanted:
                who = f"{stack}: {listed(variables)} {'comes' if len(variables) == 1 else 'come'} from {origin}"
                if _is_vague(origin):
                    found[1].append(f"{who}; not checked whether it exists: no stack names the account and region yet")
                elif origin.secret not in secrets and (origin.parameter not in parameters or origin.place not in own):
                    found[1].append(f"{who}; not checked whether it exists: this role may not look there")
                elif why := _fault(origin, secrets, parameters, own):
                    found[0].append(f"{who}, which {why}")
                elif origin.field and (stack, origin.secret, origin.field) not in known:
                    unknown = f"has the field {origin.field}: only its value shows it"
                    found[1].append(f"{who}; not checked whether it {unknown}")
    return Found(*map(tuple, found))


def _known_fields(
    environment: ObservedEnvironment,
    deployed: Mapping[str, tuple[str, str]],
    read: Mapping[str, Mapping[SecretOrigin, object]],
) -> set[tuple[str, str, str]]:
    """Stack, secret and field of what the deployed tasks read: they started, so it is there."""
    stacks = [stack for stack, of_stack in read.items() if stack in deployed and any(o.field for o in of_stack)]
    with threads() as pool:
        templates = zip(stacks, pool.map(environment.template, stacks), strict=True)
        return {
            (stack, each.secret, each.field)
            for stack, template in templates
            for each in origins(template, deployed[stack])
        }


def _fault(
    origin: SecretOrigin,
    secrets: Mapping[str, StoredSecret | None],
    parameters: Mapping[str, bool],
    own: Collection[str],
) -> str:
    """Why a value cannot be read, with the remedy; empty where it can."""
    if origin.parameter:
        there = parameters[origin.parameter]
        create = "create it as a SecureString in this account and region, or correct the name"
        return "" if there else f"does not exist, {_NOTHING_STARTS}: {create}"
    secret = secrets[origin.secret]
    if secret is None:
        region, account = _home(origin.secret)
        elsewhere = account and f"{region}:{account}" not in own
        where = f"in {region} of the account {account}" if elsewhere else "in this account and region"
        return f"does not exist, {_NOTHING_STARTS}: create it {where}, or correct the name"
    if secret.deleted:
        restore = f"aws secretsmanager restore-secret --secret-id {origin.secret}"
        return f"is scheduled for deletion, {_NOTHING_STARTS}: {restore}"
    if origin.version and origin.version not in secret.versions:
        return f"has no version {origin.version}, {_NOTHING_STARTS}: name one that it has, or none"
    if not origin.version and origin.label not in secret.labels:
        what = "has no value" if origin.label == _CURRENT else f"has no version labelled {origin.label}"
        return f"{what}, {_NOTHING_STARTS}: put one into it"
    return ""


def origins(template: Template, home: tuple[str, str] = _NOWHERE) -> dict[SecretOrigin, list[str]]:
    """Where the tasks of a template read secrets and parameters that it does not make, with the variables' names.

    Args:
        home: Region and account of its stack; empty texts where they are not known.
    """
    found: dict[SecretOrigin, list[str]] = {}
    for definition in resources_of_type(template, "AWS::ECS::TaskDefinition").values():
        for container in tables(definition.get("Properties", {}).get("ContainerDefinitions")):
            for variable, value in _read(container):
                origin = _origin(value, home)
                if origin is not None and variable not in found.setdefault(origin, []):
                    found[origin].append(variable)
    return found


def _read(container: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    logged = tables(table(container.get("LogConfiguration")).get("SecretOptions"))
    for each in (*tables(container.get("Secrets")), *logged):
        yield str(each.get("Name")), each.get("ValueFrom")
    if login := table(container.get("RepositoryCredentials")).get("CredentialsParameter"):
        yield "its registry's login", login


def _home(arn: str) -> tuple[str, str]:
    """Region and account in an ARN; empty for a name."""
    region, account = (*arn.split(":")[3:5], "", "")[:2]
    return region, account


def _is_vague(origin: SecretOrigin) -> bool:
    """Whether a secret's name may end like an ARN's suffix, which hides it (API_DescribeSecret)."""
    return not origin.secret.startswith("arn:") and re.search(r"-\w{6}$", origin.secret) is not None


def _origin(value: Any, home: tuple[str, str]) -> SecretOrigin | None:
    """Where a value comes from; None where only CloudFormation knows, as for a secret that a template makes."""
    text = _text(value, home)
    if text is None:
        return None
    if (secret := _SECRET.fullmatch(text)) is not None:
        arn, region, account, name, part = secret.groups()
        field, label, version = (*(part or "").split(":"), "", "", "")[:3]
        if region and account:
            name = arn.replace("arn::", f"arn:{partition_of(region)}:", 1)
        return SecretOrigin(secret=name, field=field, label=label or _CURRENT, version=version)
    parameter = _PARAMETER.fullmatch(text)
    if parameter is None and text.startswith("arn:"):
        return None
    place, name = parameter.groups() if parameter is not None else ("", text)
    if name.startswith(_OF_AWS):
        return None
    name = f"/{name}" if parameter is not None and "/" in name else name
    return SecretOrigin(parameter=name, place="" if place == ":" else place)


def _text(value: Any, home: tuple[str, str]) -> str | None:
    """A value as text, with nothing for what is not known of partition, region and account; None where more is open."""
    region, account = home
    partition = partition_of(region) if region else ""
    known = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": account}
    match value:
        case str():
            return value
        case {"Ref": "AWS::Partition" | "AWS::Region" | "AWS::AccountId" as name}:
            return known[name]
        case {"Fn::Join": [str(separator), list(parts)]}:
            texts = [_text(part, home) for part in parts]
            return separator.join(text for text in texts if text is not None) if None not in texts else None
        case {"Fn::Sub": str(text)}:
            for name, pseudo in known.items():
                text = text.replace(f"${{{name}}}", pseudo)
            return None if "${" in text else text
    return None


def _made(template: Template) -> Iterator[str]:
    """Names of the secrets and parameters that a template makes."""
    for kind in ("AWS::SecretsManager::Secret", "AWS::SSM::Parameter"):
        for resource in resources_of_type(template, kind).values():
            if isinstance(name := resource.get("Properties", {}).get("Name"), str):
                yield name


def _is_made(origin: SecretOrigin, made: set[str]) -> bool:
    return (origin.parameter or origin.secret.rpartition(":")[2]) in made
