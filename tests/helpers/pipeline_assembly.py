"""An assembly that holds a pipeline's stacks, as `cdk synth` writes it, for its comparison with what is deployed."""

import hashlib
import json
from pathlib import Path
from typing import Any

PLACE, ASSETS = "aws://444444444444/us-east-1", "cdk-q-assets-444444444444-us-east-1"
ROLE = "arn:${AWS::Partition}:iam::444444444444:role/cdk-q-%s-role-444444444444-us-east-1"
LOAD = 'docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g"'
TARBALL = ["sh", "-c", LOAD, "cdk-tarball-image-asset", f"asset.{'a1' * 32}.tar"]


def write(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stack(directory: Path, name: str, template: dict[str, Any]) -> dict[str, Any]:
    """A stack's template, its assets and its entry in the manifest, as `cdk synth` writes them."""
    file = f"{name}.template.json"
    digest = write(directory / file, template)
    destination = {"bucketName": ASSETS, "objectKey": f"{digest}.json", "region": "us-east-1"}
    files = {digest: {"source": {"path": file, "packaging": "file"}, "destinations": {"x": destination}}}
    write(directory / f"{name}.assets.json", {"files": files})
    return {
        "type": "aws:cloudformation:stack",
        "environment": PLACE,
        "displayName": name,
        "properties": {
            "templateFile": file,
            "assumeRoleArn": ROLE % "deploy",
            "cloudFormationExecutionRoleArn": ROLE % "cfn-exec",
            "stackTemplateAssetObjectUrl": f"s3://{ASSETS}/{digest}.json",
            "terminationProtection": True,
            "validateOnSynth": False,
            "bootstrapStackVersionSsmParameter": "/cdk-bootstrap/q/version",
        },
        "dependencies": [f"{name}.assets"],
    }


def with_assets(stacks: dict[str, Any]) -> dict[str, Any]:
    """A manifest's entries for stacks: each has an entry that lists its assets, as CDK writes it."""
    lists = {
        f"{name}.assets": {"type": "cdk:asset-manifest", "properties": {"file": f"{each['displayName']}.assets.json"}}
        for name, each in stacks.items()
    }
    return stacks | lists
