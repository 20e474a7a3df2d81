"""Two assemblies beside each other, with the CDK CLI itself."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from helpers.small_assembly import TOPIC, add_copy, assembly, role
from nova_infra.cli.main import nova
from nova_infra.errors import NovaError
from nova_infra.operations.changes import review
from nova_infra.operations.changes.differences import Difference, Kind
from nova_infra.operations.changes.review import StackChange, as_comment, changes


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembly(
        tmp_path_factory.mktemp("before"),
        platform={"Topic": TOPIC},
        audio={"Role": role("s3:GetObject")},
        video={"Topic": TOPIC},
    )


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assembly(
        tmp_path_factory.mktemp("after"),
        platform={"Topic": TOPIC},
        audio={"Role": role("s3:GetObject", "s3:DeleteObject")},
        search={"Topic": TOPIC},
    )


@pytest.fixture(scope="module")
def found(before: Path, after: Path) -> list[StackChange]:
    """What differs, where the CDK CLI, which takes two seconds, says nothing to it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(review, "run_cdk", lambda *said, **_: subprocess.CompletedProcess(said, 0, f"{said[1]}\n\n✨ 1"))
        return changes(before, after)


@pytest.mark.exhaustive("test_wider_access_is_found")
def test_only_stacks_that_differ_are_shown(found: list[StackChange]) -> None:
    assert [change.name for change in found] == [
        f"nova-dev-{name} (111111111111)" for name in ("audio", "search", "video")
    ]


def test_its_words_are_in_the_text_and_its_count_is_not(found: list[StackChange], after: Path) -> None:
    assert found[0].text == f"--app={after}"


@pytest.mark.exhaustive("test_its_words_are_in_the_text_and_its_count_is_not")
def test_changes_are_reported_in_the_words_of_cdk_diff(before: Path, after: Path) -> None:
    audio, search, video = changes(before, after)
    assert "s3:DeleteObject" in audio.text
    assert search.text == "A new stack."
    assert video.text.startswith("No longer synthesized")


def test_wider_access_is_found(found: list[StackChange]) -> None:
    [difference] = [each for each in found[0].differences if each.kind == Kind.WIDENS_ACCESS]
    assert "s3:DeleteObject" in difference.what


def test_the_comment_names_what_must_not_be_missed_before_the_details(found: list[StackChange]) -> None:
    comment = as_comment(found)
    first = comment.index("- **widens access**: `nova-dev-audio (111111111111)` `Role`:")
    assert comment.index("| `nova-dev-audio (111111111111)` |") < first < comment.index("<details>")


def test_a_comment_fits_into_what_github_takes_and_cannot_leave_its_fence() -> None:
    many = [StackChange(f"stack-{number}", (), "``````\n" + "x" * 20_000) for number in range(20)]
    comment = as_comment(many)
    assert len(comment) < 65_536
    assert "run `nova diff` to see all of it" in comment
    difference = Difference("Role", "AWS::IAM::Role", Kind.WIDENS_ACCESS, "may do everything")
    assert "may do everything" in as_comment([StackChange("stack", (difference,), "")])


@pytest.mark.parametrize(
    "foreign",
    [
        "@everyone [here](https://evil.example)",
        "</code></details><img src=x>",
        "a\n\n# Approved",
        "``` `x` `````````",
        "| a | b |",
        "\x1b[2Jgone",
    ],
)
def test_what_a_template_says_is_data_in_the_comment(foreign: str) -> None:
    difference = Difference(foreign, "AWS::IAM::Role", Kind.WIDENS_ACCESS, foreign)
    comment = as_comment([StackChange(foreign, (difference,), f"{foreign}\n`````````\n# Approved")])
    # Without its code spans and fences, the comment is ours alone.
    ours = re.sub(r"(`{3,})text\n.*?\n\1\n", "", comment, flags=re.DOTALL)
    ours = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", ours)
    ours = re.sub(r"<summary><code>[^<\n]*</code></summary>", "", ours)
    for mark in ("evil", "img", "Approved", "everyone", "gone", "| b"):
        assert mark not in ours
    assert "\x1b" not in comment
    assert ours.count("\n|") == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("displayName", "--app=touch /tmp/x"),
        ("displayName", "x\ny"),
        ("stackName", "$(x)"),
        ("templateFile", "../../secret.json"),
        ("templateFile", "/etc/passwd"),
    ],
)
def test_an_assembly_names_stacks_and_files_of_its_own(tmp_path: Path, before: Path, key: str, value: str) -> None:
    change = assembly(tmp_path / "change", audio={"Role": role("s3:GetObject")})
    manifest = json.loads((change / "assembly-Dev" / "manifest.json").read_text())
    stack = manifest["artifacts"]["Devaudio"]
    (stack if key == "displayName" else stack["properties"])[key] = value
    (change / "assembly-Dev" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(NovaError, match="run `make synth`") as raised:
        changes(before, change)
    assert len(str(raised.value).splitlines()) == 1


def test_a_nested_assembly_is_below_its_own(tmp_path: Path, before: Path) -> None:
    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "../before"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "50.0.0", "artifacts": {"x": stage}}))
    with pytest.raises(NovaError, match="leads out of the assembly"):
        changes(before, tmp_path)


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"tags": {"team": "web"}}, Kind.OTHER, "sets tags.team to web"),
        ({"terminationProtection": False}, Kind.WIDENS_ACCESS, "changes terminationProtection from true to false"),
        ({"assumeRoleArn": "arn:x"}, Kind.WIDENS_ACCESS, "sets assumeRoleArn to arn:x"),
        (
            {"cloudFormationExecutionRoleArn": "arn:x"},
            Kind.WIDENS_ACCESS,
            "sets cloudFormationExecutionRoleArn to arn:x",
        ),
        ({"notificationArns": ["arn:x"]}, Kind.WIDENS_ACCESS, "sets notificationArns to"),
        ({"parameters": {"Size": "9"}}, Kind.OTHER, "sets parameters.Size to 9"),
        ({"validateOnSynth": True, "requiresBootstrapStackVersion": 7}, None, ""),
    ],
)
def test_how_a_stack_is_deployed_is_compared_besides_its_template(
    tmp_path: Path, settings: dict[str, Any], kind: Kind | None, said: str
) -> None:
    made = {}
    for name, changed in (("before", {"terminationProtection": True}), ("after", settings)):
        made[name] = assembly(tmp_path / name, audio={"Topic": TOPIC})
        path = made[name] / "assembly-Dev" / "manifest.json"
        manifest = json.loads(path.read_text())
        properties = manifest["artifacts"]["Devaudio"]["properties"]
        properties |= {"terminationProtection": True} | changed
        path.write_text(json.dumps(manifest))
    found = changes(made["before"], made["after"])
    assert [difference.kind for change in found for difference in change.differences] == ([kind] if kind else [])
    assert all(said in change.text and said in change.differences[0].what for change in found)


def test_a_protection_that_is_added_widens_nothing(tmp_path: Path) -> None:
    before, after = (assembly(tmp_path / name, audio={"Topic": TOPIC}) for name in ("before", "after"))
    path = after / "assembly-Dev" / "manifest.json"
    path.write_text(path.read_text().replace('"templateFile"', '"terminationProtection": true, "templateFile"'))
    [change] = changes(before, after)
    assert [difference.kind for difference in change.differences] == [Kind.OTHER]


def test_a_command_that_publishing_would_newly_run_widens_access(tmp_path: Path) -> None:
    before, after = (assembly(tmp_path / name, audio={"Topic": TOPIC}) for name in ("before", "after"))
    for made, commands in ((before, ["make"]), (after, ["make", "curl evil.example"])):
        path = made / "assembly-Dev" / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["artifacts"]["Devaudio.assets"] = {"type": "cdk:asset-manifest", "properties": {"file": "a.json"}}
        path.write_text(json.dumps(manifest))
        files = {each: {"source": {"executable": each.split()}} for each in commands}
        (made / "assembly-Dev" / "a.json").write_text(json.dumps({"files": files}))
    [change] = changes(before, after)
    [difference] = change.differences
    assert (change.name, difference.kind) == ("assembly-Dev/Devaudio.assets", Kind.WIDENS_ACCESS)
    assert difference.what == "runs 'curl evil.example'"
    assert changes(after, after) == changes(after, before) == []


def with_assets(made: Path, *contents: str) -> Path:
    """An assembly that uploads directories, all under one name."""
    path = made / "assembly-Dev" / "manifest.json"
    manifest = json.loads(path.read_text())
    files = {}
    for number, content in enumerate(contents):
        (made / f"asset.{number}" / "inner").mkdir(parents=True)
        (made / f"asset.{number}" / "inner" / "index.js").write_text(content)
        to = {"dev": {"bucketName": "assets", "objectKey": "0f.zip"}}
        files[f"{number}"] = {"source": {"path": f"../asset.{number}", "packaging": "zip"}, "destinations": to}
    manifest["artifacts"]["Devaudio.assets"] = {"type": "cdk:asset-manifest", "properties": {"file": "a.json"}}
    path.write_text(json.dumps(manifest))
    (made / "assembly-Dev" / "a.json").write_text(json.dumps({"files": files}))
    return made


@pytest.mark.parametrize(
    ("old", "new", "is_found"),
    [
        (["a"], ["b"], True),
        (["a"], ["a", "b"], True),
        ([], ["a", "b"], True),
        (["a"], ["a"], False),
        ([], ["a"], False),
    ],
    ids=["replaced", "a second one", "two at once", "the same", "new"],
)
def test_an_asset_that_holds_something_else_under_the_same_name_widens_access(
    tmp_path: Path, old: str, new: str, is_found: bool
) -> None:
    before, after = (
        with_assets(assembly(tmp_path / name, audio={"Topic": TOPIC}), *contents)
        for name, contents in (("before", old), ("after", new))
    )
    found = [(change.name, each.kind, each.what) for change in changes(before, after) for each in change.differences]
    assert [each[:2] for each in found] == ([("assets/0f.zip", Kind.WIDENS_ACCESS)] if is_found else [])
    assert all(("several things" if len(new) > 1 else "AssetHashType.OUTPUT") in what for *_, what in found)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_stack_that_would_be_deployed_from_another_template_widens_access(tmp_path: Path, is_read: bool) -> None:
    """What is compared is the file that the manifest names; CloudFormation takes what is uploaded."""
    made = assembly(tmp_path / "made", audio={"Topic": TOPIC})
    manifest = json.loads((made / "assembly-Dev" / "manifest.json").read_text())
    properties = manifest["artifacts"]["Devaudio"]["properties"]
    properties["stackTemplateAssetObjectUrl"] = "s3://assets/0f.json"
    manifest["artifacts"]["Devaudio.assets"] = {"type": "cdk:asset-manifest", "properties": {"file": "a.json"}}
    (made / "assembly-Dev" / "manifest.json").write_text(json.dumps(manifest))
    path = properties["templateFile"] if is_read else "evil.json"
    (made / "assembly-Dev" / "evil.json").write_text("{}")
    to = {"dev": {"bucketName": "assets", "objectKey": "0f.json"}}
    (made / "assembly-Dev" / "a.json").write_text(
        json.dumps({"files": {"t": {"source": {"path": path, "packaging": "file"}, "destinations": to}}})
    )
    found = [(each.kind, each.what[:42]) for change in changes(made, made) for each in change.differences]
    assert found == ([] if is_read else [(Kind.WIDENS_ACCESS, "would be deployed from another template th")])


def test_an_asset_is_not_read_from_outside_of_the_assembly(tmp_path: Path) -> None:
    made = with_assets(assembly(tmp_path / "made", audio={"Topic": TOPIC}), "a")
    other = made / "asset.0"
    other.rename(tmp_path / "elsewhere")
    other.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NovaError, match="is outside of the assembly: synthesize all stacks"):
        changes(made, made)


def test_an_asset_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    made = with_assets(assembly(tmp_path / "made", audio={"Topic": TOPIC}), "a")
    (made / "asset.0").rename(tmp_path / "away")
    with pytest.raises(NovaError, match=r"asset\.0: is uploaded, and is neither a file nor a directory"):
        changes(made, made)
    os.mkfifo(made / "asset.0")
    with pytest.raises(NovaError, match=r"asset\.0: is uploaded, and is neither a file nor a directory"):
        changes(made, made)


def test_without_a_change_the_comment_says_so(before: Path) -> None:
    assert changes(before, before) == []
    assert "Nothing: every template stays the same" in as_comment([])


@pytest.mark.exhaustive("test_wider_access_is_found")
def test_wider_access_has_exit_code_1(
    found: list[StackChange], before: Path, after: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nova_infra.operations.changes.review.changes", lambda *given: found if given == (before, after) else []
    )
    comment = tmp_path / "comment.md"
    arguments = ["diff", str(before), str(after), "--markdown", str(comment)]
    refused = CliRunner().invoke(nova, arguments)
    assert isinstance(refused.exception, NovaError)
    assert refused.exception.exit_code == 1
    assert str(refused.exception).startswith("nova-dev-audio (111111111111): Role: widens access: ")
    assert comment.exists()


def test_a_directory_that_is_no_assembly_is_refused_in_one_line(tmp_path: Path, after: Path) -> None:
    with pytest.raises(NovaError, match=r"manifest\.json: is missing: run `make synth`"):
        changes(tmp_path, after)


@pytest.mark.exhaustive("test_wider_access_is_found")
def test_stacks_of_one_name_in_two_regions_are_compared_each_by_itself(tmp_path: Path) -> None:
    """A harmless one must not stand for the other, which gets wider."""
    before, after = tmp_path / "before", tmp_path / "after"
    assembly(before, audio={"Role": role("s3:GetObject")})
    assembly(after, audio={"Role": role("s3:*")})
    add_copy(after, audio={"Role": role("s3:GetObject")}, region="eu-west-1")
    found = {change.name: [each.kind for each in change.differences] for change in changes(before, after)}
    assert Kind.WIDENS_ACCESS in found["nova-dev-audio (111111111111, us-east-1)"]
    assert set(found) == {f"nova-dev-audio (111111111111, {region})" for region in ("us-east-1", "eu-west-1")}


def test_two_stacks_of_one_name_and_place_are_refused(tmp_path: Path) -> None:
    before, after = assembly(tmp_path / "before", audio={"Topic": TOPIC}), tmp_path / "after"
    assembly(after, audio={"Role": role("s3:*")})
    add_copy(after, audio={"Topic": TOPIC}, region="us-east-1")
    with pytest.raises(NovaError, match=r"two stacks nova-dev-audio \(111111111111, us-east-1\): remove or rename one"):
        changes(before, after)
