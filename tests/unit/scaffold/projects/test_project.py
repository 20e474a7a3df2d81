"""``nova init``: a project of other names out of this one, all of it or nothing."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from helpers.repository import git
from helpers.scripts import load_script
from nova_infra.config import load_config
from nova_infra.errors import NovaError
from nova_infra.scaffold.editing.services import LOCKS
from nova_infra.scaffold.projects.answers import Answers, default_name, default_repository
from nova_infra.scaffold.projects.project import create_project, require_place
from nova_infra.scaffold.workflows import drift

ROOT = Path(__file__).parents[4]

ANSWERS = Answers(
    name="acme",
    repository="acme-corp/shop",
    engine="codepipeline",
    accounts={"toolchain": "900000000001", "dev": "900000000002", "staging": "900000000003", "prod": "900000000004"},
    regions={
        "toolchain": "eu-central-1", "dev": "eu-west-1", "staging": "ap-northeast-1", "prod": "ap-northeast-1",
    },
    services=("billing", "pdf-maker"),
)  # fmt: skip


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


LOCK = "#    uv pip compile services/carts-service/pyproject.toml services/kit/pyproject.toml --group dev -o a lock\n"
LOCK += "pulp==1.0 \\\n    --hash=sha256:a\n    # via carts-service (services/carts-service/pyproject.toml)\n"


@pytest.fixture
def root(example: Path, tmp_path: Path) -> Path:
    """A small project as it comes out of an archive: no repository, but what tools leave behind."""
    directory = tmp_path / "Nova, 配送"
    shutil.copytree(example, directory)
    config = directory / "nova.toml"
    config.write_text(config.read_text().replace("early_branch", "# early_branch"))
    for path, text in {
        ".gitignore": "/.venv/\n__pycache__/\n",
        ".venv/python": "a tool",
        "nova_infra/__pycache__/x.pyc": "compiled",
        "nova_infra/names.py": "x = 1\n",
        "Makefile": "all:\n",
        **dict.fromkeys(LOCKS, LOCK),
        ".github/CODEOWNERS": "# Reviewed\n/nova.toml  @org/platform\n/services/carts-service/ @org/carts\n",
    }.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    (directory / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/tree.sh", directory / "scripts")
    return directory


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "made" / "of it"


def names(project: Path) -> list[str]:
    return sorted(path.parent.name for path in project.glob("services/*/Dockerfile"))


@pytest.mark.exhaustive("test_an_empty_clone_gets_its_first_commit_and_one_with_commits_is_left_to_its_owner")
def test_a_project_is_what_was_answered_and_keeps_the_rest(root: Path, target: Path, service_names: list[str]) -> None:
    before = contents(root)
    create_project(root, target, ANSWERS)
    config, made = load_config(target), contents(target)
    assert (config.platform.name, config.source.repository, config.delivery.engine) == (
        "acme", "acme-corp/shop", "codepipeline",
    )  # fmt: skip
    places = {"toolchain": config.toolchain} | {each.name: each for each in config.environments}
    assert {place: each.account for place, each in places.items()} == ANSWERS.accounts
    assert {place: each.region for place, each in places.items()} == ANSWERS.regions
    assert [each.network.zones for each in config.environments] == [("a", "b"), ("a", "c"), ("a", "c", "d")]
    assert [service.name for service in config.services] == ["billing", "pdf-maker"] == names(target)
    assert drift(target, config) == []
    assert made[".github/CODEOWNERS"] == b"# Reviewed\n/nova.toml  @acme-corp/platform\n"
    assert not [lock for lock in LOCKS if b"pulp" in made[lock] or b"services/billing/" not in made[lock]]
    ignored = {".venv/python", "nova_infra/__pycache__/x.pyc"}
    gone = {path for path in before if path.startswith(tuple(f"services/{name}/" for name in service_names))}
    assert before.keys() - made.keys() == gone | ignored
    assert made["nova_infra/names.py"] == before["nova_infra/names.py"]
    assert os.access(target / "scripts/tree.sh", os.X_OK)
    assert contents(root) == before


@pytest.mark.exhaustive("test_an_empty_clone_gets_its_first_commit_and_one_with_commits_is_left_to_its_owner")
@pytest.mark.own_project  # it is what the project is made from
def test_the_whole_project_can_be_created_again(target: Path) -> None:
    create_project(ROOT, target, ANSWERS)
    listed = subprocess.run([ROOT / "scripts/tree.sh", "list"], check=True, capture_output=True, text=True).stdout
    old = set(names(ROOT))
    kept = {
        path for path in listed.split("\0") if path and not (path.startswith("services/") and path.split("/")[1] in old)
    }
    assert kept <= contents(target).keys()
    load_script("locks").check(target)  # every lock agrees with its manifest
    assert drift(target, load_config(target)) == []
    assert git(target, "status", "--porcelain") == ""


def test_regions_that_no_role_reaches_are_refused_by_the_options_that_named_them(root: Path, target: Path) -> None:
    regions = {**ANSWERS.regions, "staging": "us-gov-west-1", "prod": "cn-north-1"}
    with pytest.raises(NovaError) as refused:
        create_project(root, target, replace(ANSWERS, regions=regions))
    staging, prod = str(refused.value).splitlines()
    assert staging.startswith("--region staging: 'us-gov-west-1' is in aws-us-gov, but eu-central-1 of the")
    assert prod.startswith("--region prod: 'cn-north-1' is in aws-cn, ")
    assert not target.parent.exists()


@pytest.mark.parametrize("region", one_of_each(["eu-central-1", "us-gov-west-1"]))
def test_github_actions_needs_no_connection(root: Path, target: Path, region: str) -> None:
    answers = replace(ANSWERS, regions=dict.fromkeys(ANSWERS.regions, region), engine="github-actions")
    assert create_project(root, target, answers).source.connection_arn is None


@pytest.mark.exhaustive("test_an_empty_clone_gets_its_first_commit_and_one_with_commits_is_left_to_its_owner")
def test_a_pipeline_needs_a_connection_of_its_region(root: Path, target: Path) -> None:
    answers = replace(ANSWERS, regions=dict.fromkeys(ANSWERS.regions, "eu-central-1"))
    arn = create_project(root, target, answers).source.connection_arn or "none"
    assert arn.startswith("arn:aws:codeconnections:eu-central-1:900000000001:connection/")


def test_an_empty_clone_gets_its_first_commit_and_one_with_commits_is_left_to_its_owner(
    root: Path, target: Path, tmp_path: Path
) -> None:
    target.mkdir(parents=True)
    git(target, "init", "-q", "-b", "trunk")
    create_project(root, target, ANSWERS)
    assert git(target, "log", "--format=%s %D") == "Start acme from Nova HEAD -> trunk"
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "mine")
    create_project(root, other, ANSWERS)
    assert git(other, "log", "--format=%s") == "mine"
    assert "nova.toml" in git(other, "status", "--porcelain")


@pytest.mark.exhaustive("test_an_empty_clone_gets_its_first_commit_and_one_with_commits_is_left_to_its_owner")
def test_a_first_commit_needs_no_identity(root: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    for variable in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(variable, raising=False)
    create_project(root, target, ANSWERS)
    assert git(target, "log", "--format=%an") == "Nova"


def shipped(root: Path) -> None:
    """Make the project one that nobody has made theirs yet, in a repository."""
    git(root, "init", "-q")
    git(root, "add", "--all")
    git(root, "commit", "-qm", "As it is shipped")


def test_a_fresh_clone_becomes_the_project(root: Path, service_names: list[str]) -> None:
    shipped(root)
    kept = contents(root)["nova_infra/names.py"]
    create_project(root, root, ANSWERS)
    assert names(root) == ["billing", "pdf-maker"]
    assert load_config(root).source.repository == "acme-corp/shop"
    assert contents(root)["nova_infra/names.py"] == kept
    assert not [path for path in contents(root) if path.startswith(f"services/{service_names[0]}/")]
    with pytest.raises(NovaError, match="already delivers acme-corp/shop"):
        create_project(root, root, ANSWERS)


@pytest.mark.parametrize("path", one_of_each(["nova.toml", "services/carts-service/notes.txt"]))
def test_a_clone_with_work_that_is_not_committed_is_left_alone(root: Path, path: str) -> None:
    shipped(root)
    with (root / path).open("a") as file:
        file.write("# mine\n")
    before = contents(root)
    with pytest.raises(NovaError, match="has uncommitted work") as refusal:
        create_project(root, root, ANSWERS)
    assert len(str(refusal.value).splitlines()) == 1
    assert contents(root) == before


def test_a_clone_of_which_git_says_nothing_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold work that nobody could restore."""
    shipped(root)
    before = contents(root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(NovaError, match="may have uncommitted work: this repository belongs to another user: run `git"):
        create_project(root, root, ANSWERS)
    assert contents(root) == before


@pytest.mark.parametrize(
    ("path", "complaint"),
    [("full", "is not empty"), ("file", "is a file"), ("Nova, 配送/inside", "is inside the project")],
)
def test_a_place_that_holds_something_else_is_refused(root: Path, path: str, complaint: str) -> None:
    (root.parent / "full").mkdir()
    (root.parent / "full" / ".hidden").touch()
    (root.parent / "file").touch()
    before = contents(root.parent)
    with pytest.raises(NovaError, match=complaint) as refusal:
        require_place(root, root.parent / path)
    assert len(str(refusal.value).splitlines()) == 1
    with pytest.raises(NovaError, match=complaint):
        create_project(root, root.parent / path, ANSWERS)
    assert contents(root.parent) == before
    assert not (root / "inside").exists()


@pytest.mark.parametrize("existed", one_of_each([False, True]))
def test_a_project_that_cannot_be_written_leaves_nothing(
    root: Path, target: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    if existed:
        target.mkdir(parents=True)
    rename = Path.rename

    def refuse(path: Path, to: Path) -> Path:
        if to == target / "services/pdf-maker/Dockerfile":
            raise OSError(28, "No space left on device", str(to))
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(NovaError, match="No space left on device"):
        create_project(root, target, ANSWERS)
    assert target.exists() == existed
    assert target.parent.exists() == existed
    assert list(target.parent.rglob("*")) == ([target] if existed else [])


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("git@github.com:acme-corp/shop.git", "acme-corp/shop"),
        ("https://github.com/acme-corp/shop.js", "acme-corp/shop.js"),
        ("https://git.example.com/acme/shop", "org/acme-platform"),
        (None, "org/acme-platform"),
    ],
)
def test_the_repository_is_the_one_that_git_fetches_from(remote: str | None, repository: str) -> None:
    assert default_repository("acme", remote) == repository


@pytest.mark.parametrize(
    ("directory", "name"),
    [("My Shop", "my-shop"), ("店", "nova"), ("a-name-that-is-too-long", "nova"), ("aws-x", "nova")],
)
def test_the_name_is_the_directorys_where_it_can_be(directory: str, name: str) -> None:
    assert default_name(Path(directory)) == name
