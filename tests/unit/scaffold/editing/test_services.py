"""``nova service add | remove | rename``: whole or not at all, and what is refused leaves no trace."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import load_config
from nova_infra.errors import NovaError
from nova_infra.images.build_context import read_contexts
from nova_infra.scaffold.editing.services import LOCKS, add_service, remove_service, rename_service

ROOT = Path(__file__).parents[4]
SUMMARY = "Counts the characters, words and lines of a text."
NEW = "unheard"
"""No user's service: adding one must not break a test."""


@pytest.fixture
def project(example: Path, tmp_path: Path) -> Path:
    """A copy of the example's project, to be changed."""
    shutil.copytree(example, tmp_path, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def contents(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts}


def run(project: Path, *command: str) -> None:
    arguments = [sys.executable, "-m", *command]
    result = subprocess.run(arguments, cwd=project, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.exhaustive("test_a_new_service_passes_the_linter")
def test_a_new_service_passes_its_own_tests_and_the_common_ones(project: Path) -> None:
    name = "a-name-of-forty-characters-in-all-x-y-zz"
    add_service(project, name, SUMMARY)
    shutil.copy(ROOT / "services" / "conftest.py", project / "services")
    shutil.copytree(ROOT / "services" / "tests", project / "services" / "tests")
    run(
        project,
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "forty and not contract",
        f"services/{name}",
        "services/tests",
    )


def test_a_new_service_passes_the_linter(project: Path) -> None:
    name = "a-name-of-forty-characters-in-all-x-y-zz"
    add_service(project, name, SUMMARY)
    run(project, "ruff", "check", "--no-cache", f"services/{name}")
    run(project, "ruff", "format", "--no-cache", "--check", f"services/{name}")


def test_a_new_service_is_delivered_like_the_others_and_changes_none_of_them(
    project: Path, service_names: list[str]
) -> None:
    before = contents(project)
    images = read_contexts(project / "services", service_names)
    written = add_service(project, NEW, SUMMARY)
    assert load_config(project).service(NEW).paths == (f"/{NEW}/*",)
    assert {str(path.relative_to(project)) for path in contents(project).keys() - before.keys()} == set(written[1:])
    context = {file.path for file in read_contexts(project / "services", [NEW])[NEW]}
    assert {f"{NEW}/requirements.txt", f"{NEW}/src/{NEW}/main.py"} <= context
    assert not any("/tests/" in path for path in context)
    assert read_contexts(project / "services", service_names) == images


def test_nova_toml_keeps_its_comments_and_line_ends(project: Path) -> None:
    config = project / "nova.toml"
    text = config.read_bytes().replace(b"\n", b"\r\n").rstrip()
    config.write_bytes(text)
    add_service(project, NEW, SUMMARY)
    assert config.read_bytes() == text + f'\r\n\r\n[[services]]\r\nname = "{NEW}"\r\nkit = true\r\n'.encode()


@pytest.mark.parametrize(
    ("name", "complaint"),
    one_of_each(
        [
            ("Text", "name: 'Text' is not a name"),
            ("", "name: '' is not a name"),
            ("../text", "name: '../text' is not a name"),
            ("a" * 41, "is too long"),
            ("kit", "is reserved by the platform"),
            ("nova-kit", "is reserved by the platform"),
            ("carts-service", "services/carts-service: already exists"),
            ("json", "is also a Python module or keyword"),
            ("pydantic", "is also a Python module or keyword"),
            ("lambda", "is also a Python module or keyword"),
        ]
    ),
)
def test_a_name_that_cannot_be_used_is_refused_in_one_line_and_nothing_changes(
    example: Path, name: str, complaint: str
) -> None:
    before = contents(example)
    with pytest.raises(NovaError) as refusal:
        add_service(example, name, SUMMARY)
    assert complaint in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert contents(example) == before


@pytest.mark.parametrize("summary", ["", "counts.", "No full stop", 'Says "hello".', "Two\nlines.", "A" * 101 + "."])
def test_a_summary_that_would_break_a_file_is_refused(example: Path, summary: str) -> None:
    before = contents(example)
    with pytest.raises(NovaError, match="--summary "):
        add_service(example, NEW, summary)
    assert contents(example) == before


def test_a_nova_toml_that_is_broken_is_refused(project: Path) -> None:
    (project / "nova.toml").write_text("[platform\n")
    before = contents(project)
    with pytest.raises(NovaError, match=r"nova\.toml: is not valid TOML"):
        add_service(project, NEW, SUMMARY)
    assert contents(project) == before


def test_when_something_cannot_be_written_nothing_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(project)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if target.name == "main.py":
            raise PermissionError(13, "Permission denied", str(target))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(NovaError, match=r"main\.py: cannot be written: Permission denied"):
            add_service(project, NEW, SUMMARY)
    assert contents(project) == before
    assert not (project / "services" / NEW).exists()


OWNERS = """# Who reviews.
/nova.toml                     @org/platform
/services/carts-service/       @org/carts
/services/carts-service/src/   @org/carts-code
/services/carts-service-2/     @org/others
"""

RENAMED_OWNERS = """# Who reviews.
/nova.toml                     @org/platform
/services/unheard/             @org/carts
/services/unheard/src/         @org/carts-code
/services/carts-service-2/     @org/others
"""


@pytest.fixture
def committed(project: Path) -> Path:
    """The project with a lock, owners and a kit of its own, committed."""
    manifests = " ".join(f"services/{path.parent.name}/pyproject.toml" for path in services_of(project))
    for lock in LOCKS:
        (project / lock).write_text(
            f"#    uv pip compile pyproject.toml {manifests} --group dev -o {lock}\n"
            "pulp==1.0 \\\n    --hash=sha256:a\n    # via carts-service (services/carts-service/pyproject.toml)\n"
        )
    (project / ".github").mkdir()
    (project / ".github/CODEOWNERS").write_text(OWNERS)
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "All of it"]):
        names = ["-c", "user.name=Tests", "-c", "user.email=tests@example.com"]
        subprocess.run(["git", *names, *command], cwd=project, check=True)
    return project


def services_of(project: Path) -> list[Path]:
    return sorted((project / "services").glob("*/pyproject.toml"))


def test_a_service_that_is_removed_leaves_nothing_of_it(committed: Path) -> None:
    before = contents(committed)
    changed = remove_service(committed, "carts-service")
    after = contents(committed)
    assert changed == [".github/CODEOWNERS", "nova.toml", *LOCKS, "services/carts-service"]
    assert not [path for path in after if "carts-service" in path.parts]
    assert before.keys() - after.keys() == {
        path for path in before if path.is_relative_to(committed / "services/carts-service")
    }
    assert {path for path in after if after[path] != before[path]} == {committed / path for path in changed[:4]}
    assert not [text for path in changed[:4] if b"carts-service/" in (text := after[committed / path])]
    assert not [lock for lock in LOCKS if b"pulp" in after[committed / lock]]
    assert b"@org/others" in after[committed / ".github/CODEOWNERS"]
    assert "carts-service" not in [each.name for each in load_config(committed).services]


def test_a_service_that_was_added_and_removed_leaves_the_project_as_it_was(committed: Path) -> None:
    before = contents(committed)
    add_service(committed, NEW, SUMMARY)
    assert contents(committed) != before
    remove_service(committed, NEW, force=True)
    assert contents(committed) == before


@pytest.mark.parametrize("kind", one_of_each(["changed", "new", "no repository", "another user's"]))
def test_work_that_git_does_not_have_is_not_lost_but_by_force(
    committed: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "changed":
        (committed / "services/carts-service/Dockerfile").write_text("FROM scratch\n")
    elif kind == "new":
        (committed / "services/carts-service/notes").mkdir()
        (committed / "services/carts-service/notes/idea.txt").touch()
    elif kind == "no repository":
        shutil.rmtree(committed / ".git")
    else:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    before = contents(committed)
    complaint = {
        "changed": r"uncommitted work \(Dockerfile\)",
        "new": r"\(notes/idea.txt\)",
        "no repository": "use --force: there is no git repository here",
        "another user's": "use --force: this repository belongs to another user: run `git config",
    }
    with pytest.raises(NovaError, match=complaint[kind]) as refusal:
        remove_service(committed, "carts-service")
    assert len(str(refusal.value).splitlines()) == 1
    assert "--force" in str(refusal.value)
    assert contents(committed) == before
    remove_service(committed, "carts-service", force=True)
    assert not (committed / "services/carts-service").exists()


def test_a_service_whose_directory_something_else_is_built_from_stays(committed: Path) -> None:
    toml, directory = (committed / "nova.toml").read_text(), "services/carts-service"
    (committed / directory / "db").mkdir()
    (committed / directory / "db/Dockerfile").write_text("FROM scratch\n")
    for user in (
        f'[[services]]\nname = "shop"\ncontext = "{directory}"\ndockerfile = "{directory}/Dockerfile"\n',
        f'[[rehearsal.dependencies]]\nname = "db"\nbuild = "{directory}/db"\nport = 5432\n',
    ):
        (committed / "nova.toml").write_text(toml + user)
        with pytest.raises(NovaError, match=f"is built from {directory}: remove that first"):
            remove_service(committed, "carts-service", force=True)
        assert (committed / directory / "Dockerfile").exists()


def test_the_last_service_stays(committed: Path, service_names: list[str]) -> None:
    for name in service_names[1:]:
        remove_service(committed, name)
    before = contents(committed)
    with pytest.raises(NovaError, match="is the last one"):
        remove_service(committed, service_names[0])
    assert contents(committed) == before


@pytest.mark.exhaustive("test_links_and_modes_of_a_service_with_another_name_stay")
def test_a_service_with_another_name_is_the_same_service(committed: Path, service_names: list[str]) -> None:
    rename_service(committed, "carts-service", NEW)
    assert [each.name for each in load_config(committed).services] == [
        NEW if name == "carts-service" else name for name in service_names
    ]
    files = [path.relative_to(committed / "services" / NEW) for path in (committed / "services" / NEW).rglob("*")]
    assert {Path(f"src/{NEW}/main.py"), Path(f"tests/test_{NEW}.py"), Path("Dockerfile")} <= set(files)
    assert (committed / ".github/CODEOWNERS").read_text() == RENAMED_OWNERS
    for lock in LOCKS:
        assert f"# via {NEW} (services/{NEW}/pyproject.toml)" in (committed / lock).read_text()


@pytest.mark.exhaustive("test_links_and_modes_of_a_service_with_another_name_stay")
def test_a_service_that_gets_its_name_back_is_as_it_was(committed: Path) -> None:
    before = contents(committed)
    rename_service(committed, "carts-service", "my-carts")
    assert not [path for path, text in contents(committed).items() if b"carts_service" in text]
    rename_service(committed, "my-carts", "carts-service")
    assert contents(committed) == before


def test_links_and_modes_of_a_service_with_another_name_stay(committed: Path) -> None:
    directory = committed / "services/carts-service"
    (directory / "link").symlink_to("src")
    (directory / "dangling").symlink_to("nowhere")
    (directory / "Dockerfile").chmod(0o755)
    rename_service(committed, "carts-service", NEW)
    renamed = committed / "services" / NEW
    assert [str((renamed / name).readlink()) for name in ("link", "dangling")] == ["src", "nowhere"]
    assert (renamed / "Dockerfile").stat().st_mode & 0o777 == 0o755


@pytest.mark.exhaustive("test_a_new_service_passes_the_linter")
def test_a_service_with_another_name_passes_its_tests_and_the_linter(project: Path) -> None:
    source = project / "services/carts-service/src/carts_service/main.py"
    (source.parent / "words.py").write_text('"""Words."""\n')
    ours, theirs = "import carts_service.words\n", "from nova_kit.app import create_app, router\n"
    source.write_text(source.read_text().replace(theirs, ours + theirs, 1) + "\nassert carts_service.words\n")
    rename_service(project, "carts-service", "zz-a-name-that-wraps-many-lines")
    directory = "services/zz-a-name-that-wraps-many-lines"
    shutil.copy(ROOT / "services" / "conftest.py", project / "services")
    run(project, "pytest", "-q", "-p", "no:cacheprovider", directory)
    run(project, "ruff", "check", "--no-cache", directory)
    run(project, "ruff", "format", "--no-cache", "--check", directory)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("carts-service", "store-service", "services/store-service: already exists"),
        ("carts-service", "carts-service", "services/carts-service: already exists"),
        ("carts-service", "json", "is also a Python module or keyword"),
        ("carts-service", "Carts", "is not a name"),
        ("carts-service", "overview", "is reserved by the platform"),
        ("nobody", "fresh", "'nobody' is not one of"),
    ],
)
def test_a_rename_that_cannot_be_is_refused_in_one_line_and_nothing_changes(
    example: Path, old: str, new: str, complaint: str
) -> None:
    before = contents(example)
    with pytest.raises(NovaError) as refusal:
        rename_service(example, old, new)
    assert complaint in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1
    assert contents(example) == before


@pytest.mark.exhaustive("test_links_and_modes_of_a_service_with_another_name_stay")
def test_the_commands_say_what_changed_what_still_names_the_service_and_what_is_left_in_aws(
    committed: Path, nova: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    source = committed / "services/store-service/src/store_service/main.py"
    source.write_text(source.read_text() + '\nCARTS = "/carts-service/count"\n')
    line = len(source.read_text().splitlines())
    renamed = nova("service", "rename", "carts-service", NEW, directory=committed)
    assert (renamed.returncode, renamed.stderr) == (0, "")
    assert (
        f"carts-service is still mentioned in services/store-service/src/store_service/main.py:{line}" in renamed.stdout
    )
    assert "aws cloudformation delete-stack --stack-name nova-prod-carts-service" in renamed.stdout
    removed = nova("service", "remove", NEW, "--force", directory=committed)
    assert (removed.returncode, removed.stderr) == (0, "")
    assert "still mentioned" not in removed.stdout
    assert f"aws ecr delete-repository --force --repository-name nova/{NEW}" in removed.stdout
    unknown = nova("service", "remove", NEW, directory=committed)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert len(unknown.stderr.splitlines()) == 1
