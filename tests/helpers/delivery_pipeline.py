"""The synthesized pipeline, its stages and their projects."""

import json
from pathlib import Path
from typing import Any

from helpers.assembly import Assembly

ROOT = Path(__file__).parents[2]


STACK = "NovaPipelineStack"


def pipeline(assembly: Assembly) -> dict[str, Any]:
    return assembly.only(STACK, "AWS::CodePipeline::Pipeline")


def stage(assembly: Assembly, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [stage for stage in pipeline(assembly)["Stages"] if stage["Name"] == name]
    return found


def project(assembly: Assembly, action: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = assembly.templates[STACK]["Resources"][action["Configuration"]["ProjectName"]["Ref"]][
        "Properties"
    ]
    return properties


def commands(assembly: Assembly, action: dict[str, Any]) -> list[str]:
    phases = json.loads(project(assembly, action)["Source"]["BuildSpec"])["phases"]
    return [command for phase in ("install", "build") for command in phases.get(phase, {}).get("commands", [])]
