"""Assemblies of a few resources, as ``cdk synth`` lays them out."""

import json
from pathlib import Path
from typing import Any

TOPIC = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alerts"}}


def role(*actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [policy],
        },
    }


def assembly(directory: Path, **stacks: dict[str, Any]) -> Path:
    """An assembly whose stacks are in a stage, as environments are."""
    nested = directory / "assembly-Dev"
    nested.mkdir(parents=True)
    artifacts = {}
    for name, resources in stacks.items():
        (nested / f"{name}.template.json").write_text(json.dumps({"Resources": resources}))
        artifacts[f"Dev{name}"] = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://111111111111/us-east-1",
            "properties": {"templateFile": f"{name}.template.json", "stackName": f"nova-dev-{name}"},
            "displayName": f"Dev/{name}",
        }
    (nested / "manifest.json").write_text(json.dumps({"version": "50.0.0", "artifacts": artifacts}))
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Dev"}}
    (directory / "manifest.json").write_text(json.dumps({"version": "50.0.0", "artifacts": {"assembly-Dev": stage}}))
    return directory


def add_copy(directory: Path, *, region: str, **stacks: dict[str, Any]) -> None:
    """Give an assembly another stage, whose stacks have the names that those of the first have, in some region."""
    other = assembly(directory / "other", **stacks)
    nested = (other / "assembly-Dev").rename(directory / "assembly-Other")
    manifest = nested / "manifest.json"
    text = manifest.read_text().replace("us-east-1", region)
    manifest.write_text(text.replace('"Dev', '"Other'))
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Other"}}
    whole = json.loads((directory / "manifest.json").read_text())
    whole["artifacts"]["assembly-Other"] = stage
    (directory / "manifest.json").write_text(json.dumps(whole))
