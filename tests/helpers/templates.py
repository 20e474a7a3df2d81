"""Reads synthesized templates: the resources of a type, a pipeline's steps, what roles may do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.assembly import Assembly
from nova_infra.checks.permissions.attached import Attached
from nova_infra.checks.permissions.statements import Statement, allowing
from nova_infra.checks.rule import Template as Checked

PAGE = " ".join((Path(__file__).parents[2] / "SECURITY.md").read_text().split())

Template = dict[str, Any]


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    """Those of each resource of a type, of which there is one at least."""
    found = [each.get("Properties", {}) for each in template["Resources"].values() if each["Type"] == kind]
    assert found, f"no {kind}"
    return found


def everywhere(templates: list[Template], kind: str) -> list[dict[str, Any]]:
    """The same of several templates."""
    having = [t for t in templates if any(each["Type"] == kind for each in t["Resources"].values())]
    return [one for each in having for one in properties(each, kind)]


def projects(template: Template) -> list[dict[str, Any]]:
    return properties(template, "AWS::CodeBuild::Project")


def steps(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Stage, action and project of each step that runs commands."""
    [pipeline] = properties(template, "AWS::CodePipeline::Pipeline")
    for stage in pipeline["Stages"]:
        for action in stage["Actions"]:
            if action["ActionTypeId"]["Provider"] == "CodeBuild":
                project = template["Resources"][action["Configuration"]["ProjectName"]["Ref"]]["Properties"]
                yield stage["Name"], action["Name"], project


def commands(project: dict[str, Any]) -> list[str]:
    """What a project runs, without CDK's own link to a second input."""
    phases = json.loads(project["Source"]["BuildSpec"])["phases"]
    run = [each for phase in ("install", "build") for each in phases[phase].get("commands", [])]
    return [each for each in run if not each.startswith("[ ! -d")]


def role_of(project: dict[str, Any]) -> str:
    return str(project["ServiceRole"]["Fn::GetAtt"][0])


def permissions(template: Template) -> Iterator[tuple[str, dict[str, Any], list[Statement]]]:
    """Logical id, properties and statements of each role of a template."""
    attached = Attached(Checked(template["Resources"]))
    for name, each in template["Resources"].items():
        if each["Type"] == "AWS::IAM::Role":
            yield name, each["Properties"], attached.statements(name)


def roles_named(templates: list[Template], end: str) -> list[tuple[dict[str, Any], list[Statement]]]:
    found = [(role, held) for each in templates for _, role, held in permissions(each)]
    return [(role, held) for role, held in found if str(role.get("RoleName", "")).endswith(end)]


def nobody_may(template: Template, *actions: str) -> bool:
    return not any(allowing(held, action, "*") for _, _, held in permissions(template) for action in actions)


def templates_of(assembly: Assembly) -> list[Template]:
    """From their files: the stacks of GitHub's roles have one name in every account."""
    return [json.loads(path.read_text()) for path in sorted(assembly.directory.rglob("*.template.json"))]
