"""Whether alarms get enough requests to judge a canary by."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nova_infra.config import load_config
from nova_infra.config.resolved import suite_loaded
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import PartialAnswers
from nova_infra.operations.records.ledger import Ledger, read_ledger

_MOST = 5
_UNSEEN = (
    'a failing canary would go unnoticed: send it requests while it bakes, as rollout.load = "suite" does, '
    "or lower alarms.min_requests"
)


def too_thin(environment: str, rates: Mapping[str, RequestRate], loads: Mapping[str, int | None]) -> list[str]:
    """Which services have too few requests for their alarms to judge, a line each, fewest first; at most six lines.

    Args:
        loads: Service that a test suite is the load of, to the requests a minute that it had in the latest release that
            measured it; None where none has.
    """
    thin = sorted((rate.per_minute, name) for name, rate in rates.items() if rate.silent)
    lines = [
        f"{name}: {environment} has {per_minute:.3g} requests a minute, and {_need(rates[name])}: "
        + (_adds(rates[name], loads[name]) if name in loads else _UNSEEN)
        for per_minute, name in thin[:_MOST]
    ]
    if len(thin) > _MOST:
        lines.append(f"{len(thin) - _MOST} more services of {environment} have too few requests for their alarms")
    return lines


def _adds(rate: RequestRate, load: int | None) -> str:
    """What a suite as load changes about too few requests."""
    if load is None:
        return "the suite sends it requests while it bakes; verify reports afterwards how many"
    if load < max(rate.needs[kind] for kind in rate.silent):
        return (
            f"with the suite as its load, the new revision had {load} in the last release that measured it: "
            "have the suite send it more, or lower alarms.min_requests"
        )
    return f"the suite is its load: in the last release that measured it, the new revision had {load}"


def loaded_by_suite(root: Path, environment: str) -> tuple[str, ...]:
    """Names of the services whose load is a test suite, from nova.toml; none without a usable file."""
    try:
        config = load_config(root)
        return suite_loaded(config.services, config.environment(environment))
    except NovaError:  # The commands that need it say so.
        return ()


def suite_loads(services: Iterable[str], ledger: Ledger) -> dict[str, int | None]:
    """Service to its last measurement with a test suite as its load; None if it was never measured."""
    return {
        name: next((load.per_minute[name] for load in ledger.loads if name in load.per_minute), None)
        for name in services
    }


def _need(rate: RequestRate) -> str:
    """How many requests the silent alarms need, grouped by that number."""
    kinds: dict[int, list[str]] = {}
    for kind in rate.silent:
        kinds.setdefault(rate.needs[kind], []).append(kind)
    return ", ".join(
        f"its {_and(names)} alarm{'s need' if len(names) > 1 else ' needs'} {needed}"
        for needed, names in sorted(kinds.items())
    )


def judged_by(environment: ObservedEnvironment) -> list[str]:
    """How many requests each service's alarms judged by in the last hour, a line each."""
    rates, unread = _read(environment)
    lines = [f"{name}: {judgement(rate)} in the last hour" for name, rate in sorted(rates.items()) if rate.needs]
    return [*lines, *unread]


def to_be_judged_by(environment: ObservedEnvironment, loaded: Iterable[str] = ()) -> list[str]:
    """What :func:`too_thin` says of an environment."""
    rates, unread = _read(environment)
    thin = [name for name in loaded if name in rates and rates[name].silent]
    answers = PartialAnswers()
    loads: dict[str, int | None] = dict.fromkeys(thin)
    if thin:
        loads = answers.ask("the ledger", lambda: suite_loads(thin, read_ledger(environment)), loads)
    unread += [f"not read: {line}" for line in answers.unread]
    return [*too_thin(environment.name, rates, loads), *unread]


def _read(environment: ObservedEnvironment) -> tuple[Mapping[str, RequestRate], list[str]]:
    """The requests of an environment, or a line that says why they cannot be read: nothing fails without them."""
    answers = PartialAnswers()
    rates: Mapping[str, RequestRate] = answers.ask("the requests", environment.request_rates, {})
    return rates, [f"not read: {line}" for line in answers.unread]


def judgement(rate: RequestRate) -> str:
    """Which alarms judged, and which were silent, with the requests a minute."""
    loud = [kind for kind in sorted(rate.needs) if kind not in rate.silent]
    parts = [f"{_and(loud)} judged by {rate.per_minute:.3g} requests a minute"] if loud else []
    for kind in rate.silent:
        parts.append(f"{kind} said nothing, with {rate.per_minute:.3g} of {rate.needs[kind]} requests a minute")
    return "; ".join(parts)


def _and(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
