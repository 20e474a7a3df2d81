"""``nova gate``: runs a test suite on the deployments of services that wait for it, and as load while they bake."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nova_infra.errors import RefusedError
from nova_infra.operations.gates.release import release_templates
from nova_infra.operations.rollout.suite.command import SuiteCommand
from nova_infra.operations.rollout.suite.gate import SuiteGate
from nova_infra.operations.rollout.suite.load import SuiteLoad

if TYPE_CHECKING:  # either imports botocore or the rehearsal's client, which the other one needs no time for
    from nova_infra.deployed.aws.environment import AwsEnvironment
    from nova_infra.deployed.rehearsed import RehearsedEnvironment


def answer_by_suite(
    environment: AwsEnvironment | RehearsedEnvironment,
    services: Sequence[str],
    loaded: Sequence[str],
    command: str,
    *,
    patience: float,
    assembly: Path | None,
    notify: Callable[[str], None],
) -> list[str]:
    """Answer for services by a test suite, and send others its requests while they bake.

    Args:
        command: The suite, a shell command.
        patience: Seconds to wait for the first deployment to begin.

    Returns:
        A line for each run of the suite that was red.
    """
    templates = release_templates(environment, assembly)
    stacks = {service: environment.stack_name(service) for service in (*services, *loaded)}
    if missing := [service for service, stack in stacks.items() if stack not in templates]:
        raise RefusedError(f"service: {missing[0]!r} is not in the release: pass --assembly cdk.out, or correct it")
    released = {service: templates[stack] for service, stack in stacks.items()}
    seconds = 10.0
    if environment.played() is not None:
        seconds, patience = 0.5, min(patience, 30)
    with tempfile.TemporaryDirectory(prefix="nova-gate-") as directory:
        suite = SuiteCommand(command, environment.url, Path.cwd(), Path(directory, "suite.log"), notify, seconds)
        # Whatever runs again and again says only what is wrong, and keeps the output of its latest run.
        quiet = replace(suite, log=Path(directory, "load.log"), tell=lambda _: None, afresh=True)
        load = SuiteLoad(environment, loaded, quiet.run, notify) if loaded else None
        only = set(loaded) - set(services)
        gate = SuiteGate(environment, released, suite.run, patience, notify, seconds, load=load, only_loaded=only)
        return gate.answer()
