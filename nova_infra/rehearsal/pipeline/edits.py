"""Edits templates: another release, a drill's fault, another canary. Each returns a new template."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nova_infra.assembly import Template, resources_of_type
from nova_infra.names import BEFORE_DEPLOY, together_name
from nova_infra.rehearsal.ecs.lifecycle.hooks import TESTED
from nova_infra.rehearsal.tasks.definition import place_for_requests
from nova_infra.rehearsal.tasks.faults import put_into

Edit = Callable[[Template], Template]

_EDITED = ("AWS::ECS::Service", "AWS::ECS::TaskDefinition", "AWS::Lambda::Function", BEFORE_DEPLOY)
_SHIFTING = ("CANARY", "LINEAR", "BLUE_GREEN")


def previous_images(template: Template) -> Template:
    """Rename every task definition's image and release, as if they were those of an earlier release."""
    copy = _copy(template)
    for container in _containers(copy):
        renamed = _with_tag(container, _image(container).rpartition(":")[2])
        container.clear()
        container.update(renamed)
    for run in resources_of_type(copy, BEFORE_DEPLOY).values():
        # Another image has another key: the command of the next release runs, too.
        run["Properties"]["Key"] = {"Fn::Join": ["", [run["Properties"]["Key"], "-previous"]]}
    return copy


def _with_tag(value: Any, tag: str) -> Any:
    """A value with another tag, alone or at the end of an image's name; words that contain it stay."""
    if isinstance(value, dict):
        return {key: _with_tag(each, tag) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_tag(each, tag) for each in value]
    is_tagged = isinstance(value, str) and (value == tag or value.endswith(f":{tag}"))
    return f"{value}-previous" if is_tagged else value


def fault_in(repository: str | None, fault: str) -> Edit:
    """Put a fault into the service whose image comes from a repository: into the container that gets its requests.

    Args:
        repository: Last part of the image's name, without the tag; None for every service.
        fault: As in ``nova_infra.rehearsal.tasks.faults``.
    """

    def edit(template: Template) -> Template:
        copy = _copy(template)
        services = resources_of_type(copy, "AWS::ECS::Service").values()
        served = [each for service in services for each in service["Properties"].get("LoadBalancers", ())]
        names = {str(each.get("ContainerName")) for each in served}
        for definition in resources_of_type(copy, "AWS::ECS::TaskDefinition").values():
            containers = definition["Properties"]["ContainerDefinitions"]
            named = next((each["Name"] for each in containers if each.get("Name") in names), "")
            container = containers[place_for_requests(containers, named)]
            if repository in (None, repository_of(container)):
                put_into(container, fault)
        return copy

    return edit


def canary(percent: float, bake_minutes: int) -> Edit:
    """Make every deployment that shifts traffic a canary with this share and bake; a rolling one stays as it is."""

    def edit(template: Template) -> Template:
        copy = _copy(template)
        for service in resources_of_type(copy, "AWS::ECS::Service").values():
            rollout = service["Properties"].get("DeploymentConfiguration", {})
            if rollout.get("Strategy") in _SHIFTING:
                rollout.pop("LinearConfiguration", None)
                rollout["Strategy"] = "CANARY"
                rollout["CanaryConfiguration"] = {"CanaryPercent": percent, "CanaryBakeTimeInMinutes": bake_minutes}
        return copy

    return edit


def gate(minutes: int) -> Edit:
    """Have every deployment that shifts traffic wait for an answer first; gates that exist only change times."""

    def edit(template: Template) -> Template:
        copy = _copy(template)
        for service in resources_of_type(copy, "AWS::ECS::Service").values():
            rollout = service["Properties"].get("DeploymentConfiguration", {})
            if rollout.get("Strategy") not in _SHIFTING:
                continue
            hooks = rollout.setdefault("LifecycleHooks", [])
            if not any(hook.get("TargetType") == "PAUSE" for hook in hooks):
                hooks.append({"TargetType": "PAUSE", "LifecycleStages": ["POST_SCALE_UP"]})
            for hook in hooks:
                if hook.get("TargetType") == "PAUSE":
                    hook["TimeoutConfiguration"] = {"TimeoutInMinutes": minutes, "Action": "ROLLBACK"}
        return copy

    return edit


_FUNCTIONS = {
    "fails": "def handler(event, context):\n    raise RuntimeError('the function is broken')\n",
    "hangs": "def handler(event, context):\n    return {'hookStatus': 'IN_PROGRESS'}\n",
}


def function_that(does: str, minutes: int) -> Edit:
    """Have every function that is called at lifecycle hooks fail, or hang for longer than it may take."""

    def edit(template: Template) -> Template:
        copy = _copy(template)
        for function in resources_of_type(copy, "AWS::Lambda::Function").values():
            function["Properties"]["Code"] = {"ZipFile": _FUNCTIONS[does]}
        for service in resources_of_type(copy, "AWS::ECS::Service").values():
            for hook in service["Properties"].get("DeploymentConfiguration", {}).get("LifecycleHooks", ()):
                if hook.get("TargetType") != "PAUSE":
                    hook["TimeoutConfiguration"] = {"TimeoutInMinutes": minutes, "Action": "ROLLBACK"}
        return copy

    return edit


def tests_before_traffic(template: Template) -> bool:
    """Whether a service of a template has a function test it before any user reaches it."""
    return any(map(_is_smoke, _hooks(template)))


def without_smoke(template: Template) -> Template:
    """Remove the functions that test new revisions, so that what comes next is tested."""
    return _without_hooks(template, _is_smoke)


def goes_together(template: Template) -> bool:
    """Whether a service of a template waits for the others of its release."""
    return any(_waits_for_others(hook) for hook in _hooks(template))


def alone(template: Template) -> Template:
    """Make services wait for no others, as if only one were deployed."""
    return _without_hooks(template, _waits_for_others)


def _without_hooks(template: Template, left_out: Callable[[Mapping[str, Any]], bool]) -> Template:
    copy = _copy(template)
    for service in resources_of_type(copy, "AWS::ECS::Service").values():
        rollout = service["Properties"].get("DeploymentConfiguration", {})
        if hooks := rollout.get("LifecycleHooks"):
            rollout["LifecycleHooks"] = [hook for hook in hooks if not left_out(hook)]
    return copy


def _is_smoke(hook: Mapping[str, Any]) -> bool:
    return hook.get("TargetType") != "PAUSE" and TESTED in hook["LifecycleStages"]


def _waits_for_others(hook: Mapping[str, Any]) -> bool:
    return together_name("") in json.dumps(hook.get("HookTargetArn", ""))


def _hooks(template: Template) -> Iterator[Mapping[str, Any]]:
    for service in resources_of_type(template, "AWS::ECS::Service").values():
        yield from service["Properties"].get("DeploymentConfiguration", {}).get("LifecycleHooks", ())


def repositories(template: Template) -> list[str]:
    """The repositories of the images that a template runs."""
    return [repository_of(container) for container in _containers(template)]


def repository_of(container: dict[str, Any]) -> str:
    """Last part of a container's image, without the tag."""
    return _image(container).rpartition("/")[2].partition(":")[0]


def _containers(template: Template) -> list[dict[str, Any]]:
    definitions = resources_of_type(template, "AWS::ECS::TaskDefinition").values()
    return [c for definition in definitions for c in definition["Properties"]["ContainerDefinitions"]]


def _image(container: dict[str, Any]) -> str:
    """The image's name, or the end of it where it is a join of strings."""
    image = container["Image"]
    if isinstance(image, dict):
        image = image["Fn::Sub"] if "Fn::Sub" in image else image["Fn::Join"][1][-1]
    return str(image if isinstance(image, str) else image[0])


def _copy(template: Template) -> Template:
    """The template, in which resources of the types that edits change are its own."""
    resources = template.get("Resources", {}).items()
    own = {name: json.loads(json.dumps(each)) if each.get("Type") in _EDITED else each for name, each in resources}
    return {**template, "Resources": own}
