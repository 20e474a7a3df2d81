"""Compares the pipeline that a commit describes with the deployed one; the build spec of a step holds this very text.

It runs nothing of the commit: the standard library and the AWS CLI of the build image read the assembly as data. What
it prints is ``same`` where updating the pipeline would change nothing, and would do nothing else. It runs in the
assembly's directory; ``STACKS`` names the stacks that may be deployed, the pipeline's first, ``PLACE`` their
``aws://account/region``, and ``QUALIFIER`` the bootstrap's.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any


def read(*path: str) -> Any:
    """What a JSON file holds."""
    with open(os.path.join(*path), encoding="utf-8") as file:  # noqa: PTH118, PTH123 - as short as it can be
        return json.load(file)


def stacks(directory: str, top: bool = True) -> Iterator[tuple[str, Any, bool]]:
    """Id and manifest entry of every stack, and whether it is at the top."""
    for name, artifact in read(directory, "manifest.json")["artifacts"].items():
        if artifact["type"] == "cdk:cloud-assembly":
            yield from stacks(os.path.join(directory, artifact["properties"]["directoryName"]), False)  # noqa: PTH118
        elif artifact["type"] == "aws:cloudformation:stack":
            yield name, artifact, top


def strangers(names: list[str]) -> list[str]:
    """Files beside the manifest that no synthesis writes: the CLI would load plugins that a `cdk.json` there names."""
    ends = "|".join(map(re.escape, names))
    known = (
        rf"(manifest|tree|validation-report)\.json|cdk\.out|asset\.[0-9a-f]{{64}}(\.\w+)?|\w+\.dot|({ends})\.\w+\.json"
    )
    nested = {
        artifact["properties"]["directoryName"]
        for artifact in read("manifest.json")["artifacts"].values()
        if artifact["type"] == "cdk:cloud-assembly"
    }
    return sorted(name for name in os.listdir() if not re.fullmatch(known, name) and name not in nested)  # noqa: PTH208


def differences() -> Iterator[str]:
    """What updating the pipeline would change, and what else it would do."""
    names, place, qualifier = os.environ["STACKS"].split(), os.environ["PLACE"], os.environ["QUALIFIER"]
    account, region = place.removeprefix("aws://").split("/")
    if found := strangers(names):
        yield f"{', '.join(found)[:80]}: not of an assembly"
    for name, artifact, top in stacks("."):
        shown, properties = artifact.get("displayName", name), artifact["properties"]
        if not top:
            # The CLI finds what it deploys by this name, at whatever depth.
            if not shown.startswith(f"{names[0]}/"):
                yield f"{shown} is not of an environment"
            continue
        if name not in names or shown != name or properties.get("stackName", name) != name:
            yield f"{shown} is not one of {', '.join(names)}"
            continue
        with open(properties["templateFile"], "rb") as file:  # noqa: PTH123
            digest = hashlib.sha256(file.read()).hexdigest()
        role = f"arn:${{AWS::Partition}}:iam::{account}:role/cdk-{qualifier}-%s-role-{account}-{region}"
        assets = f"cdk-{qualifier}-assets-{account}-{region}"
        expected = {
            "assumeRoleArn": role % "deploy",
            "cloudFormationExecutionRoleArn": role % "cfn-exec",
            "stackTemplateAssetObjectUrl": f"s3://{assets}/{digest}.json",
        }
        if artifact.get("environment") != place or any(properties.get(key) != expected[key] for key in expected):
            yield f"{name} would be deployed elsewhere, by other roles, or from another template"
        if properties.get("terminationProtection") is not True or properties.get("notificationArns"):
            yield f"{name} would lose its protection, or report to another topic"
        published = [
            each["source"].get("path")
            for each in read(f"{name}.assets.json")["files"].values()
            for to in each["destinations"].values()
            if digest in to["objectKey"]
        ]
        if published != [properties["templateFile"]]:
            yield f"{name} has another template among its assets"
        if set(artifact.get("dependencies", ())) - {f"{other}{end}" for other in names for end in ("", ".assets")}:
            yield f"{name} would be deployed with other stacks"
        command = ["aws", "cloudformation", "get-template", "--stack-name", name, "--template-stage", "Original"]
        command += ["--query", "TemplateBody", "--output", "json"]
        deployed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        before, after = json.loads(deployed), read(properties["templateFile"])
        if before != after:
            one, other = (re.sub("= [0-9a-f]{64} ", "", json.dumps(each, sort_keys=True)) for each in (before, after))
            yield f"{name} changes{' in nothing but what its steps run of the commit' if one == other else ''}"


if __name__ == "__main__":
    found = list(differences())
    print("changed: " + "; ".join(found)[:200] if found else "same")
