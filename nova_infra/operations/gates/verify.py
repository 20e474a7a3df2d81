"""``nova verify``: does an environment run the release? Reads all, ``/version`` too; waits for what may recover."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from nova_infra.deployed.model import Answer
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import Template
from nova_infra.errors import PassingError
from nova_infra.machine.parallel import threads
from nova_infra.names import SCHEME_OUTPUT
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


_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def is_internal(platform: Template) -> bool:
    """Whether an environment's existing load balancer answers only in its VPC, by the platform's template."""
    return bool(platform.get("Outputs", {}).get(SCHEME_OUTPUT, {}).get("Value") == "internal")


def leads_to(template: Template, platform: Template, path: str) -> bool:
    """Whether a service's rule, without ``hosts`` and not internal, matches a path at the environment's address."""
    url = platform.get("Outputs", {}).get("Url", {}).get("Value")
    # Of a load balancer of the environment's own, only AWS knows the name: no rule is about it.
    host = (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    return any(
        _matches(rule, "host-header", "HostHeaderConfig", host)
        and _matches(rule, "path-pattern", "PathPatternConfig", path)
        for rule in _rules(template)
        if not _is_private(rule.get("ListenerArn"), platform)
    )


def _matches(rule: Mapping[str, Any], field: str, key: str, value: str) -> bool:
    """Whether a rule's conditions on a field hold; without conditions they do."""
    return all(
        any(fnmatchcase(value, str(each)) for each in condition.get(key, condition).get("Values", ()))
        for condition in rule["Conditions"]
        if condition.get("Field") == field
    )


def _is_private(listener: object, platform: Template) -> bool:
    """Whether the listener that a service's template imports belongs to an internal load balancer of the platform."""
    name = listener.get("Fn::ImportValue") if isinstance(listener, Mapping) else None
    exported = [
        each["Value"].get("Ref")
        for each in platform.get("Outputs", {}).values()
        if name is not None and each.get("Export", {}).get("Name") == name and isinstance(each["Value"], Mapping)
    ]
    resources = platform.get("Resources", {})
    balancers = [resources[one]["Properties"].get("LoadBalancerArn") for one in exported if one in resources]
    return any(
        resources.get(each.get("Ref"), {}).get("Properties", {}).get("Scheme") == "internal"
        for each in balancers
        if isinstance(each, Mapping)
    )


def _rules(template: Template) -> Iterator[Mapping[str, Any]]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == _RULE:
            yield resource["Properties"]
