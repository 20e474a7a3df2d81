"""Refuses contradictions around a container: placeholders, permissions, queues, sidecars and their ports."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import PLACEHOLDERS
from nova_infra.config.rules.addresses import addresses, is_local, is_open
from nova_infra.config.rules.service import queues
from nova_infra.config.services.service import Service
from nova_infra.config.services.surroundings import Login, Secret
from nova_infra.config.values.fields import aws_regions
from nova_infra.config.values.repeats import repeated

_BRACES = re.compile(r"\{(\w*)\}")
_GLOBAL = ("cloudfront", "iam", "route53", "s3")
_OF_A_REGION = re.compile(r"(accesspoint|accessgrants|async-request|access-grants|job|storage-lens)\b")
"""What S3 has besides buckets."""
_REGIONAL = (
    *("dynamodb", "ecr", "ecs", "elasticache", "firehose", "kinesis", "kms", "lambda", "logs", "rds", "rds-db"),
    *("secretsmanager", "sns", "sqs", "states"),
)
_PORTS = ("PORT", "LISTEN_PORT", "HTTP_PORT", "SERVER_PORT")
"""Variables that tell a container which port to listen on."""


def in_environment(
    key: str, service: Service, environment: Environment, services: Collection[Service]
) -> Iterator[str]:
    """What contradicts itself in variables, permissions, connections, queues and sidecars.

    Args:
        services: All services of the project, as they are written.
    """
    yield from _placeholders(key, service)
    yield from queues.of_one(key, service)
    yield from _elsewhere(key, service, environment)
    yield from _keys_elsewhere(key, service, environment)
    for place, connection in enumerate(service.connects_to):
        if is_local(connection.rpartition(":")[0]):
            where = f"{key}.connects_to[{place}]: {connection!r}"
            yield f"{where} is in the task itself, where all ports are open: remove it"
    yield from _closed(key, service, {each.name: each for each in services})
    yield from _sidecars(key, service, environment)


def _closed(key: str, service: Service, services: Mapping[str, Service]) -> Iterator[str]:
    parts = [
        (key, service.environment),
        *((f"{key}.sidecars[{n}]", each.environment) for n, each in enumerate(service.sidecars)),
    ]
    for where, variables in parts:
        for address in addresses(variables):
            if not is_open(address, service.connects_to):
                place = f"{address.host}:{address.port}"
                remedy = f'add connects_to = ["{place}"]'
                if address.host in services:
                    instead = _instead_of_its_name(services[address.host])
                    remedy = f"as no service has a name in DNS, {instead}; if a DNS of yours has that name, {remedy}"
                yield (
                    f"{where}.environment.{address.variable}: leads to {place}, a port that its tasks cannot reach: "
                    f"{remedy}"
                )


def _instead_of_its_name(service: Service) -> str:
    if service.kind == "web":
        return f"let the code read {'NOVA_INTERNAL_URL' if service.internal else 'NOVA_API_URL'}"
    return "send to its queue" if service.kind == "worker" else "leave it out, since nobody can call a job"


def _sidecars(key: str, service: Service, environment: Environment) -> Iterator[str]:
    sidecars = service.sidecars
    for sidecar in sidecars if environment.network.nat_gateways == 0 else ():
        if ".dkr.ecr." not in sidecar.image:
            yield (
                f"{key}.sidecars: {sidecar.name} is pulled from outside AWS, which {environment.name} cannot reach "
                "without NAT: copy its image to ECR, or write nat_gateways = 1"
            )
    for place, name, _ in repeated(dict(enumerate(each.name for each in sidecars))):
        yield f"{key}.sidecars[{place}].name: {name!r} is also the name of another one: give each its own name"
    memory = sum(sidecar.memory or 0 for sidecar in sidecars)
    if memory >= service.memory:
        yield f"{key}.sidecars: may use {memory} of the task's {service.memory} MiB: raise memory, or lower theirs"
    taken = {str(service.port): "the service itself"} if service.kind == "web" else {}
    for place, sidecar in enumerate(sidecars):
        for variable in _PORTS:
            port = sidecar.environment.get(variable)
            if port is not None and (other := taken.setdefault(port, sidecar.name)) != sidecar.name:
                yield (
                    f"{key}.sidecars[{place}].environment.{variable}: {port!r} is where {other} listens, and the "
                    "containers of a task share their ports: choose another one"
                )


def _placeholders(key: str, service: Service) -> Iterator[str]:
    """Braces that nothing fills in, where AWS would take them for what they are, or refuse them."""
    strict = {
        **{f"hosts[{n}]": host for n, host in enumerate(service.hosts)},
        **{f"connects_to[{n}]": each for n, each in enumerate(service.connects_to)},
        **{
            f"permissions[{n}].resources[{m}]": arn
            for n, permission in enumerate(service.permissions)
            for m, arn in enumerate(permission.resources)
        },
        **{path: text for path, each in _secrets(service) for text in (_place(each), each.key) if text},
    }
    if service.queue is not None:
        strict |= {
            f"queue.{name}": text
            for name in ("name", "dead", "key")
            if (text := getattr(service.queue, name)) is not None
        }
    for path, text in strict.items():
        for name in _BRACES.findall(text):
            yield f"{key}.{path}: has {{{name}}}, which nothing fills in: write {_instead(name)}"
    # A variable may have braces of its own, but hardly these.
    tables = {f"sidecars[{n}].environment": each.environment for n, each in enumerate(service.sidecars)}
    for path, variables in {"environment": service.environment, **tables}.items():
        for variable, text in variables.items():
            for name in _BRACES.findall(text):
                if get_close_matches(name, PLACEHOLDERS, n=1, cutoff=0.8):
                    yield f"{key}.{path}.{variable}: has {{{name}}}, which nothing fills in: write {_instead(name)}"


def _instead(name: str) -> str:
    begun = [each for each in PLACEHOLDERS if name and each.startswith(name)]
    choices = begun or get_close_matches(name, PLACEHOLDERS, n=1, cutoff=0.6) or PLACEHOLDERS
    return " or ".join(f"{{{each}}}" for each in choices)


def _elsewhere(key: str, service: Service, environment: Environment) -> Iterator[str]:
    """ARNs that lead nowhere from an environment."""
    own = aws_regions()[environment.region]
    for path, arn in _arns(service):
        if not _is_arn(arn):
            continue
        where = f"{key}.{path}: {arn!r}"
        _, partition, _, region, account, _ = arn.split(":", 5)
        whose = aws_regions().get(region, partition)
        if "*" not in partition and {partition, whose} != {own}:
            elsewhere = next(each for each in (partition, whose) if each != own)
            yield f"{where} is in {elsewhere}, and {environment.name} is in {own}: write arn:{own}:…"
        if region and not re.search(r"[*{]", region) and region not in aws_regions():
            yield f"{where} is in {region}, which is not an AWS region: correct it, or write {{region}}"
        if account not in ("", "aws") and not re.search(r"[*{]", account) and not re.fullmatch(r"\d{12}", account):
            yield f"{where} has the account {account}, which has no 12 digits: correct it, or write {{account}}"
        else:
            yield from _of_no_resource(where, arn)


def _of_no_resource(where: str, arn: str) -> Iterator[str]:
    """A form that no ARN of an AWS service has, which matches nothing (service authorization reference)."""
    start, partition, kind, region, account, rest = arn.split(":", 5)
    stray = region + account if kind == "s3" and not _OF_A_REGION.match(rest) else region if kind != "s3" else ""
    if kind in _GLOBAL and stray and "*" not in stray:
        what, own = ("a region or an account", "") if kind == "s3" else ("a region", account)
        yield f"{where} matches nothing, because it has {what}: write {start}:{partition}:{kind}::{own}:{rest}"
    elif kind in _REGIONAL and not (region and account) and not rest.startswith("global"):
        full = ":".join((start, partition, kind, region or "{region}", account or "{account}", rest))
        yield f"{where} matches nothing, because it lacks a region or an account: write {full}"


def _arns(service: Service) -> Iterator[tuple[str, str]]:
    """Every ARN that a service names, by its key."""
    for place, permission in enumerate(service.permissions):
        for number, arn in enumerate(permission.resources):
            yield f"permissions[{place}].resources[{number}]", arn
    for path, each in _secrets(service):
        yield path, each.secret or ""
        yield f"{path}.key", each.key or ""
    if service.queue is not None:
        yield "queue.key", service.queue.key or ""


def _secrets(service: Service) -> Iterator[tuple[str, Secret | Login]]:
    """Every secret that the tasks of a service read, with its key."""
    yield from ((f"secrets.{name}", each) for name, each in service.secrets.items())
    for number, sidecar in enumerate(service.sidecars):
        yield from ((f"sidecars[{number}].secrets.{name}", each) for name, each in sidecar.secrets.items())
        if sidecar.credentials is not None:
            yield f"sidecars[{number}].credentials", sidecar.credentials


def _place(secret: Secret | Login) -> str | None:
    return secret.secret or (secret.parameter if isinstance(secret, Secret) else None)


def _keys_elsewhere(key: str, service: Service, environment: Environment) -> Iterator[str]:
    """Secrets of other accounts without their key, which AWS's own opens to nobody there, and keys of other regions.

    What has a name alone is in the environment's region, and so is its key.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples_cross.html;
    https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html: also a replica has its own
    region's ARN.
    """
    for path, each in _secrets(service):
        account = each.secret.split(":")[4] if each.secret is not None and _is_arn(each.secret) else ""
        if account.isdigit() and account != environment.account and each.key is None:
            yield (
                f"{key}.{path}: is in the account {account}, and {environment.name} in {environment.account}, where "
                "nobody can read what AWS's own key encrypts: name its customer managed key in key = …, or write "
                "{account}"
            )
    keys = {path: each.key for path, each in _secrets(service) if not _is_arn(each.secret)}
    if service.queue is not None and service.queue.existing:
        keys["queue"] = service.queue.key
    for path, arn in keys.items():
        region = arn.split(":")[3] if arn is not None else environment.region
        if region != environment.region and not _BRACES.search(region):
            yield f"{key}.{path}.key: is in {region}, and what it encrypts in {environment.region}: write {{region}}"


def _is_arn(name: str | None) -> bool:
    return name is not None and name.startswith("arn:")
