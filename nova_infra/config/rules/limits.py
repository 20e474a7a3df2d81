"""Refuses values over an AWS limit."""

import json
from collections.abc import Iterator, Mapping

from nova_infra.config.delivery import Delivery, Notifications, Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.root import ValidParts
from nova_infra.config.services.service import Service
from nova_infra.config.values.fields import aws_regions
from nova_infra.config.values.regions import has_chat, unfit_for_toolchain

MAX_VARIABLES_BYTES = 48 * 1024
"""What variables may take of a task definition, which has 64 KiB for everything:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html."""

MAX_ARGUMENTS_BYTES = 32 * 1024
"""What build arguments may take. Linux hands a program 128 KiB for each argument."""


MAX_OVERRIDE_CHARACTERS = 8_000
"""What the command of a task that runs before a deployment may take: RunTask takes 8,192 characters of overrides:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html."""


def limits(parts: ValidParts) -> Iterator[str]:
    """Every value over a limit, as the key's path, what is wrong and what to do."""
    toolchain, source, images = parts.toolchain, parts.source, parts.images
    environments, services = parts.environments, parts.services
    if toolchain is not None:
        yield from _partitions(toolchain, source, environments)
        yield from _offered(toolchain, parts.delivery, environments)
    for index, service in services.items():
        for key, variables in variables_of(service):
            arguments = key.endswith("build_arguments")
            most = MAX_ARGUMENTS_BYTES if arguments else MAX_VARIABLES_BYTES
            yield from _size(f"services[{index}].{key}", variables, most)
        characters = len(json.dumps(service.before_deploy or ()))
        if characters > MAX_OVERRIDE_CHARACTERS:
            yield (
                f"services[{index}].before_deploy: takes {characters:,} characters, but ECS allows "
                f"{MAX_OVERRIDE_CHARACTERS:,} for a task's command: put the rest into a file of the image"
            )
    if images is not None:
        yield from _size("images.build_arguments", images.build_arguments, MAX_ARGUMENTS_BYTES)


def variables_of(service: Service) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every table of variables that a service has, by its key."""
    yield "environment", service.environment
    yield "build_arguments", service.build_arguments
    sidecars = [("sidecars", service.sidecars)]
    for name, overrides in service.environments.items():
        yield f"environments.{name}.environment", overrides.environment or {}
        sidecars.append((f"environments.{name}.sidecars", overrides.sidecars or ()))
    for key, each in sidecars:
        yield from ((f"{key}[{number}].environment", sidecar.environment) for number, sidecar in enumerate(each))


def _partitions(toolchain: Toolchain, source: Source | None, environments: Mapping[int, Environment]) -> Iterator[str]:
    own = aws_regions()[toolchain.region]
    remedy = f"{toolchain.region} of the toolchain is in {own}, and no role reaches from one partition into another"
    for index, environment in environments.items():
        key = f"environments[{index}]"
        if (partition := aws_regions()[environment.region]) != own:
            yield f"{key}.region: {environment.region!r} is in {partition}, but {remedy}: choose a region in {own}"
        for number, arn in enumerate(environment.operators):
            if arn.split(":")[1] != own:
                yield f"{key}.operators[{number}]: {arn!r} is not in {own}, but {remedy}: name a role in {own}"
    connection = source.connection_arn if source is not None else None
    _, partition, _, region, *_ = (connection or f"arn:{own}::{toolchain.region}:").split(":")
    if partition == own and region not in aws_regions():
        yield f"source.connection_arn: {connection!r} is in {region!r}, which is no region of {own}: name one that is"
    elif {partition, aws_regions().get(region)} != {own}:
        yield f"source.connection_arn: {connection!r} is not in {own}, but {remedy}: name a connection in {own}"


def _offered(toolchain: Toolchain, delivery: Delivery | None, environments: Mapping[int, Environment]) -> Iterator[str]:
    if delivery is not None and (why := unfit_for_toolchain(toolchain.region, delivery.engine)):
        yield f"toolchain.region: {why}"
    told: list[tuple[str, str, Notifications]] = [("toolchain", toolchain.region, toolchain.notifications)]
    told += [(f"environments[{index}]", each.region, each.notifications) for index, each in environments.items()]
    for key, region, notifications in told:
        if notifications.slack is not None and not has_chat(region):
            yield (
                f"{key}.notifications.slack: {region} has no Amazon Q Developer in chat applications, which writes to "
                "Slack: remove it, and write emails"
            )


def _size(key: str, variables: Mapping[str, str], most: int) -> Iterator[str]:
    size = len(json.dumps(dict(variables)).encode())
    if size > most:
        yield (
            f"{key}: takes {size // 1024} KiB, but there is room for {most // 1024} KiB: "
            "put large values into files of the image"
        )
