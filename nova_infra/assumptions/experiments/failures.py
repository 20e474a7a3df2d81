"""Experiments with releases that fail: what the circuit breaker counts, and how the stack ends."""

from collections.abc import Iterator
from dataclasses import replace

from nova_infra.assumptions.experiments.service_state import (
    OVER,
    Deployment,
    breaker,
    deployments,
    in_stage,
    next_deployment,
)
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.services import SandboxService, service_template
from nova_infra.assumptions.sandbox.stacks import Sandbox, UndecidedError

_EXITS = "import sys; sys.exit(1)"
_ENDS_AFTER_5_S = "import sys, time; time.sleep(5); sys.exit(1)"
_SLEEPS = "import time; time.sleep(3600)"


def _replaced(sandbox: Sandbox, before: SandboxService, after: SandboxService) -> Deployment:
    """Deploy a service, begin to replace it, and return the second deployment."""
    stack = sandbox.deploy(service_template(sandbox.ground, before))
    known = len(deployments(sandbox, stack.outputs["Service"]))
    sandbox.start(service_template(sandbox.ground, after))
    return next_deployment(sandbox, stack.outputs["Service"], before=known)


def _breaker(sandbox: Sandbox, row: str, begun: Deployment, *, minutes: int) -> Reading:
    """Whether a deployment's circuit breaker has tripped by its end."""
    found = in_stage(sandbox, begun, minutes=minutes)
    tripped = found.get("deploymentCircuitBreaker", {}).get("status") == "TRIGGERED"
    return held_if(row, tripped, breaker(found))


def _canary(sandbox: Sandbox) -> Iterator[Reading]:
    """A canary whose new tasks exit at once."""
    service = SandboxService(strategy="CANARY", priority=11)
    begun = _replaced(sandbox, service, replace(service, code=_EXITS))
    yield _breaker(sandbox, "canary-breaker", begun, minutes=20)
    ended = sandbox.settled()
    yield held_if("failed-canary", ended.status == "UPDATE_ROLLBACK_COMPLETE", f"the stack ended in {ended.status}")


def _bake(sandbox: Sandbox) -> Iterator[Reading]:
    """Tasks that serve through the shift of the traffic, and exit one after the other in the bake."""
    service = SandboxService(strategy="CANARY", priority=12, step_bake=0, bake=10, tasks=3)
    begun = _replaced(sandbox, replace(service, bake=0), replace(service, variables={"LIFE": "240"}))
    baking = in_stage(sandbox, begun, "BAKE_TIME", minutes=12)
    if baking["status"] in OVER:
        raise UndecidedError(f"the deployment was over before its bake: {breaker(baking)}")
    yield _breaker(sandbox, "bake-breaker", begun, minutes=16)


def _worker(sandbox: Sandbox) -> Iterator[Reading]:
    """A service without a load balancer whose new tasks run for five seconds."""
    service = SandboxService(strategy="ROLLING", bake=0, code=_SLEEPS)
    begun = _replaced(sandbox, service, replace(service, code=_ENDS_AFTER_5_S))
    yield _breaker(sandbox, "worker-breaker", begun, minutes=15)


EXPERIMENTS = (
    Experiment("canary-breaker", ("canary-breaker", "failed-canary"), 25, _canary, tasks=2),
    Experiment("bake-breaker", ("bake-breaker",), 30, _bake, tasks=6),
    Experiment("worker-breaker", ("worker-breaker",), 20, _worker, tasks=2),
)
