"""The synthesized pipeline, its stages and their projects."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


STACK = "NovaPipelineStack"


def pipeline(assembly):
    return assembly.only(STACK, "AWS::CodePipeline::Pipeline")


def stage(assembly, name):
    [found] = [stage for stage in pipeline(assembly)["Stages"] if stage["Name"] == name]
    return found


def project(assembly, action):
    return assembly.templates[STACK]["Resources"][action["Configuration"]["ProjectName"]["Ref"]]["Properties"]


def commands(assembly, action):
    phases = json.loads(project(assembly, action)["Source"]["BuildSpec"])["phases"]
    return [command for phase in ("install", "build") for command in phases.get(phase, {}).get("commands", [])]
