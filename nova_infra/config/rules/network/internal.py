"""Finds what calls an environment from outside its VPC, where an internal load balancer does not answer."""

from collections.abc import Iterable, Iterator, Mapping

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import on_public_load_balancer
from nova_infra.config.services.service import Service
from nova_infra.config.services.smoke import smoke_paths


def internal_load_balancers(
    environments: Mapping[int, Environment], services: Mapping[int, Service], *, last: int
) -> Iterator[str]:
    """Load balancers that are internal by their DNS name, where something asks from outside."""
    for index, environment in environments.items():
        balancer = environment.network.load_balancer
        if balancer is not None and balancer.is_internal:
            found = asked_from_outside(environment, services.values(), is_last=index == last)
            for fault, remedy in found:
                yield f"environments[{index}].network.load_balancer: {fault}: {remedy}"


def asked_from_outside(
    environment: Environment, services: Iterable[Service], *, is_last: bool
) -> Iterator[tuple[str, str]]:
    """Why an internal load balancer cannot serve an environment, and what to do; nothing where it can.

    The name of an internal load balancer leads to private addresses:
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#load-balancer-scheme

    Args:
        is_last: Whether it is the last environment; the others cannot do without tests.
    """
    services = tuple(services)
    public = [each for _, each in on_public_load_balancer(dict(enumerate(services)), environment)]
    smoked = [e.service.name for e in public if smoke_paths(e.service, e.environment, services)]
    asking_suite = [e for e in public if e.environment.rollout.asks_suite]
    gated = [e.service.name for e in asking_suite if e.environment.rollout.gate == "suite"]
    loaded = [e.service.name for e in asking_suite if e.environment.rollout.load == "suite"]
    askers = {
        f"the {environment.tests} tests after the deployment": "tests" if environment.tests else "",
        f"the suite that {', '.join(gated)} wait for": "rollout.gate" if gated else "",
        f"the suite that sends {', '.join(loaded)} requests": "rollout.load" if loaded else "",
        f"the smoke tests of {', '.join(smoked)}": "smoke" if smoked else "",
    }
    asking = {who: key for who, key in askers.items() if key}
    if not asking:
        return
    remedy = "name one with the scheme internet-facing"
    if is_last:
        removed = " and ".join(key for key in asking.values() if key != "smoke")
        ways = [f"remove {removed} of {environment.name}"] if removed else []
        ways += ['write smoke = [] with untested_reason = "…" in [[services]]'] if smoked else []
        remedy += f", or {', and '.join(ways)}"
    yield (
        f"is internal, but {', '.join(asking)} call it from outside its VPC, where it does not answer: every "
        "deployment would fail",
        remedy,
    )
