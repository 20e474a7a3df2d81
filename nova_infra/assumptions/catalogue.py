"""Lists all experiments of ``nova prove``, with minutes and money; only open rows have one."""

from collections.abc import Iterable, Sequence

from nova_infra.assumptions.experiments import capacity, failures, hooks, permissions, records, rollouts, tasks, traffic
from nova_infra.assumptions.rows import rows
from nova_infra.assumptions.sandbox.experiment import MARGIN_MINUTES, Experiment
from nova_infra.errors import RefusedError
from nova_infra.operations.changes.cost import prices

EXPERIMENTS: tuple[Experiment, ...] = (
    *failures.EXPERIMENTS,
    *rollouts.EXPERIMENTS,
    *hooks.EXPERIMENTS,
    *capacity.EXPERIMENTS,
    *tasks.EXPERIMENTS,
    *traffic.EXPERIMENTS,
    *permissions.EXPERIMENTS,
    *records.EXPERIMENTS,
)
GROUND_MINUTES = 5
"""How long the network and the load balancer that experiments share take to make."""
CLEAN_MINUTES = 10
"""How long everything takes to remove."""


def choose(ids: Sequence[str]) -> list[Experiment]:
    """The experiments that settle some rows; all of them without ids.

    Raises:
        RefusedError: No row has such an id, or no experiment settles it.
    """
    known = rows()
    settled = {row: experiment for experiment in EXPERIMENTS for row in experiment.rows}
    for row in ids:
        if row not in known:
            raise RefusedError(f"--only: no row is called {row!r}: `nova prove --dry-run` lists them")
        if row not in settled:
            raise RefusedError(f"--only: no experiment settles {row}: {known[row].unproven}")
    return list(dict.fromkeys(settled[row] for row in ids)) if ids else list(EXPERIMENTS)


def minutes(chosen: Iterable[Experiment]) -> int:
    """How long a run takes: experiments run side by side."""
    found = list(chosen)
    ground = GROUND_MINUTES if any(each.ground for each in found) else 0
    return ground + max((each.minutes for each in found), default=0) + CLEAN_MINUTES


def usd(experiment: Experiment) -> float:
    """What one experiment costs: its tasks while they exist, each with a public address."""
    rate, network = prices()["fargate"]["x86_64"], prices()["network"]
    hour = rate["vcpu_hour"] / 4 + rate["gb_hour"] / 2 + network["address_hour"]
    return float(experiment.tasks * hour * (experiment.minutes + MARGIN_MINUTES) / 60 + experiment.usd)


def ground_usd(chosen: Iterable[Experiment]) -> float:
    """What the shared load balancer costs, with an address in each of two zones, over the whole run."""
    found = list(chosen)
    if not any(each.ground for each in found):
        return 0.0
    network = prices()["network"]
    hour = network["load_balancer_hour"] + network["load_balancer_unit_hour"] + 2 * network["address_hour"]
    return float(hour * minutes(found) / 60)


def total(chosen: Sequence[Experiment]) -> str:
    """What all experiments take together."""
    cost, basis = sum(map(usd, chosen)) + ground_usd(chosen), f"list prices of us-east-1, {prices()['dated']}"
    return f"in all: {minutes(chosen)} min side by side, {cost:.2f} USD at {basis}"
