import json
import os
from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import Assembly, AssemblyError, DockerAsset
from nova_infra.containers.asset import asset_command

PIPELINE = {"Resources": {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {}}}}


def write(directory: Path, *, version: str = "55.0.0", template: Any = PIPELINE) -> Assembly:
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "p.template.json"}}
    (directory / "manifest.json").write_text(json.dumps({"version": version, "artifacts": {"P": stack}}))
    (directory / "p.template.json").write_text(template if isinstance(template, str) else json.dumps(template))
    return Assembly(directory)


def test_the_pipeline_is_found_by_what_its_stack_holds(tmp_path: Path) -> None:
    assert write(tmp_path).pipeline_template() == PIPELINE


def test_of_two_pipelines_none_is_chosen_in_silence(tmp_path: Path) -> None:
    write(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["artifacts"]["Q"] = {**manifest["artifacts"]["P"], "properties": {"templateFile": "q.template.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "q.template.json").write_text(json.dumps(PIPELINE))
    with pytest.raises(AssemblyError, match=r"p\.template\.json and q\.template\.json each hold a pipeline"):
        Assembly(tmp_path).pipeline_template()


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=r"no manifest\.json: run `make synth`"):
        Assembly(tmp_path).pipeline_template()


@pytest.mark.parametrize("version", ["35.0.0", "99.1.0", "none"])
def test_an_assembly_of_another_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(AssemblyError, match=f"of version {version}"):
        write(tmp_path, version=version).pipeline_template()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"Resources": {}}, "no stack in it holds a pipeline"),
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ({"Resources": []}, "is not a CloudFormation template"),
        ({"Resources": {"A": {}}}, "A is not a resource"),
    ],
)
def test_an_assembly_without_a_readable_pipeline_is_refused(tmp_path: Path, template: Any, said: str) -> None:
    with pytest.raises(AssemblyError, match=said):
        write(tmp_path, template=template).pipeline_template()


@pytest.mark.parametrize("artifacts", [[], {"P": 1}, {"P": {"type": "aws:cloudformation:stack"}}])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, artifacts: Any) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    with pytest.raises(AssemblyError, match=r"manifest\.json: was not written by `cdk synth`"):
        Assembly(tmp_path).pipeline_template()


def test_a_template_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=r"other\.json: named by the pipeline but not in"):
        write(tmp_path).template("other.json")


def test_the_stack_that_cdk_adds_for_a_second_region_is_read(tmp_path: Path) -> None:
    support = {
        "type": "aws:cloudformation:stack",
        "displayName": "cross-region-stack-123412341234:eu-west-1",
        "properties": {"stackName": "NovaPipelineStack-support-eu-west-1", "templateFile": "s.json"},
    }
    (tmp_path / "s.json").write_text(json.dumps({"Resources": {}}))
    (tmp_path / "manifest.json").write_text(
        json.dumps({"artifacts": {"cross-region-stack-123412341234_eu-west-1": support}})
    )
    assert Assembly(tmp_path).templates("NovaPipelineStack") == {
        "NovaPipelineStack-support-eu-west-1": {"Resources": {}}
    }


def test_an_environments_templates_are_read_from_nested_assemblies_by_stack_name(tmp_path: Path) -> None:
    nested = tmp_path / "assembly-Prod"
    nested.mkdir()
    properties = {"stackName": "nova-prod-audio", "templateFile": "audio.json"}
    artifacts = {
        "A": {"type": "aws:cloudformation:stack", "properties": properties},
        "B": {"type": "cdk:tree", "properties": {}},
        "nova-production-x": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "audio.json"}},
    }
    (nested / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    (nested / "audio.json").write_text(json.dumps(PIPELINE))
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": nested.name}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Prod": stage}}))
    assert Assembly(tmp_path).templates("nova-prod") == {"nova-prod-audio": PIPELINE}
    with pytest.raises(AssemblyError, match="holds no stack of nova-dev: run `make synth`"):
        Assembly(tmp_path).templates("nova-dev")


@pytest.mark.parametrize("content", ["{", "[]", '{"artifacts": {"A": {}}}', "{}"])
def test_a_directory_that_is_no_assembly_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(AssemblyError, match="run `make synth`"):
        Assembly(tmp_path).templates("nova-prod")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"Resources": {"P": {"Type": true}}}', "P is not a resource"),
        ('{"Resources": {"P": {"Type": "AWS::SNS::Topic", "Properties": []}}}', "P is not a resource"),
        ('{"Resources": {"P": 7}}', "P is not a resource"),
        ('{"Resources": []}', "is not a CloudFormation template"),
        ('{"Resources": {"P"', "is not JSON"),
        ('{"Resources":' * 60_000, r"is not JSON \(it is nested too deeply\)"),
        ('{"Resources": {}, "Count": NaN}', "is not JSON"),
        ("[]", "is not a JSON object"),
    ],
)
def test_a_template_that_is_damaged_is_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AssemblyError, match=rf"p\.template\.json: {said}.*: run `make synth`") as caught:
        write(tmp_path, template=text).template("p.template.json")
    assert caught.value.exit_code == 2


def test_a_pipe_in_place_of_a_template_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    assembly = write(tmp_path)
    (tmp_path / "p.template.json").unlink()
    os.mkfifo(tmp_path / "p.template.json")
    with pytest.raises(AssemblyError, match=r"p\.template\.json: is not a file: run `make synth`"):
        assembly.template("p.template.json")


def test_a_template_in_another_encoding_is_refused_in_a_line(tmp_path: Path) -> None:
    assembly = write(tmp_path)
    (tmp_path / "p.template.json").write_bytes('{"Description": "ä"}'.encode("latin-1"))
    with pytest.raises(AssemblyError, match=r"p\.template\.json: is not UTF-8: run `make synth`"):
        assembly.template("p.template.json")
    (tmp_path / "p.template.json").unlink()
    (tmp_path / "p.template.json").mkdir()
    with pytest.raises(AssemblyError, match=r"p\.template\.json: is not a file: run `make synth`"):
        assembly.template("p.template.json")


def test_an_image_is_built_from_files_that_are_there(tmp_path: Path) -> None:
    assembly = write(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["artifacts"]["P.assets"] = {"type": "cdk:asset-manifest", "properties": {"file": "P.assets.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AssemblyError, match=r"P\.assets\.json: is missing: run `make synth`"):
        assembly.docker_assets()
    (tmp_path / "P.assets.json").write_text(json.dumps({"dockerImages": {"1f": {"source": {"directory": "asset.1f"}}}}))
    with pytest.raises(AssemblyError, match=r"builds an image from .*asset\.1f/Dockerfile, which is not there: run"):
        assembly.docker_assets()
    (tmp_path / "asset.1f").mkdir()
    (tmp_path / "asset.1f" / "Dockerfile").touch()
    assert assembly.docker_assets()["1f"] == DockerAsset(tmp_path / "asset.1f", "Dockerfile", {})
    source = {"directory": "asset.1f", "dockerBuildTarget": "shop", "platform": "linux/arm64"}
    (tmp_path / "P.assets.json").write_text(json.dumps({"dockerImages": {"1f": {"source": source}}}))
    found = assembly.docker_assets()["1f"]
    assert (found.target, found.platform) == ("shop", "linux/arm64")
    assert asset_command("shop:1f", "arm64", found)[3:] == [
        "shop:1f",
        "arm64",
        str(found.directory),
        "Dockerfile",
        "shop",
    ]


@pytest.mark.parametrize(
    ("version", "is_read"), [("35.0.0", False), ("36.0.0", True), ("59.1.0", True), ("60.0.0", False)]
)
def test_an_assembly_of_another_version_is_refused_with_the_versions_that_are_read(
    tmp_path: Path, version: str, is_read: bool
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"version": version, "artifacts": {}}))
    if is_read:
        assert Assembly(tmp_path).pipelines() == []
    else:
        with pytest.raises(
            AssemblyError, match=rf"of version {version}, but Nova reads 36 to 59: synthesize it with a"
        ):
            Assembly(tmp_path).pipelines()
