"""``nova verify`` and ``nova preflight`` as a whole: the release, waivers, orphans, secrets, the ledger's entry."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nova_infra.assembly import Assembly, digest_of, digest_of_files
from nova_infra.config import load_config
from nova_infra.deployed.connect import Whereabouts, service_names
from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.errors import CheckFailedError, NotDeployedError, RefusedError
from nova_infra.operations.gates.orphans import orphans, told, wanted_rules
from nova_infra.operations.gates.preflight import Known, judge, survey
from nova_infra.operations.gates.traffic import judged_by, loaded_by_suite, to_be_judged_by
from nova_infra.operations.gates.verify import verify
from nova_infra.operations.records.holds import refusals
from nova_infra.operations.records.ledger import Entry, Outcome, ReleasedImage, append, read_ledger
from nova_infra.operations.records.lookup import matching, short
from nova_infra.operations.records.waivers import read_waivers, waived
from nova_infra.operations.release.checkout import released, unsigned
from nova_infra.operations.release.secrets import missing_secrets

Notify = Callable[[str], None]


def verify_release(
    environment: RecordedEnvironment,
    release: str | None,
    place: Whereabouts,
    *,
    checkout: bool,
    assembly: Path | None,
    patience: float,
    notify: Notify,
) -> str:
    """Check that an environment runs a release, and write that of a checkout to the ledger.

    Args:
        release: Its name in the ledger; None for the latest one, or for that of the checkout.
        patience: Seconds to wait for what may still recover.

    Returns:
        What it runs, in a sentence.

    Raises:
        CheckFailedError: What is wrong, a line each.
    """
    name, images, committed_at = _release(environment, release, place, checkout=checkout)
    found = verify(environment, images, patience=patience, notify=notify)
    now = datetime.now(UTC).replace(microsecond=0)
    waivers = waived(read_waivers(environment), name, now=now) if found else {}
    in_spite = [f"{each.text}: {waivers[each.subject]}" for each in found if each.subject in waivers]
    faults = [each.text for each in found if each.subject not in waivers]
    if checkout:
        faults += unsigned(environment, images, place.root)
        outcome: Outcome = "failed" if faults else "verified"
        reason = next(iter([*faults, *in_spite]), "")
        built = digest_of_files(assembly) if assembly is not None and environment.played() is None else ""
        append(environment, Entry(name, images, now, outcome, environment.caller(), reason, committed_at, built))
    known = _known(environment, place, checkout=checkout)
    left = orphans(environment.prefix, environment.stacks(), known.services) if known is not None else ()
    for line in (*map(told, left), *in_spite, *judged_by(environment)):
        notify(line)
    _raise(faults)
    return f"{environment.name} runs {short(name)}: {len(images)} services as released"


def allow_deployment(
    environment: ObservedEnvironment, place: Whereabouts, *, checkout: bool, assembly: Path | None, notify: Notify
) -> str:
    """Check that a deployment may start: that of a checkout's release, or any.

    Returns:
        That it may, in a sentence.

    Raises:
        CheckFailedError: Why it may not, a line each.
    """
    try:
        if templates := release_templates(environment, assembly):
            notify(f"templates: {digest_of(templates)}")  # as the brief said
        conditions = survey(environment, _known(environment, place, checkout=checkout), templates or None)
    except NotDeployedError:
        return f"{environment.name}: nothing is deployed there yet: a first deployment may start"
    name, images, refused = None, {}, list[str]()
    if checkout:
        name, pulled, _ = released(environment, place.root)
        images = {service: image.digest for service, image in pulled.items()}
        refused = unsigned(environment, pulled, place.root)
    judged = judge(conditions, name, images, now=datetime.now(UTC))
    secrets = missing_secrets(environment, templates)
    loaded = loaded_by_suite(place.root, environment.name) if checkout else ()
    for line in (*map(told, conditions.orphans), *to_be_judged_by(environment, loaded)):
        notify(line)
    for line in (*(f"{each.text}: {waiver}: {each.lost}" for each, waiver in judged.waived), *secrets.not_checked):
        notify(line)
    refused = [*(each.text for each in judged.refused), *refused, *secrets.missing]
    held = name is not None and refusals(conditions.holds, name, images)
    if name is not None and not held and any(each.subject for each in judged.refused):
        command = f'nova accept-red {environment.name} {short(name)} --why "…"'
        refused.append(f"if the red is not the release's fault and the release cannot wait: `{command}`, then retry")
    _raise(refused)
    return f"{environment.name}: a deployment may start"


def release_templates(environment: ObservedEnvironment, assembly: Path | None) -> dict[str, Any]:
    """Stack to its template in the release: a rehearsal knows what it plays. Empty where no assembly is given."""
    if (played := environment.played()) is not None:
        return dict(played.templates)
    return Assembly(assembly).templates(environment.prefix) if assembly is not None else {}


def _release(
    environment: ObservedEnvironment, release: str | None, place: Whereabouts, *, checkout: bool
) -> tuple[str, dict[str, ReleasedImage], datetime | None]:
    """Name, images and commit time of the release of a checkout, or of the ledger."""
    if checkout:
        return released(environment, place.root)
    ledger = read_ledger(environment)
    if not ledger.entries:
        environment.service_names()  # refuses an environment that does not exist
        raise RefusedError(f"release: the ledger of {environment.name} is empty: nothing was released there yet")
    entry = ledger.entries[0] if release is None else matching(ledger, release)[0]
    return entry.release, dict(entry.images), entry.committed_at


def _known(environment: ObservedEnvironment, place: Whereabouts, *, checkout: bool) -> Known | None:
    """What nova.toml says of the services; in a rehearsal, with what the release that is played runs."""
    if (played := environment.played()) is not None:
        # A job runs nothing between its runs.
        return Known(tuple({*played.images, *(service_names(replace(place, region=None, platform=None)) or ())}))
    if checkout:
        config = load_config(place.root)
        here = config.environment(environment.name)
        balancer = here.network.load_balancer
        listener = balancer.listener if balancer is not None else ""
        return Known([service.name for service in config.services], wanted_rules(config, here), listener)
    names = service_names(place)
    return Known(names) if names is not None else None


def _raise(faults: list[str]) -> None:
    if faults:
        raise CheckFailedError("\n".join(faults))
