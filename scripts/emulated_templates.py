"""Templates as moto can take them: what it cannot make is left out, and what refers to that."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logging.getLogger("moto").setLevel(logging.ERROR)  # which warns of every type that it does not know

# What moto makes without the attributes that other resources ask of it, or refuses as CDK writes it.
UNSUITABLE = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::FlowLog",
    "AWS::EC2::SecurityGroupIngress",
}
_WITHOUT_ATTRIBUTES = {"AWS::ElasticLoadBalancingV2::TargetGroup"}


def set_image(template: dict[str, Any], tag: str) -> None:
    """Give the images of a template's tasks another tag."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            for container in resource["Properties"]["ContainerDefinitions"]:
                container["Image"] = _retagged(container["Image"], tag)


def _retagged(image: Any, tag: str) -> Any:
    """A reference with another tag, whichever way a template writes it."""
    if isinstance(image, str):
        return f"{image.rpartition(':')[0]}:{tag}"
    parts = image["Fn::Join"][1]
    return {"Fn::Join": ["", [*parts[:-1], f"{parts[-1].rpartition(':')[0]}:{tag}"]]}


def write(path: Path, template: Mapping[str, Any], properties: dict[str, Any]) -> None:
    """Write a template, and the hash of its content, under which the CLI uploads it unless it is there already."""
    content = json.dumps(template)
    path.write_text(content, encoding="utf-8")
    url = str(properties["stackTemplateAssetObjectUrl"])
    old, new = url.rpartition("/")[2], f"{hashlib.sha256(content.encode()).hexdigest()}.json"
    properties["stackTemplateAssetObjectUrl"] = url.replace(old, new)
    for assets in path.parent.glob("*.assets.json"):
        text = assets.read_text(encoding="utf-8")
        if path.name in text:
            assets.write_text(text.replace(old, new), encoding="utf-8")


def makeable(templates: Mapping[Path, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """The templates with what the emulator can make: it knows its type, and those of all that it refers to.

    Args:
        templates: Path to template; what one of them exports, another may import.
    """
    made, gone, before = dict(templates), set[str](), None
    while gone != before:
        before = set(gone)
        made = {path: _without(template, gone) for path, template in templates.items()}
        kept = {name for template in made.values() for name in _exports(template)}
        gone |= {name for template in templates.values() for name in _exports(template)} - kept
    return made


def _without(template: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    from moto.cloudformation.parsing import resource_class_from_type

    def known(resource: Mapping[str, Any]) -> bool:
        kind = str(resource["Type"])
        return resource_class_from_type(kind) is not None and kind not in UNSUITABLE and not _imports(resource) & gone

    resources = template["Resources"]
    kept = {key: each for key, each in resources.items() if known(each)}
    lost = resources.keys() - kept.keys()
    while more := {key for key, each in kept.items() if _references(each.get("Properties", {})) & lost}:
        kept = {key: each for key, each in kept.items() if key not in more}
        lost |= more
    for resource in kept.values():
        if isinstance(needed := resource.get("DependsOn"), list):
            resource["DependsOn"] = [key for key in needed if key in kept]
    mute = {key for key, each in resources.items() if each["Type"] in _WITHOUT_ATTRIBUTES}
    outputs = {
        key: each
        for key, each in template.get("Outputs", {}).items()
        if not _references(each) & lost and not ("Fn::GetAtt" in json.dumps(each) and _references(each) & mute)
    }
    # Its update of a stack does not find the value of a parameter that stays: here, the bootstrap's version.
    rest = {key: each for key, each in template.items() if key not in ("Parameters", "Rules")}
    return rest | {"Resources": kept, "Outputs": outputs}


def _exports(template: Mapping[str, Any]) -> set[str]:
    return {str(each["Export"]["Name"]) for each in template.get("Outputs", {}).values() if "Export" in each}


def _imports(value: Any) -> set[str]:
    if isinstance(value, dict):
        mine = {str(value["Fn::ImportValue"])} if "Fn::ImportValue" in value else set()
        return mine.union(*map(_imports, value.values()))
    return set().union(*map(_imports, value)) if isinstance(value, list) else set()


def _references(value: Any) -> set[str]:
    """The logical ids that a value refers to."""
    if isinstance(value, dict):
        if "Ref" in value:
            return {str(value["Ref"])}
        if "Fn::GetAtt" in value:
            attribute = value["Fn::GetAtt"]
            return {attribute.partition(".")[0] if isinstance(attribute, str) else str(attribute[0])}
        return set().union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()
