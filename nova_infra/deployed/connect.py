"""Finds an environment by name (``nova.toml``, ``--region``), and assumes the role for what a command does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_infra.deployed.protocol import (
    DeployedEnvironment,
    FollowedEnvironment,
    RecordedEnvironment,
    SteeredEnvironment,
)
from nova_infra.errors import ConfigError, RefusedError
from nova_infra.names import Role, alert_topic_name, environment_prefix, pipeline_name, role_name
from nova_infra.toml import read_toml

if TYPE_CHECKING:
    from nova_infra.deployed.aws.environment import AwsEnvironment
    from nova_infra.deployed.aws.toolchain import ToolchainAccount
    from nova_infra.deployed.rehearsed import RehearsedEnvironment

REHEARSAL_VARIABLE = "NOVA_REHEARSED_BY"
"""Set by a rehearsal for the steps that it plays: where it answers for its environments."""


@dataclass(frozen=True)
class Whereabouts:
    """What the command line says about where to look, in addition to the environment's name.

    Attributes:
        root: The current directory: where it holds a ``nova.toml``, that says the rest.
        region: The environment's region; with it or ``platform``, ``nova.toml`` is not read.
    """

    root: Path
    region: str | None = None
    platform: str | None = None

    @property
    def config(self) -> Path | None:
        """The ``nova.toml`` that says the rest; None where there is none, or it is not to be read."""
        path = self.root / "nova.toml"
        return path if self.region is None and self.platform is None and path.is_file() else None


def connect(name: str, *, role: Role, where: Whereabouts) -> RecordedEnvironment:
    """The environment of a name.

    In a rehearsal's steps, it is the rehearsal's. With a ``nova.toml`` in the directory, it is the one that the file
    names: its account and region, through the role that the platform's stack made for the purpose. Anywhere else it is
    in the account of the current credentials.

    Args:
        role: ``observer`` to look, ``release`` to change, ``operator`` for logs, tasks and capacity.
    """
    return _rehearsed(name, where) or connect_to_aws(name, role=role, where=where)


def _rehearsed(name: str, where: Whereabouts) -> RehearsedEnvironment | None:
    if not (rehearsal := os.environ.get(REHEARSAL_VARIABLE)):
        return None
    from nova_infra.deployed.rehearsed import RehearsedEnvironment

    return RehearsedEnvironment(name, platform=_entry(name, where)[1], url=rehearsal)


def connect_to_change(name: str, *, where: Whereabouts) -> DeployedEnvironment:
    """The environment of a name, to change its stacks; see :func:`connect`.

    Raises:
        NovaError: There is no such environment, or no access to it; or it is a rehearsal's, whose drills show how a
            release is stopped.
    """
    if os.environ.get(REHEARSAL_VARIABLE):
        raise RefusedError("rollback: is not rehearsed: the rehearsal's drills show how a release is stopped")
    return connect_to_aws(name, role="release", where=where)


def connect_to_aws(name: str, *, role: Role, where: Whereabouts) -> AwsEnvironment:
    """The environment of a name in AWS; see :func:`connect`."""
    entry, platform = _entry(name, where)
    # Imported here: the AWS SDK takes half a second.
    from nova_infra.deployed.aws.client.session import configured_region, sign_in
    from nova_infra.deployed.aws.environment import AwsEnvironment

    if entry is not None:
        aws = sign_in(
            region=str(entry["region"]),
            role=role_name(environment_prefix(platform, name), role),
            account=str(entry["account"]),
        )
    else:
        region = where.region or os.environ.get("AWS_REGION") or configured_region()
        if not region:
            raise RefusedError(
                "region: not given: pass --region, set AWS_REGION, or run the command where nova.toml is"
            )
        aws = sign_in(region=region)
    return AwsEnvironment(name, platform=platform, aws=aws, own_cluster=entry is not None and not _cluster(entry))


def _refuse_rehearsal(name: str, why: str) -> None:
    if os.environ.get(REHEARSAL_VARIABLE):
        raise RefusedError(f"environment: {name!r} is a rehearsal's{why}")


def connect_operated(name: str, *, where: Whereabouts) -> AwsEnvironment:
    """The environment of a name in AWS, for its operator."""
    _refuse_rehearsal(name, ": its report has the logs and tasks")
    return connect_to_aws(name, role="operator", where=where)


def connect_followed(name: str, *, where: Whereabouts) -> FollowedEnvironment:
    """The environment of a name, to follow its deployments; see :func:`connect`."""
    _refuse_rehearsal(name, ", which shows its own deployments")
    return connect_to_aws(name, role="observer", where=where)


def connect_steered(name: str, *, where: Whereabouts) -> SteeredEnvironment:
    """The environment of a name, to answer its deployments: by the operator role, else by the release role."""
    _refuse_rehearsal(name, ", which answers its own gates")
    from nova_infra.deployed.aws.client.errors import DeniedError

    try:
        return connect_to_aws(name, role="operator", where=where)
    except DeniedError as denied:
        try:
            return connect_to_aws(name, role="release", where=where)
        except RefusedError:
            raise denied from None


def connect_gate(name: str, *, where: Whereabouts) -> AwsEnvironment | RehearsedEnvironment:
    """The environment of a name, to answer for its test suite; see :func:`connect`."""
    return _rehearsed(name, where) or connect_to_aws(name, role="gate", where=where)


def environment_names(where: Whereabouts, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """The environments that are asked for: the chosen ones, or all that ``nova.toml`` names, in promotion order."""
    if (path := where.config) is None:
        if not chosen:
            raise RefusedError(
                "environments: none given, and there is no nova.toml here: name them, as in "
                "`nova status prod --region eu-west-1`"
            )
        return tuple(chosen)
    environments, _ = _environments(path)
    for name in chosen:
        if name not in environments:
            raise RefusedError(f"environment: {name!r} is not one of {', '.join(environments)}: choose one of them")
    return tuple(chosen) or tuple(environments)


def service_names(where: Whereabouts) -> tuple[str, ...] | None:
    """The names of the services in ``nova.toml``; None where there is no such file, or it is not to be used."""
    if (path := where.config) is None:
        return None
    try:
        return tuple(str(service["name"]) for service in read_toml(path)["services"])
    except (ConfigError, OSError, KeyError, TypeError):
        return None  # whoever looks at an environment during an incident gets the rest


def connect_toolchain(where: Whereabouts) -> ToolchainAccount | None:
    """The account that delivers, by ``nova.toml``, or a rehearsal's pipeline; None without a file or access."""
    if rehearsal := os.environ.get(REHEARSAL_VARIABLE):
        from nova_infra.deployed.rehearsed import RehearsedToolchain

        return RehearsedToolchain(rehearsal)
    if (path := where.config) is None:
        return None
    _, platform = _environments(path)
    toolchain = read_toml(path).get("toolchain", {})
    if not isinstance(toolchain, dict) or not {"account", "region"} <= toolchain.keys():
        raise RefusedError("nova.toml: toolchain: has no account or region: add them")
    from nova_infra.deployed.aws.client.session import sign_in, whoami
    from nova_infra.deployed.aws.toolchain import AwsToolchain

    account, region = str(toolchain["account"]), str(toolchain["region"])
    if whoami()[0] != account:
        return None
    aws = sign_in(region=region)
    pipeline = pipeline_name(platform)
    topic = f"arn:{aws.partition}:sns:{region}:{account}:{alert_topic_name(pipeline)}"
    return AwsToolchain(aws, pipeline=pipeline, topic_arn=topic)


def toolchain_template(region: str) -> Callable[[str], object]:
    """What gives the template of a stack in the account of the current credentials: see ``deployed_template``."""
    from nova_infra.deployed.aws.client.session import sign_in
    from nova_infra.deployed.aws.stacks import deployed_template

    return partial(deployed_template, sign_in(region=region))


def _entry(name: str, where: Whereabouts) -> tuple[Mapping[str, Any] | None, str]:
    """The environment's entry in ``nova.toml``, and the installation's name: other faults stop no rollback."""
    if (path := where.config) is None:
        return None, where.platform or "nova"
    environments, platform = _environments(path)
    entry = environments.get(name)
    if entry is None:
        raise RefusedError(f"environment: {name!r} is not one of {', '.join(environments)}: choose one of them")
    if not {"account", "region"} <= entry.keys():
        raise RefusedError(f"nova.toml: environments: {name!r} has no account or region: add them, or pass --region")
    return entry, platform


def _cluster(entry: Mapping[str, Any]) -> bool:
    """Whether an environment's entry names a cluster that exists."""
    network = entry.get("network")
    return isinstance(network, Mapping) and "cluster" in network


def _environments(path: Path) -> tuple[dict[str, Mapping[str, Any]], str]:
    """Name to entry of the environments in ``nova.toml``, and the name of the installation."""
    try:
        config = read_toml(path)
        environments: dict[str, Mapping[str, Any]] = {str(e["name"]): {**e} for e in config["environments"]}
        return environments, str(config.get("platform", {}).get("name", "nova"))
    except (ConfigError, OSError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(
            f"nova.toml: is not usable ({error!r}): fix it, or run the command elsewhere with --region"
        ) from None
