"""Runs a suite again and again while a new revision bakes, so that its alarms have requests to judge."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from statistics import median_high

from nova_infra.deployed.protocol import SteeredEnvironment
from nova_infra.deployed.rollouts import ServiceDeployment
from nova_infra.errors import NovaError
from nova_infra.operations.records.answers import MeasuredLoad, encode_load
from nova_infra.operations.records.parameter import parameter_name

_DAY = 24 * 3600.0
"""Seconds that a run may take: it ends with the bake."""

Suite = Callable[[Callable[[], bool], float], str]
"""Runs the suite: told what says whether somebody still waits for it, and its time limit in seconds.

It returns why the suite is red, in a clause; empty where it is green.
"""


@dataclass
class SuiteLoad:
    """The load of some services of one release."""

    environment: SteeredEnvironment
    services: Collection[str]
    suite: Suite
    notify: Callable[[str], None]
    _told: set[str] = field(default_factory=set)
    _measured: dict[str, list[int]] = field(default_factory=dict)

    def baking(self, found: Sequence[ServiceDeployment]) -> list[ServiceDeployment]:
        """The deployments whose new revision has users, and alarms by which ECS judges it."""
        return [e for e in found if e.service in self.services and bakes(e) and e.watched and e.watching]

    def send(self, deployments: Sequence[ServiceDeployment], still_wanted: Callable[[], bool]) -> None:
        """Run the suite once; stop early if nobody needs it any more."""
        names = ", ".join(sorted(each.service for each in deployments))
        if fresh := {each.arn for each in deployments} - self._told:
            self._told |= fresh
            self.notify(f"{names}: running the suite as load while they bake")
        stopped = False

        def goes_on() -> bool:
            nonlocal stopped
            stopped = not still_wanted()
            return not stopped

        why = self.suite(goes_on, _DAY)
        if why and not stopped:
            self.notify(f"{names}: the suite is red while it is their load: {why}: their alarms decide")
        self._measure(deployments)

    def _measure(self, deployments: Sequence[ServiceDeployment]) -> None:
        """Note what the new revisions got in the latest minute that CloudWatch has."""
        try:
            traffic = self.environment.readings(deployments).traffic
        except NovaError:  # Nothing depends on it.
            return
        for each in deployments:
            if (got := traffic.get(each.new.target_group)) is not None and got.per_minute:
                self._measured.setdefault(each.service, []).append(got.per_minute)

    def record(self) -> None:
        """Report how many requests new revisions got, and write it to the ledger for the next brief."""
        if not self._measured:
            return
        rates = {service: median_high(rates) for service, rates in sorted(self._measured.items())}
        for service, rate in rates.items():
            self.notify(f"{service}: its new revision got {rate} requests a minute while the suite was its load")
        load = MeasuredLoad(rates, self.environment.now().replace(microsecond=0))
        try:
            self.environment.put_parameter(parameter_name(self.environment, "release"), encode_load(load))
        except NovaError as error:
            self.notify(f"the ledger does not have it: {error}")


def bakes(deployment: ServiceDeployment) -> bool:
    """Whether users reach a new revision that may still be rolled back."""
    under_way = deployment.status in ("PENDING", "IN_PROGRESS") and not deployment.waiting
    return under_way and bool(deployment.new.weight)
