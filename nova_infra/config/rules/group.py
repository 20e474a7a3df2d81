"""Refuses services that cannot be deployed together."""

from collections.abc import Iterator, Mapping

from pydantic import ValidationError

from nova_infra.config.delivery import ReleaseSettings
from nova_infra.config.environment import Environment
from nova_infra.config.group import group, group_minutes
from nova_infra.config.resolved import resolved
from nova_infra.config.rules.rollouts import MAX_JOB_MINUTES, MAX_MINUTES
from nova_infra.config.services.service import Service


def group_contradictions(
    release: ReleaseSettings,
    environments: Mapping[int, Environment],
    services: Mapping[int, Service],
    *,
    in_job: bool,
) -> Iterator[str]:
    """Every contradiction, as the key's path, what is wrong and what to do.

    Args:
        in_job: Whether a job of GitHub Actions waits for a deployment.
    """
    if not release.together:
        if "wait_minutes" in release.model_fields_set:
            yield "release.wait_minutes: has no effect without together: write together = true, or remove it"
        return
    for index, environment in environments.items():
        try:
            members = group(release, services.values(), environment)
            waits = group_minutes(release, services.values(), environment)
            rollouts = {place: resolved(each, environment).environment.rollout for place, each in services.items()}
        except ValidationError:
            continue  # Another check says so.
        for place, service in services.items():
            if members and service.name not in members and service.kind == "web":
                yield (
                    f"services[{place}].rollout in {environment.name}: is rolling, so it cannot wait for the "
                    "others, as release.together asks: write another strategy, or remove together"
                )
        took = {each.name: rollouts[place] for place, each in services.items() if each.name in members}
        minutes = {name: each.minutes() + each.waiting_minutes() + waits for name, each in took.items()}
        slowest = max(minutes, key=lambda name: minutes[name], default="")
        most = MAX_JOB_MINUTES if in_job else MAX_MINUTES
        if slowest and minutes[slowest] > most:
            who = "a GitHub Actions job" if in_job else "CloudFormation"
            yield (
                f"environments[{index}].rollout: {slowest} may take {minutes[slowest]:g} minutes, of which it waits "
                f"{waits} for the others of its release, longer than {who} waits: lower release.wait_minutes, "
                f"gate_minutes or the bakes, to stay within {most} minutes"
            )
