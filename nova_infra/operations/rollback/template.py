"""Changes a deployed template for a rollback: only the image's tag; all traffic at once."""

import copy
import json
import re
from collections.abc import Iterable
from typing import Any

from nova_infra.deployed.model import Image
from nova_infra.deployed.stack import Change, Template
from nova_infra.errors import StrangerError
from nova_infra.names import together_name

TASK_DEFINITION = "AWS::ECS::TaskDefinition"
SERVICE = "AWS::ECS::Service"
STATE_MACHINE = "AWS::StepFunctions::StateMachine"

_RELEASE = "NOVA_RELEASE"
_TAG = re.compile(r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$")


def image_of(template: Template, *, stack: str) -> Image:
    """The image that a service's template names.

    Raises:
        StrangerError: The template holds no container of Nova's.
    """
    image = _container(template, stack)["Image"]
    if isinstance(image, dict) and list(image) == ["Fn::Join"]:
        # What is left to be resolved is the end of the registry's domain, the same for a whole partition.
        image = "".join(part if isinstance(part, str) else "amazonaws.com" for part in image["Fn::Join"][1])
    if not isinstance(image, str):
        raise StrangerError(f"{stack}: its template does not name the image as Nova does: deploy it with Nova first")
    return Image.parse(image)


def with_image(template: Template, tag: str, *, stack: str) -> Template:
    """The template with another tag of the same repository, and the variable that names the release to the service."""
    changed = copy.deepcopy(template)
    container = _container(changed, stack)
    container["Image"] = _retagged(container["Image"], tag, stack)
    for variable in container["Environment"]:
        if variable["Name"] == _RELEASE:
            variable["Value"] = tag
    return changed


def renewed(template: Template, name: str, *, stack: str) -> Template:
    """The template with a label on its container, so that CloudFormation makes a revision of the same image.

    It brings a service back to its template that somebody has pointed at another task definition: CloudFormation does
    not look at what it did not change itself.
    """
    changed = copy.deepcopy(template)
    labels = _container(changed, stack).setdefault("DockerLabels", {})
    labels["nova.repaired-by"] = name
    return changed


def at_once(template: Template) -> Template:
    """The template that moves all traffic at once, when the new tasks are healthy, without a bake.

    Alarms do not roll it back: they are likely to be red with what the bad release does until the very end, and would
    bring it back. The circuit breaker stays: what does not start takes no traffic. The next regular deployment comes
    with a template of its own, and restores the canary, the bake and the alarms.
    """
    changed = copy.deepcopy(template)
    for resource in _of_type(changed, SERVICE):
        configuration = resource["Properties"].setdefault("DeploymentConfiguration", {})
        if configuration.get("Strategy", "ROLLING") != "ROLLING":
            configuration["Strategy"] = "BLUE_GREEN"
        if "BakeTimeInMinutes" in configuration or configuration.get("Strategy") == "BLUE_GREEN":
            configuration["BakeTimeInMinutes"] = 0
        configuration.pop("CanaryConfiguration", None)
        configuration.pop("LinearConfiguration", None)
        configuration.pop("LifecycleHooks", None)  # Nobody is asked, and nothing is tested, on the way back.
        if "Alarms" in configuration:
            configuration["Alarms"] = {**configuration["Alarms"], "Enable": False, "Rollback": False}
    return changed


def by_itself(template: Template) -> Template:
    """The template whose deployment waits for no other service, because the others run another release."""
    changed = copy.deepcopy(template)
    for resource in _of_type(changed, SERVICE):
        configuration = resource["Properties"].get("DeploymentConfiguration", {})
        hooks = configuration.get("LifecycleHooks", ())
        kept = [hook for hook in hooks if together_name("") not in json.dumps(hook.get("HookTargetArn", ""))]
        if len(kept) < len(hooks):
            configuration["LifecycleHooks"] = kept
    return changed


def is_job(template: Template) -> bool:
    """Whether a template runs scheduled tasks only, and keeps none running."""
    return not _of_type(template, SERVICE) and bool(_of_type(template, STATE_MACHINE))


def rollout_of(template: Template) -> str:
    """How the template's service rolls out a new revision, in words."""
    for resource in _of_type(template, SERVICE):
        configuration = resource["Properties"].get("DeploymentConfiguration", {})
        bake = f", bakes {configuration.get('BakeTimeInMinutes', 0)} min"
        match configuration.get("Strategy", "ROLLING"):
            case "CANARY":
                canary = configuration.get("CanaryConfiguration", {})
                share, minutes = canary.get("CanaryPercent"), canary.get("CanaryBakeTimeInMinutes")
                return f"canary of {share} % for {minutes} min{bake}"
            case "LINEAR":
                linear = configuration.get("LinearConfiguration", {})
                return f"steps of {linear.get('StepPercent')} %, {linear.get('StepBakeTimeInMinutes')} min each{bake}"
            case strategy:
                return f"{strategy.lower().replace('_', '/')}{bake}"
    return "at its next run"


def other_changes(changes: Iterable[Change], template: Template) -> list[str]:
    """The changes beyond a task definition and a service, in words; empty if only a rollback would happen.

    A resource that changes only because it takes a value from one of the two may be listed, too, and so may one that
    takes a value from that: CloudFormation cannot tell before it is done that the values stay the same.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
    """
    expected = {
        logical_id: resource["Type"]
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] in (TASK_DEFINITION, SERVICE)
    }
    changes = list(changes)
    passive = set(expected)
    caused = [change for change in changes if _in_place(change) and change.causes]
    while following := {change.logical_id for change in caused if passive.issuperset(change.causes)} - passive:
        passive |= following
    found = []
    for change in changes:
        kind = expected.get(change.logical_id)
        if kind == TASK_DEFINITION and change.action == "Modify":
            continue
        if kind == SERVICE and _in_place(change):
            continue
        if kind is None and change.logical_id in passive:
            continue
        replaced = ", by replacing it" if change.replacement == "True" else ""
        found.append(f"{change.action} {change.type} {change.logical_id}{replaced}")
    return found


def _in_place(change: Change) -> bool:
    return change.action == "Modify" and change.replacement != "True"


def _of_type(template: Template, kind: str) -> list[dict[str, Any]]:
    return [resource for resource in template.get("Resources", {}).values() if resource.get("Type") == kind]


def _container(template: Template, stack: str) -> dict[str, Any]:
    """The container that gets the release's name: the service's own."""
    containers: list[dict[str, Any]] = [
        container
        for definition in _of_type(template, TASK_DEFINITION)
        for container in definition["Properties"]["ContainerDefinitions"]
        if any(variable["Name"] == _RELEASE for variable in container.get("Environment", ()))
    ]
    if len(containers) != 1:
        raise StrangerError(
            f"{stack}: its template has {len(containers)} containers with a release variable instead of one: "
            "it was not deployed by Nova"
        )
    return containers[0]


def _retagged(image: Any, tag: str, stack: str) -> Any:
    """An image reference with another tag: text, or the parts that CloudFormation joins."""
    if isinstance(image, str) and "/" in image:
        return _TAG.sub("", image, count=1) + f":{tag}"
    if isinstance(image, dict) and list(image) == ["Fn::Join"]:
        separator, parts = image["Fn::Join"]
        if separator == "" and parts and isinstance(parts[-1], str):
            return {"Fn::Join": [separator, [*parts[:-1], _retagged(parts[-1], tag, stack)]]}
    raise StrangerError(f"{stack}: its template does not name the image as Nova does: deploy it with Nova first")
