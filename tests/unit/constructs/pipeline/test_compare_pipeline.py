"""The comparison of the commit's pipeline with the deployed one, over assemblies that were tampered with."""

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.delivery_pipeline import STACK, project, stage
from helpers.exhaustive import one_of_each
from nova_infra.constructs.pipeline.built_assembly import refuse_others
from nova_infra.constructs.pipeline.update_approval import COMPARE

PLACE, ASSETS = "aws://444444444444/us-east-1", "cdk-q-assets-444444444444-us-east-1"
ROLE = "arn:${AWS::Partition}:iam::444444444444:role/cdk-q-%s-role-444444444444-us-east-1"
LOAD = 'docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g"'
TARBALL = ["sh", "-c", LOAD, "cdk-tarball-image-asset", f"asset.{'a1' * 32}.tar"]
AWS = """#!/bin/sh
case " $* " in *" describe-stacks "*) tags=.tags ;; esac
while [ "$1" != --stack-name ]; do shift; done
cat "{deployed}/$2$tags"
"""


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
    """A manifest's entries for stacks: CDK lists the assets of each beside it."""
    lists = {
        f"{name}.assets": {"type": "cdk:asset-manifest", "properties": {"file": f"{each['displayName']}.assets.json"}}
        for name, each in stacks.items()
    }
    return stacks | lists


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


def test_what_is_deployed_is_the_same(compare: Callable[[], str]) -> None:
    assert compare() == "same"


@pytest.mark.exhaustive("test_what_cannot_be_compared_is_not_the_same")
def test_an_approver_learns_that_only_the_release_tools_change(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path
) -> None:
    def template(digest: str, more: str = "") -> dict[str, Any]:
        return {"Resources": {"A": {"Type": "AWS::CodeBuild::Project", "Spec": f"{refuse_others(digest)}{more}"}}}

    write(tmp_path / "deployed" / "Pipeline", template("a" * 64))
    for changed, said in (
        (template("b" * 64), "changed: Pipeline changes in nothing but what its steps run of the commit"),
        (template("b" * 64, more="; rm -r /"), "changed: Pipeline changes"),
    ):
        artifacts["Pipeline"]["properties"] |= stack(tmp_path / "cdk.out", "Pipeline", changed)["properties"]
        assert compare() == said


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
def test_nothing_of_the_assembly_is_run(compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path) -> None:
    """Python looks for modules beside what it runs, and reads what it runs here from its input."""
    changed = stack(tmp_path / "cdk.out", "Pipeline", {"Resources": {"B": {}}})
    artifacts["Pipeline"]["properties"] |= changed["properties"]
    for name in ("json", "hashlib", "os", "subprocess", "typing", "sitecustomize"):
        (tmp_path / "cdk.out" / f"{name}.py").write_text("print('same')\nraise SystemExit\n")
    assert compare().endswith("not of an assembly; Pipeline changes")


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
@pytest.mark.parametrize(
    "name",
    one_of_each(
        ["cdk.json", ".npmrc", ".python-version", "node_modules", "Pipeline.evil.json", "asset.evil"],
        kind=lambda name: "evil" in name,
    ),
)
def test_a_file_that_no_synthesis_writes_is_a_change(compare: Callable[[], str], tmp_path: Path, name: str) -> None:
    """The CLI runs in that directory, reads its `cdk.json`, and loads the plugins that this names."""
    (tmp_path / "cdk.out" / name).write_text('{"plugin": ["/proc/self/cwd/evil.js"]}')
    assert compare() == f"changed: {name}: not of an assembly"


def metadata(kind: str, file: bool = False) -> Callable[[dict[str, Any], Path], None]:
    """An entry in the metadata of a stack: in the manifest, or in a file beside it."""

    def add(artifacts: dict[str, Any], directory: Path) -> None:
        entries = {"/Pipeline": [{"type": "aws:cdk:logicalId", "data": "A"}, {"type": kind, "data": {}}]}
        artifacts["Pipeline"]["metadata"] = {} if file else entries
        if file:
            write(directory / "Pipeline.metadata.json", entries)
            artifacts["Pipeline"]["additionalMetadataFile"] = "Pipeline.metadata.json"

    return add


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
@pytest.mark.parametrize("file", [False, True])
def test_metadata_that_only_describes_is_no_change(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path, file: bool
) -> None:
    metadata("aws:cdk:analytics:construct", file)(artifacts, tmp_path / "cdk.out")
    assert compare() == "same"


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
def test_what_a_synthesis_writes_is_the_same(compare: Callable[[], str], tmp_path: Path) -> None:
    synthesized = ["cdk.out", "tree.json", "validation-report.json", "Pipeline.metadata.json"]
    synthesized += ["PipelineF31F676F.dot", f"buildspec-c8{'0' * 38}-FileAsset.yaml"]
    for name in (*synthesized, f"asset.{'a1' * 32}", f"asset.{'b2' * 32}.zip"):
        (tmp_path / "cdk.out" / name).touch()
    assert compare() == "same"


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
def test_assets_that_run_nothing_are_no_change(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path
) -> None:
    asset("files", {"path": f"asset.{'a1' * 32}", "packaging": "zip"}, "shop", "dev")(artifacts, tmp_path / "cdk.out")
    for source in ({"directory": f"asset.{'b2' * 32}"}, {"executable": TARBALL}):
        asset("dockerImages", source, "shop", "dev")(artifacts, tmp_path / "cdk.out")
        assert compare() == "same"


@pytest.mark.exhaustive("test_what_is_deployed_is_the_same")
def test_the_order_of_keys_is_no_change(compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "deployed" / "Registry").write_text('{ "Resources": {} }')
    assert compare() == "same"


@pytest.mark.parametrize("name", one_of_each(["Pipeline", "Registry"]))
def test_any_change_of_a_template_is_one(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path, name: str
) -> None:
    artifacts[name]["properties"] |= stack(tmp_path / "cdk.out", name, {"Resources": {"B": {}}})["properties"]
    assert compare() == f"changed: {name} changes"


def template_asset(**changes: Any) -> Callable[[dict[str, Any], Path], None]:
    """Another source, destination or so of the template in the pipeline's list of assets."""

    def change(_: dict[str, Any], directory: Path) -> None:
        assets = json.loads((directory / "Pipeline.assets.json").read_text())
        [file] = assets["files"].values()
        file |= changes
        write(directory / "Pipeline.assets.json", assets)

    return change


def nested_stack_of_that_name(artifacts: dict[str, Any], directory: Path) -> None:
    manifest = json.loads((directory / "dev" / "manifest.json").read_text())
    manifest["artifacts"]["PipelineDevshop"]["displayName"] = "Pipeline"
    write(directory / "dev" / "manifest.json", manifest)


def asset(kind: str, source: dict[str, Any], name: str = "Pipeline", nested: str = "") -> Callable[..., None]:
    """Another asset of a stack's list, beside its template."""

    def add(_: dict[str, Any], directory: Path) -> None:
        listed = json.loads((directory / nested / f"{name}.assets.json").read_text())
        listed.setdefault(kind, {})["more"] = {"source": source, "destinations": {"x": {"objectKey": "more"}}}
        write(directory / nested / f"{name}.assets.json", listed)

    return add


def list_of_assets_in_another_file(artifacts: dict[str, Any], directory: Path) -> None:
    artifacts["Pipeline.assets"]["properties"]["file"] = "Pipeline.template.json"


def properties(name: str, **values: Any) -> Callable[[dict[str, Any], Path], None]:
    return lambda artifacts, _: artifacts[name]["properties"].update(values)


TAMPERED: dict[str, Callable[..., Any]] = {
    "another stack at the top": lambda a, d: a.update(Evil=stack(d, "Evil", {})),
    "a stack of another name": properties("Registry", stackName="production"),
    "a name to find it by": lambda a, _: a["Registry"].update(displayName="Other"),
    "a nested stack of that name": nested_stack_of_that_name,
    "another account": lambda a, _: a["Pipeline"].update(environment="aws://333333333333/us-east-1"),
    "another role": properties("Pipeline", assumeRoleArn=ROLE.replace("444444444444", "333333333333") % "deploy"),
    "another role of CloudFormation": properties("Pipeline", cloudFormationExecutionRoleArn="arn:x"),
    "another object": properties("Pipeline", stackTemplateAssetObjectUrl=f"s3://{ASSETS}/evil.json"),
    "no object": lambda a, _: a["Pipeline"]["properties"].pop("stackTemplateAssetObjectUrl"),
    "another template in the assets": template_asset(source={"path": "evil.json", "packaging": "file"}),
    "the template as an archive": template_asset(source={"path": "Pipeline.template.json", "packaging": "zip"}),
    "the template in the place of a later one": template_asset(destinations={"x": {"objectKey": f"{'a1' * 32}.json"}}),
    "a file in the place of a later template": asset("files", {"path": "manifest.json", "packaging": "file"}),
    "a directory in the place of code that a later template names": asset(
        "files", {"path": f"asset.{'a1' * 32}", "packaging": "zip"}, "Registry"
    ),
    "no termination protection": properties("Registry", terminationProtection=False),
    "another topic": properties("Pipeline", notificationArns=["arn:aws:sns:us-east-1:444444444444:theirs"]),
    "another tag": properties("Registry", tags={"team": "theirs"}),
    "no tags": lambda a, _: a["Pipeline"]["properties"].pop("tags"),
    "a parameter": properties("Pipeline", parameters={"BootstrapVersion": "/theirs"}),
    "a policy for the role's session": properties("Pipeline", assumeRoleAdditionalOptions={"Policy": "{}"}),
    "a property that nobody knows": properties("Registry", assumeRoleExternalId="theirs"),
    "another bootstrap": properties("Pipeline", bootstrapStackVersionSsmParameter="/cdk-bootstrap/theirs/version"),
    "a command that makes a file": asset("files", {"executable": ["sh", "-c", "id"]}),
    "a command that makes an image": asset("dockerImages", {"executable": ["sh", "-c", "id"]}, "Registry"),
    "a command of an environment": asset("files", {"executable": ["id"]}, "shop", "dev"),
    "a command in the words of a tarball": asset(
        "dockerImages", {"executable": [*TARBALL[:2], f"{LOAD}; id", *TARBALL[3:]]}, "shop", "dev"
    ),
    "an image": asset("dockerImages", {"directory": "asset.x"}),
    "assets in another file": list_of_assets_in_another_file,
    "an asset in the manifest's metadata": metadata("aws:cdk:asset"),
    "an asset in a file of metadata": metadata("aws:cdk:asset", file=True),
    "something to look up": lambda a, _: a.update(
        {"the manifest's own": {"missing": [{"provider": "cc-api-provider"}]}}
    ),
    "another dependency": lambda a, _: a["Pipeline"]["dependencies"].append("dev"),
}


# Those that nothing else would refuse: of the others, one stands for all.
ALONE = {"a stack of another name", "a name to find it by", "a nested stack of that name", "another role", "no tags"}


@pytest.mark.parametrize("name", one_of_each(TAMPERED, kind=lambda name: name if name in ALONE else ""))
def test_whatever_would_deploy_something_else_is_a_change(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path, name: str
) -> None:
    TAMPERED[name](artifacts, tmp_path / "cdk.out")
    assert compare().startswith("changed: ")


SUPPORT = "cross-region-stack-444444444444_eu-central-1"


@pytest.fixture
def supported(tmp_path: Path, artifacts: dict[str, Any]) -> dict[str, Any]:
    """The entry of the stack that CDK adds for artifacts in another region, as it writes and deploys it."""
    there = tmp_path / "cdk.out"
    artifacts[SUPPORT] = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://444444444444/eu-central-1",
        "displayName": "cross-region-stack-444444444444:eu-central-1",
        "additionalMetadataFile": f"{SUPPORT}.metadata.json",
        "properties": {
            "templateFile": f"{SUPPORT}.template.json",
            "terminationProtection": False,
            "validateOnSynth": False,
            "assumeRoleArn": ROLE % "deploy",
            "cloudFormationExecutionRoleArn": ROLE % "cfn-exec",
            "stackName": "Pipeline-support-eu-central-1",
            "tags": {"team": "platform"},
        },
    }
    artifacts["Pipeline"]["dependencies"].append(SUPPORT)
    write(there / f"{SUPPORT}.metadata.json", {})
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}
    for path in (there / f"{SUPPORT}.template.json", tmp_path / "deployed" / "Pipeline-support-eu-central-1"):
        write(path, template)
    write(tmp_path / "deployed" / "Pipeline-support-eu-central-1.tags", [{"Key": "team", "Value": "platform"}])
    return artifacts[SUPPORT]  # type: ignore[no-any-return]  # what was put there above


def test_the_stack_for_artifacts_of_another_region_is_compared_like_the_pipeline_s(
    compare: Callable[..., str], supported: dict[str, Any], tmp_path: Path
) -> None:
    assert compare(REGIONS="ap-south-1 eu-central-1") == "same"
    assert "not of an assembly; Pipeline would be deployed with other stacks" in compare(REGIONS="ap-south-1")
    write(tmp_path / "cdk.out" / f"{SUPPORT}.template.json", {"Resources": {"Evil": {}}})
    assert compare(REGIONS="eu-central-1") == f"changed: {SUPPORT} changes"


def test_what_is_synthesized_for_another_region_is_the_same_when_it_is_deployed(
    compare: Callable[..., str], variant: Assembly, tmp_path: Path
) -> None:
    """By the variables and over the assembly of a pipeline that delivers to two regions."""
    manifest = json.loads((variant.directory / "manifest.json").read_text())
    for name, each in manifest["artifacts"].items():
        if each["type"] == "aws:cloudformation:stack":
            template = json.loads((variant.directory / each["properties"]["templateFile"]).read_text())
            deployed = tmp_path / "deployed" / each["properties"].get("stackName", name)
            write(deployed, template)
            tags = each["properties"].get("tags", {}).items()
            write(deployed.with_name(f"{deployed.name}.tags"), [{"Key": key, "Value": value} for key, value in tags])
    [step] = [each for each in stage(variant, "Build")["Actions"] if each["Name"] == "Compare"]
    found = project(variant, step)["Environment"]["EnvironmentVariables"]
    variables = {each["Name"]: each["Value"] for each in found}
    assert variables["REGIONS"] == "eu-west-1"
    [read] = [
        each["Resource"]
        for policy in variant.properties(STACK, "AWS::IAM::Policy")
        for each in policy["PolicyDocument"]["Statement"]
        if "cloudformation:GetTemplate" in each["Action"] and "support" in json.dumps(each["Resource"])
    ]
    assert f":cloudformation:eu-west-1:444444444444:stack/{STACK}-support-eu-west-1/*" in json.dumps(read)
    assert compare(there=variant.directory, **variables) == "same"


SUPPORT_TAMPERED = {
    "another region": {"environment": "aws://444444444444/eu-west-1"},
    "another role": {"assumeRoleArn": ROLE.replace("us-east-1", "eu-central-1") % "deploy"},
    "another name": {"stackName": "Pipeline-support-eu-west-1"},
    "another topic": {"notificationArns": ["arn:aws:sns:us-east-1:444444444444:theirs"]},
    "a template of the bucket": {"stackTemplateAssetObjectUrl": f"s3://{ASSETS}/evil.json"},
    "other tags": {"tags": {}},
    "an asset": {},
}


@pytest.mark.exhaustive("test_the_stack_for_artifacts_of_another_region_is_compared_like_the_pipeline_s")
@pytest.mark.parametrize("changed", SUPPORT_TAMPERED.values(), ids=SUPPORT_TAMPERED.keys())
def test_whatever_else_is_deployed_in_another_region_is_a_change(
    compare: Callable[..., str], supported: dict[str, Any], tmp_path: Path, changed: dict[str, Any]
) -> None:
    if not changed:
        source = {"path": "manifest.json", "packaging": "file"}
        file = {"source": source, "destinations": {"x": {"objectKey": "a"}}}
        write(tmp_path / "cdk.out" / f"{SUPPORT}.assets.json", {"files": {"a": file}})
    (supported if "environment" in changed else supported["properties"]).update(changed)
    assert compare(REGIONS="eu-central-1").startswith("changed: ")


def test_what_cannot_be_compared_is_not_the_same(compare: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "deployed" / "Pipeline").unlink()
    assert compare() == "failed"
