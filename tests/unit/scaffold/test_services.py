"""``nova service add``: what it writes is a service like the others, and what it refuses leaves no trace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nova_infra.build_context import read_contexts
from nova_infra.config import load_config
from nova_infra.errors import NovaError
from nova_infra.scaffold import services as service_add
from nova_infra.scaffold.services import add_service

ROOT = Path(__file__).parents[3]
SUMMARY = "Counts the characters, words and lines of a text."
NEW = "unheard"
"""No user's service: adding one must not break a test."""


@pytest.fixture
def project(example: Path, tmp_path: Path) -> Path:
    """A copy of the example's project, to be changed."""
    shutil.copytree(example, tmp_path, dirs_exist_ok=True)
    return tmp_path


def contents(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}


def run(project: Path, *command: str) -> None:
    arguments = [sys.executable, "-m", *command]
    result = subprocess.run(arguments, cwd=project, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_new_service_passes_its_own_tests_the_common_ones_and_the_linter(project: Path) -> None:
    name = "a-name-of-forty-characters-in-all-x-y-zz"
    add_service(project, name, SUMMARY)
    shutil.copy(ROOT / "pyproject.toml", project)
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
    assert config.read_bytes() == text + f'\r\n\r\n[[services]]\r\nname = "{NEW}"\r\n'.encode()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Text", "name: 'Text' is not a name"),
        ("", "name: '' is not a name"),
        ("../text", "name: '../text' is not a name"),
        ("a" * 41, "is too long"),
        ("kit", "is taken by the platform"),
        ("nova-kit", "is taken by the platform"),
        ("carts-service", "services/carts-service: exists already"),
        ("json", "is a Python module or word, too"),
        ("numpy", "is a Python module or word, too"),
        ("lambda", "is a Python module or word, too"),
    ],
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
    with pytest.raises(NovaError, match="summary"):
        add_service(example, NEW, summary)
    assert contents(example) == before


def test_a_nova_toml_that_is_broken_is_refused(project: Path) -> None:
    (project / "nova.toml").write_text("[platform\n")
    before = contents(project)
    with pytest.raises(NovaError, match=r"nova\.toml: is not valid TOML"):
        add_service(project, NEW, SUMMARY)
    assert contents(project) == before


def test_when_nova_toml_cannot_be_written_the_directory_goes_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(project)

    def refuse(path: Path, _text: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(service_add, "_replace", refuse)
    with pytest.raises(NovaError, match=r"nova\.toml: cannot be written: Permission denied"):
        add_service(project, NEW, SUMMARY)
    assert contents(project) == before
    assert not (project / "services" / NEW).exists()
