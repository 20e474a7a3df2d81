"""Checks whether an environment runs what it should, and waits for what may still recover."""

import threading
import time
from collections.abc import Callable, Mapping

from nova_infra.deployed.model import Answer
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Template
from nova_infra.errors import PassingError
from nova_infra.machine.parallel import threads
from nova_infra.operations.gates.asked import is_internal, leads_to
from nova_infra.operations.gates.problems import Problem, Seen, answered_release, faults
from nova_infra.operations.records.ledger import ReleasedImage
from nova_infra.operations.rollback.template import image_of, is_job

SECONDS_BETWEEN_LOOKS = 5.0
"""How long verify waits before it looks again at what may still come right."""

_SERVED_BY_KIT = "nova_kit.serve"
_NO_TARGET_ANSWERS = (0, 502, 503, 504)


def verify(
    environment: ObservedEnvironment,
    release: Mapping[str, ReleasedImage],
    *,
    patience: float,
    notify: Callable[[str], None],
) -> list[Problem]:
    """Look at an environment until it runs a release as it should, or does not.

    Args:
        patience: Seconds to wait for what may still come right, such as an alarm that has not cleared yet.
        notify: Called with what is waited for, and with what was not asked.

    Returns:
        What is wrong; nothing where all is well.
    """
    until = time.monotonic() + patience
    waited_for = unasked = ""
    while True:
        try:
            seen = look(environment, tuple(release))
            found, unasked = faults(release, seen), seen.unasked
        except PassingError as error:
            found = [Problem(f"{environment.name}: cannot be read: {error}", may_pass=True)]
        left = until - time.monotonic()
        if not found or not all(problem.may_pass for problem in found) or left <= 0:
            if unasked:
                notify(f"{environment.name}: {unasked}")
            return found
        if found[0].text != waited_for:
            waited_for = found[0].text
            notify(f"waiting: {waited_for}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))
        threading.Event().wait(min(SECONDS_BETWEEN_LOOKS, left))


def look(environment: ObservedEnvironment, names: tuple[str, ...]) -> Seen:
    """Read what :func:`faults` decides from, for some services, with all questions asked in parallel."""
    with threads() as pool:
        services = pool.submit(environment.services)
        stacks = pool.submit(environment.stacks, [environment.stack_name(name) for name in names])
        alarms = pool.submit(environment.alarms)
        platform = environment.template(environment.stack_name("platform"))
        known = {service.name for service in services.result()}
        deployed = {stack.name for stack in stacks.result()}
        others = [name for name in names if name not in known and environment.stack_name(name) in deployed]
        # What is not deployed at all has no template to read.
        asked = () if is_internal(platform) else tuple(name for name in names if name in known or name in others)
        versions = dict(zip(asked, pool.map(lambda name: version_of(environment, name, platform), asked), strict=True))
        jobs = dict(zip(others, pool.map(lambda name: _job(environment, name), others), strict=True))
        return Seen(
            services.result(),
            stacks.result(),
            alarms.result(),
            {name: answer for name, answer in versions.items() if answer is not None},
            {name: found for name, found in jobs.items() if found is not None},
            "/version of its services was not checked: its load balancer is internal"
            if names and is_internal(platform)
            else "",
        )


def version_of(environment: ObservedEnvironment, service: str, platform: Template) -> Answer | None:
    """What the service's ``/version`` answers; None if no rule leads there, or the service promises no such answer.

    Services on the kit, and those that ``nova service add`` writes, tell their release there. Of any other container,
    only what the load balancer says itself counts: that nothing answers.
    """
    path = f"/{service}/version"
    answer = environment.get(path)
    if service in answer.body and answered_release(answer) is not None:
        return answer
    template = environment.template(environment.stack_name(service))
    # Where another service takes every path, it answers for those that no rule leads to.
    if not leads_to(template, platform, path) or (not _on_kit(template) and answer.status not in _NO_TARGET_ANSWERS):
        return None
    return answer


def _job(environment: ObservedEnvironment, name: str) -> tuple[str, str] | None:
    """The stack of a job, and the tag or digest of its image; None unless it is one of Nova's jobs."""
    stack = environment.stack_name(name)
    template = environment.template(stack)
    if not is_job(template):
        return None
    image = image_of(template, stack=stack)
    return stack, image.tag or str(image.digest)


def _on_kit(template: Template) -> bool:
    """Whether the kit starts a service's container."""
    return any(
        _SERVED_BY_KIT in (container.get("Command") or ())
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
        for container in resource["Properties"].get("ContainerDefinitions", ())
    )
