"""Deploying an environment of an assembly, with a recording CDK CLI."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nova_infra.assembly import digest_of_files
from nova_infra.cli.main import nova
from nova_infra.config import Config
from nova_infra.errors import NovaError
from nova_infra.operations.release.deploy import deploy, deploy_registry, registry_changes

PLATFORM = {"nova-dev-platform": {"Url": "http://dev.example.com"}}


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    (tmp_path / "cdk.out" / "assembly-Dev").mkdir(parents=True)
    (tmp_path / "cdk.out" / "assembly-Dev" / "manifest.json").write_text("{}")
    (tmp_path / "cdk.out" / "manifest.json").write_text('{"artifacts": {}}')
    return tmp_path / "cdk.out"


@pytest.fixture
def cdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cdk that writes down its arguments and the outputs; CDK_EXIT is how it ends."""
    command = tmp_path / "bin" / "cdk"
    command.parent.mkdir()
    command.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/arguments\nls -A > {tmp_path}/beside\n"
        "for each; do case $each in --app=*) app=${each#*=};; esac; done\n"
        f"ls $app > {tmp_path}/deployed; touch $app/.cache\n"
        f'for each; do case $each in --outputs-file=*) cat {tmp_path}/outputs > "${{each#*=}}";; esac; done\n'
        "exit ${CDK_EXIT:-0}\n"
    )
    command.chmod(0o755)
    (tmp_path / "outputs").write_text(json.dumps(PLATFORM))
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "arguments"


def test_the_environments_stacks_are_deployed_from_the_assembly_as_it_is(
    github_config: Config, assembly: Path, cdk: Path
) -> None:
    assert deploy(github_config, "dev", assembly=assembly) == "http://dev.example.com"
    action, app, stacks, *options = cdk.read_text().splitlines()
    assert (action, stacks, app[:6]) == ("deploy", "Dev/*", "--app=")
    concurrency = f"--concurrency={len(github_config.services)}"
    *said, outputs = options
    assert said == ["--require-approval=never", "--progress=events", concurrency], "and never --revert-drift"
    assert outputs.startswith("--outputs-file=")


def test_nothing_of_the_commit_lies_where_the_cli_runs(
    github_config: Config, assembly: Path, cdk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would load the plugins that a ``cdk.json`` there names, with the credentials of the deployment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cdk.json").write_text('{"plugin": ["./evil.js"]}')
    deploy(github_config, "dev", assembly=Path("cdk.out"))
    assert (tmp_path / "beside").read_text() == ""
    assert (tmp_path / "deployed").read_text() == "assembly-Dev\nmanifest.json\n"


def test_the_assembly_is_what_it_was_although_the_cli_writes_into_what_it_deploys(
    github_config: Config, assembly: Path, cdk: Path
) -> None:
    """Verify compares it again, in the same job: the CLI keeps archives of assets in ``.cache``."""
    built = digest_of_files(assembly)
    deploy(github_config, "dev", assembly=assembly)
    assert digest_of_files(assembly) == built


@pytest.mark.parametrize("kind", ["files", "dockerImages"])
def test_an_asset_that_a_command_makes_is_refused(github_config: Config, assembly: Path, cdk: Path, kind: str) -> None:
    entry = {"type": "cdk:asset-manifest", "properties": {"file": "a.json"}}
    (assembly / "assembly-Dev" / "manifest.json").write_text(json.dumps({"artifacts": {"Web.assets": entry}}))
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Dev"}}
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {"dev": nested}}))

    def publish(*command: str) -> None:
        listed = {kind: {"x": {"source": {"executable": command}}, "y": {"source": {"path": "z"}, "destinations": {}}}}
        (assembly / "assembly-Dev" / "a.json").write_text(json.dumps(listed))

    (assembly / "assembly-Dev" / "z").touch()
    publish("sh", "-c", "id > /tmp/x")
    with pytest.raises(NovaError, match=r"publishing assembly-Dev/Web\.assets would run 'sh -c id > /tmp/x'"):
        deploy(github_config, "dev", assembly=assembly)
    assert not cdk.exists()
    # What CDK itself writes for a tarball of an image.
    load = 'docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g"'
    publish("sh", "-c", load, "cdk-tarball-image-asset", f"asset.{'0a' * 32}.tar")
    assert deploy(github_config, "dev", assembly=assembly)
    publish("sh", "-c", f"{load}; id", "cdk-tarball-image-asset", "x.tar")
    with pytest.raises(NovaError, match="would run"):
        deploy(github_config, "dev", assembly=assembly)


@pytest.mark.parametrize("uploaded", ["other.json", None], ids=["another file", "nothing"])
def test_a_stack_that_would_be_deployed_from_another_template_is_refused(
    github_config: Config, assembly: Path, cdk: Path, uploaded: str | None
) -> None:
    """CloudFormation takes what was uploaded; everything that compares reads the template file."""
    directory = assembly / "assembly-Dev"
    stack = {"templateFile": "web.json", "stackTemplateAssetObjectUrl": "s3://assets/0f.json"}
    artifacts = {
        "Web": {"type": "aws:cloudformation:stack", "environment": "aws://111111111111/us-east-1", "properties": stack},
        "Web.assets": {"type": "cdk:asset-manifest", "properties": {"file": "a.json"}},
    }
    (directory / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    nested = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Dev"}}
    (assembly / "manifest.json").write_text(json.dumps({"artifacts": {"dev": nested}}))
    (directory / "web.json").write_text('{"Resources": {}}')
    (directory / "other.json").write_text('{"Resources": {"Evil": {"Type": "AWS::IAM::Role"}}}')

    def upload(path: str | None) -> None:
        destinations = {"x": {"bucketName": "assets", "objectKey": "0f.json"}}
        files = {"t": {"source": {"path": path}, "destinations": destinations}} if path else {}
        (directory / "a.json").write_text(json.dumps({"files": files}))

    upload(uploaded)
    with pytest.raises(NovaError, match="Web would be deployed from another template than the one that was compared"):
        deploy(github_config, "dev", assembly=assembly)
    assert not cdk.exists()
    upload("web.json")
    assert deploy(github_config, "dev", assembly=assembly)


def test_the_url_is_handed_to_the_jobs_that_follow(
    github_config: Config, assembly: Path, cdk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nova_infra.config.load_config", lambda _: github_config)
    outputs = tmp_path / "github-output"
    outputs.write_text("before=1\n")
    arguments = ["deploy", "dev", "--assembly", str(assembly), "--outputs", str(outputs)]
    assert CliRunner().invoke(nova, arguments, catch_exceptions=False).exit_code == 0
    assert outputs.read_text() == "before=1\nurl=http://dev.example.com\n"


def test_a_stack_that_was_not_deployed_is_an_error_of_aws(
    github_config: Config, assembly: Path, cdk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDK_EXIT", "1")
    with pytest.raises(NovaError, match="dev: cdk deploy exited with 1") as failed:
        deploy(github_config, "dev", assembly=assembly)
    assert failed.value.exit_code == 3


def test_nothing_is_deployed_where_the_pipeline_delivers(config: Config, assembly: Path, cdk: Path) -> None:
    with pytest.raises(NovaError, match="dev: is delivered by CodePipeline, and two engines would overtake"):
        deploy(config, "dev", assembly=assembly)
    assert not cdk.exists()


@pytest.mark.parametrize("environment", ["staging", "qa"])
def test_an_environment_that_is_not_there_is_refused(
    github_config: Config, assembly: Path, cdk: Path, environment: str
) -> None:
    with pytest.raises(NovaError, match=r"holds no stage Staging: run make synth|is not one of dev, staging, prod"):
        deploy(github_config, environment, assembly=assembly)
    assert not cdk.exists()


def test_the_repositories_are_deployed_without_the_roles_and_a_kept_one_is_adopted(
    github_config: Config, assembly: Path, cdk: Path
) -> None:
    (assembly / "NovaRegistryStack.template.json").write_text("{}")
    deploy_registry(github_config, assembly=assembly)
    action, app, stack, *options = cdk.read_text().splitlines()
    assert (action, stack, app[:6]) == ("deploy", "NovaRegistryStack", "--app=")
    assert {"--exclusively", "--import-existing-resources", "--require-approval=never"} <= set(options)


def test_the_repositories_change_unless_they_are_deployed_as_the_assembly_has_them(
    config: Config, github_config: Config, assembly: Path
) -> None:
    def changes(deployed: object) -> bool:
        return registry_changes(github_config, assembly=assembly, deployed={"NovaRegistryStack": deployed}.__getitem__)

    with pytest.raises(NovaError, match="holds no stack NovaRegistryStack: run make synth"):
        changes({})
    (assembly / "NovaRegistryStack.template.json").write_text('{"Resources": {"A": {"Type": "T"}}}')
    assert not changes({"Resources": {"A": {"Type": "T"}}})
    assert changes({"Resources": {"A": {"Type": "T", "Properties": {"ImageTagMutability": "MUTABLE"}}}})
    assert changes({"Resources": {}})
    (assembly / "NovaRegistryStack.template.json").write_text('{"Description": "für 請交 \\ud83d\\ude80", "A": 7}')
    assert not changes({"A": 7, "Description": "f?r ?? ?"}), "GetTemplate gives only ASCII back"
    assert changes({"A": 7, "Description": "fur ?? ?"})
    assert changes(None), "there is no such stack"
    with pytest.raises(NovaError, match="registry: is delivered by CodePipeline"):
        registry_changes(config, assembly=assembly, deployed=lambda _: None)


@pytest.mark.parametrize(("changed", "said"), [(True, "changed=true\n"), (False, "changed=false\n")])
def test_a_job_learns_whether_the_repositories_change(
    github_config: Config, assembly: Path, monkeypatch: pytest.MonkeyPatch, changed: bool, said: str
) -> None:
    (assembly / "NovaRegistryStack.template.json").write_text('{"Resources": {}}')
    monkeypatch.setattr("nova_infra.config.load_config", lambda _: github_config)
    deployed: dict[str, Any] | None = None if changed else {"Resources": {}}
    monkeypatch.setattr("nova_infra.deployed.connect.toolchain_template", lambda _: lambda _: deployed)
    arguments = ["registry", "--compare", "--assembly", str(assembly)]
    assert CliRunner().invoke(nova, arguments, catch_exceptions=False).output == said
    assert CliRunner().invoke(nova, [*arguments, "--early"]).exit_code == 2


def test_repositories_are_not_deployed_beside_the_pipeline_nor_from_an_assembly_without_them(
    config: Config, github_config: Config, assembly: Path, cdk: Path
) -> None:
    with pytest.raises(NovaError, match="registry: is delivered by CodePipeline"):
        deploy_registry(config, assembly=assembly)
    with pytest.raises(NovaError, match="holds no stack NovaRegistryStack: run make synth"):
        deploy_registry(github_config, assembly=assembly)
    assert not cdk.exists()


def test_the_early_branch_deploys_its_own_repositories_alone(github_config: Config, assembly: Path, cdk: Path) -> None:
    (assembly / "NovaEarlyRegistryStack.template.json").write_text("{}")
    deploy_registry(github_config, assembly=assembly, early=True)
    assert cdk.read_text().splitlines()[2] == "NovaEarlyRegistryStack"
    delivery = github_config.delivery.model_copy(update={"early_branch": None})
    with pytest.raises(NovaError, match="--early: there is no early branch"):
        deploy_registry(github_config.model_copy(update={"delivery": delivery}), assembly=assembly, early=True)
