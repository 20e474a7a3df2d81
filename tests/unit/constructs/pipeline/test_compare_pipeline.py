"""The comparison of the commit's pipeline with the deployed one, over assemblies that were tampered with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.pipeline_assembly import ASSETS, LOAD, ROLE, TARBALL, stack, write
from nova_infra.constructs.pipeline.built_assembly import refuse_others


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


def test_what_the_author_chooses_pushes_nothing_else_out_of_the_line(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path
) -> None:
    """An approver's request has room for so much, and names of files and commands may be as long as anybody likes."""
    asset("files", {"executable": ["z" * 70]}, "shop", "dev")(artifacts, tmp_path / "cdk.out")
    runs = f"PipelineDevshop.assets runs a command: {'z' * 60}"
    assert compare() == f"changed: {runs}"
    (tmp_path / "cdk.out" / ("x" * 90)).write_text("")
    strange = f"{'x' * 80}: not of an assembly"
    assert compare() == f"changed: {f'{strange}; {runs}'[:200]}"
    y = "y" * 80
    artifacts["the manifest's own"] = {"y" * 90: []}
    assert compare() == f"changed: {f'the assembly has {y}; {strange}; {runs}'[:200]}"


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


def test_a_setting_that_is_taken_away_is_named(
    compare: Callable[[], str], artifacts: dict[str, Any], tmp_path: Path
) -> None:
    artifacts["Registry"]["properties"] |= {"terminationProtection": False, "tags": {"team": "theirs"}}
    assert (
        compare() == "changed: Registry would be deployed with another terminationProtection; Registry gets other tags"
    )


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


def test_what_cannot_be_compared_is_not_the_same(compare: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "deployed" / "Pipeline").unlink()
    assert compare() == "failed"
