"""What the comparison of pipelines runs over: an assembly that is what is deployed, and a stand-in for the AWS CLI."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.pipeline_assembly import PLACE, stack, with_assets, write
from nova_infra.constructs.pipeline.update_approval import COMPARE

AWS = """#!/bin/sh
case " $* " in *" describe-stacks "*) tags=.tags ;; esac
while [ "$1" != --stack-name ]; do shift; done
cat "{deployed}/$2$tags"
"""


@pytest.fixture
def artifacts(tmp_path: Path) -> dict[str, Any]:
    """The manifest's entries of an assembly that is what is deployed."""
    (tmp_path / "bin").mkdir()
    aws = tmp_path / "bin" / "aws"
    aws.write_text(AWS.format(deployed=tmp_path / "deployed"))
    aws.chmod(0o755)
    templates: dict[str, dict[str, Any]] = {
        "Pipeline": {"Resources": {"A": {"Type": "AWS::IAM::Role"}}},
        "Registry": {"Resources": {}},
    }
    for name, template in templates.items():
        write(tmp_path / "deployed" / name, template)
        write(tmp_path / "deployed" / f"{name}.tags", [{"Key": "team", "Value": "platform"}])
    found = {name: stack(tmp_path / "cdk.out", name, template) for name, template in templates.items()}
    found["Pipeline"]["dependencies"].append("Registry")
    for each in found.values():
        each["properties"]["tags"] = {"team": "platform"}
    nested = with_assets({"PipelineDevshop": stack(tmp_path / "cdk.out" / "dev", "shop", {})})
    nested["PipelineDevshop"]["displayName"] = "Pipeline/Dev/shop"
    write(tmp_path / "cdk.out" / "dev" / "manifest.json", {"artifacts": nested})
    return with_assets(found) | {"dev": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "dev"}}}


@pytest.fixture
def compare(tmp_path: Path, artifacts: dict[str, Any]) -> Callable[[], str]:
    def run(there: Path = tmp_path / "cdk.out", **more: str) -> str:
        others = artifacts.pop("the manifest's own", {})
        write(tmp_path / "cdk.out" / "manifest.json", {"version": "55.0.0", "artifacts": artifacts, **others})
        variables = {"STACKS": "Pipeline Registry", "PLACE": PLACE, "QUALIFIER": "q", **more}
        variables["CODEBUILD_SRC_DIR"] = str(there)
        environment = {**os.environ, **variables, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        command = ["bash", "-c", f'{COMPARE} && echo "$PIPELINE"']
        result = subprocess.run(command, cwd=there, env=environment, capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else "failed"

    return run
