"""What the templates of a release, and its whole assembly, are known by."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from nova_infra.assembly import digest_of, digest_of_files
from nova_infra.checks.permissions.edges.run_steps import DIGEST
from nova_infra.cli.built import built_assembly
from nova_infra.constructs.pipeline.built_assembly import refuse_another
from nova_infra.deployed.connect import REHEARSAL_VARIABLE
from nova_infra.errors import CheckFailedError

TEMPLATES: dict[str, dict[str, Any]] = {
    "a": {"Resources": {"X": {"Type": "T", "Properties": {"N": 1}}}},
    "b": {"Resources": {}},
}


def test_the_order_of_stacks_and_keys_is_nothing() -> None:
    turned: dict[str, dict[str, Any]] = {
        "b": TEMPLATES["b"],
        "a": {"Resources": {"X": {"Properties": {"N": 1}, "Type": "T"}}},
    }
    assert digest_of(turned) == digest_of(TEMPLATES)
    assert digest_of(TEMPLATES).startswith("sha256:")


@pytest.mark.parametrize(
    "changed",
    [
        {"a": TEMPLATES["a"]},
        {"c": TEMPLATES["a"], "b": TEMPLATES["b"]},
        {"a": {"Resources": {"X": {"Type": "T", "Properties": {"N": "1"}}}}, "b": {"Resources": {}}},
        {"a": TEMPLATES["b"], "b": TEMPLATES["a"]},
    ],
)
def test_anything_else_is_another_one(changed: dict[str, Any]) -> None:
    assert digest_of(changed) != digest_of(TEMPLATES)


FILES = {"manifest.json": "{}", "a.template.json": '{"Resources": {}}', "assembly-Prod/é b.json": "[]", "z": ""}


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content, encoding="utf-8")
    return directory


def test_an_assembly_is_known_by_what_the_pipeline_itself_computes(tmp_path: Path) -> None:
    """Hidden files and where links lead included: an asset may hold either, and its function runs it."""
    write(tmp_path, {**FILES, ".hidden": "1", ".cache/x": "2", "a\\b": "3", "c\nd": "4", "e\rf": "5"})
    (tmp_path / "link").symlink_to("z")
    (tmp_path / "directory").symlink_to("assembly-Prod")
    (tmp_path / "assembly-Prod" / "round").symlink_to("..")
    (tmp_path / "nowhere").symlink_to("gone")
    said = subprocess.run(["bash", "-c", DIGEST], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert said == f"{digest_of_files(tmp_path)}\n"


@pytest.mark.parametrize(
    "changed",
    [
        {**FILES, "a.template.json": '{"Resources": {} }'},
        {**FILES, "b": ""},
        {**FILES, ".npmrc": ""},
        {**FILES, "assembly-Prod/.x/y": ""},
        {**{name: FILES[name] for name in ("manifest.json", "a.template.json", "assembly-Prod/é b.json")}, "y": ""},
    ],
    ids=["another content", "one more file", "a hidden one", "one in a hidden directory", "another name"],
)
def test_an_assembly_with_one_file_changed_is_another_one(tmp_path: Path, changed: dict[str, str]) -> None:
    one, other = write(tmp_path / "one", FILES), write(tmp_path / "other", changed)
    assert digest_of_files(one) != digest_of_files(other)
    assert digest_of_files(one) == digest_of_files(write(tmp_path / "again", FILES))


@pytest.fixture
def command() -> Callable[..., Result]:
    """A command that prints the directory that it was given."""

    @click.command()
    @built_assembly
    def shown(assembly: Path) -> None:
        click.echo(assembly)

    return lambda *arguments: CliRunner().invoke(shown, arguments)


def test_a_command_takes_the_assembly_that_was_built_and_no_other(
    tmp_path: Path, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = write(tmp_path / "cdk.out", FILES)
    built = digest_of_files(directory)
    assert command("--assembly", str(directory), "--digest", built).output == f"{directory}\n"
    (directory / "z").write_text("changed meanwhile")
    said = command("--assembly", str(directory), "--digest", built).exception
    assert isinstance(said, CheckFailedError)
    assert f"{directory}: is not the assembly that was built: it is" in str(said)
    assert f"the build made {built[:12]}: somebody changed the artifact" in str(said)
    assert "holds no assembly" in str(command("--assembly", str(tmp_path), "--digest", built).exception)
    assert "--digest: needs --assembly" in str(command("--digest", built).exception)
    # A rehearsal plays the assembly itself.
    monkeypatch.setenv(REHEARSAL_VARIABLE, "http://localhost/candidate")
    assert command("--digest", built).exception is None


@pytest.mark.exhaustive("test_an_assembly_with_one_file_changed_is_another_one")
def test_a_steps_first_command_refuses_another_assembly(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    environment = {**os.environ, "CODEBUILD_SRC_DIR_Synth_Output": str(tmp_path), "ASSEMBLY": digest_of_files(tmp_path)}

    def refusing() -> subprocess.CompletedProcess[str]:
        command = ["bash", "-c", refuse_another()]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)

    assert (refusing().returncode, refusing().stdout) == (0, "")
    (tmp_path / "more.json").write_text("{}", encoding="utf-8")
    refused = refusing()
    assert refused.returncode == 1
    assert refused.stdout.startswith("assembly: it is not the one that was built: somebody changed the artifact")
    environment["CODEBUILD_SRC_DIR_Synth_Output"] = str(tmp_path / "gone")
    assert refusing().returncode == 1
