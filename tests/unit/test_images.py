"""Content tags: the same files give the same tag, any difference gives another."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_infra.images import content_tag, current_commit


@pytest.fixture
def services(tmp_path: Path) -> Path:
    root = tmp_path / "services"
    for name in ("kit", "audio", "video"):
        (root / name / "src").mkdir(parents=True)
        (root / name / "src" / "main.py").write_text(f"name = {name!r}\n")
    return root


def test_the_tag_is_one_that_a_registry_accepts(services: Path) -> None:
    assert set(content_tag(services, "audio")) <= set("0123456789abcdef")
    assert len(content_tag(services, "audio")) == 16


def test_a_copy_on_another_machine_has_the_same_tag(services: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(services, tmp_path / "elsewhere")
    assert content_tag(copy, "audio") == content_tag(services, "audio")


@pytest.mark.parametrize(
    "change",
    [
        lambda audio: (audio / "src" / "main.py").write_text("name = 'other'\n"),
        lambda audio: (audio / "src" / "main.py").rename(audio / "src" / "app.py"),
        lambda audio: (audio / "src" / "main.py").chmod(0o755),
        lambda audio: (audio / "src" / "extra.py").write_text(""),
        lambda audio: (audio.parent / "kit" / "src" / "main.py").write_text(""),
    ],
    ids=["content", "path", "executable bit", "a further empty file", "the shared kit"],
)
def test_any_difference_in_what_is_built_gives_another_tag(services: Path, change: Callable[[Path], object]) -> None:
    before = content_tag(services, "audio")
    change(services / "audio")
    assert content_tag(services, "audio") != before


@pytest.mark.parametrize("file", ["tests/test_main.py", "src/__pycache__/main.cpython-311.pyc"])
def test_what_is_not_in_the_image_does_not_count(services: Path, file: str) -> None:
    before = content_tag(services, "audio")
    path = services / "audio" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("anything")
    assert content_tag(services, "audio") == before


def test_a_change_to_one_service_leaves_the_others_tags_alone(services: Path) -> None:
    before = content_tag(services, "video")
    (services / "audio" / "src" / "main.py").write_text("name = 'other'\n")
    assert content_tag(services, "video") == before


def test_content_cannot_be_shifted_from_one_file_to_the_next(services: Path) -> None:
    source = services / "audio" / "src"
    (source / "a").write_text("xy")
    (source / "b").write_text("z")
    before = content_tag(services, "audio")
    (source / "a").write_text("x")
    (source / "b").write_text("yz")
    assert content_tag(services, "audio") != before


def test_a_release_has_a_commit_only_when_the_tree_is_clean(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    assert current_commit(tmp_path) is None
    git("init")
    git("commit", "--allow-empty", "--message", "first")
    assert len(current_commit(tmp_path) or "") == 40
    (tmp_path / "uncommitted").write_text("")
    assert current_commit(tmp_path) is None
