"""Refuses smoke paths that a smoke test could not request."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import suite_asked
from nova_infra.config.services.service import Service
from nova_infra.config.services.smoke import leads_to


def smoke_contradictions(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    """Every contradiction: key, fault, remedy. The tests' rule stands before the service's, with a header more."""
    approved = next((each.name for each in environments.values() if each.approval), "")
    for index, service in services.items():
        untested = "smoke" in service.model_fields_set and not service.smoke
        if untested and approved and service.untested_reason is None:
            yield (
                f"services[{index}].smoke: is empty, so users of {approved}, which requires an approval, would get "
                'revisions that nothing has tested: name paths, or say why not: untested_reason = "…"'
            )
        if service.untested_reason is not None and not untested:
            yield f"services[{index}].untested_reason: has no effect without smoke = []: write both, or remove it"
        if service.kind != "web" or not (service.smoke or _waits_for_suite(service, environments.values())):
            continue
        key = f"services[{index}]"
        yield from _place(key, service, environments.values(), services.values())
        if not service.smoke:
            continue
        if any("*" in host for host in service.hosts[:1]):
            yield f"{key}.hosts: {service.hosts[0]!r} is not a name that can be requested: put another one first"
        if service.protocol == "grpc" or service.internal:
            what = "protocol" if service.protocol == "grpc" else "internal"
            yield f"{key}.smoke: cannot be asked, because of {what}: remove smoke"
            continue
        for path in service.smoke:
            if not leads_to(service, path):
                yield (
                    f"{key}.smoke: {path!r} is under none of the service's paths, and only they lead to it: correct "
                    "it, or add it to paths"
                )


def _place(
    key: str, service: Service, environments: Iterable[Environment], services: Iterable[Service]
) -> Iterator[str]:
    """Say where the place right before a service's rule is not free for the rule of its tests."""
    webs = [each for each in services if each.kind == "web"]
    lines: dict[str, None] = {}
    for name in [environment.name for environment in environments] or [""]:
        taken = {each.priority_in(name): each.name for each in webs}
        priority = service.priority_in(name)
        before = priority - 1
        if before < 1 or before in taken:
            own = f"{key}.priority" if priority == service.priority else f"{key}.environments.{name}.priority"
            whose = f"is that of {taken[before]}" if before in taken else "does not exist"
            lines[
                f"{own}: {priority} leaves no room for the rule of its tests: {before} {whose}: "
                "write priority = … with another number"
            ] = None
    yield from lines


def _waits_for_suite(service: Service, environments: Iterable[Environment]) -> bool:
    """Whether an environment's test suite asks for its new revisions, by the same rule as smoke tests."""
    for environment in environments:
        try:
            if suite_asked([service], environment):
                return True
        except ValidationError:
            continue  # Another check says so.
    return False
