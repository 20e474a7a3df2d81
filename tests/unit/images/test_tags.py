"""Content tags: the same files give the same tag on every machine, any difference in what is built gives another."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.repository import git
from nova_infra.config import parse_config
from nova_infra.errors import NovaError
from nova_infra.images.build_context import (
    read_contexts,
    read_directory,
    unknown_to_contexts,
    unknown_to_git,
    write_context,
)
from nova_infra.images.tags import ImageSource, current_commit, image_sources, left_out


@pytest.fixture
def repository(services: Path) -> Path:
    """The same in git; its root."""
    root = services.parent
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def source(services: Path, name: str = "audio") -> ImageSource:
    return ImageSource(name, "linux/amd64", {}, read_contexts(services, [name])[name])


def tag(services: Path, name: str = "audio") -> str:
    return source(services, name).tag


def test_the_tag_is_one_that_a_registry_accepts(services: Path) -> None:
    assert set(tag(services)) <= set("0123456789abcdef")
    assert len(tag(services)) == 64


def test_a_copy_outside_of_git_has_the_same_tag(repository: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(repository / "services", tmp_path / "elsewhere")
    assert tag(copy) == tag(repository / "services")


@pytest.mark.parametrize(
    ("key", "value"),
    one_of_each(
        [("core.autocrlf", "true"), ("core.fileMode", "false"), ("core.symlinks", "false"), ("core.quotePath", "true")]
    ),
)
def test_a_clone_has_the_same_tag_however_git_is_set_up(repository: Path, tmp_path: Path, key: str, value: str) -> None:
    (repository / "services" / "audio" / "src" / "größe.txt").write_text("zwei\nZeilen\n")
    (repository / "services" / "audio" / "src" / "link").symlink_to("main.py")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "second")
    git(tmp_path, "clone", "--quiet", "--config", f"{key}={value}", "project", "clone")
    clone = tmp_path / "clone" / "services"
    if key == "core.autocrlf":
        assert b"\r\n" in (clone / "audio" / "src" / "main.py").read_bytes()
    if key == "core.fileMode":
        (clone / "audio" / "src" / "start").chmod(0o644)
    assert tag(clone) == tag(repository / "services")


def test_neither_umask_nor_locale_nor_the_order_of_files_counts(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0o077)
    try:
        git(tmp_path, "clone", "--quiet", "project", "clone")
    finally:
        os.umask(before)
    monkeypatch.setenv("LC_ALL", "C")
    clone = tmp_path / "clone" / "services"
    content = (clone / "audio" / "src" / "main.py").read_bytes()
    (clone / "audio" / "src" / "main.py").unlink()
    (clone / "audio" / "src" / "main.py").write_bytes(content)  # now the last in its directory
    assert tag(clone) == tag(repository / "services")


@pytest.mark.parametrize(
    "change",
    [
        lambda audio: (audio / "src" / "main.py").write_text("name = 'other'\n"),
        lambda audio: (audio / "src" / "main.py").rename(audio / "src" / "app.py"),
        lambda audio: (audio / "src" / "main.py").chmod(0o755),
        lambda audio: (audio / "src" / "main.py").unlink(),
        lambda audio: (audio / "src" / "extra.py").write_text(""),
        lambda audio: (audio / "src" / "link").symlink_to("main.py"),
        lambda audio: (audio / "Dockerfile").write_text("FROM other\n"),
        lambda audio: (audio.parent / "kit" / "src" / "main.py").write_text(""),
    ],
    ids=["content", "path", "executable bit", "deletion", "an empty file", "a link", "the Dockerfile", "the kit"],
)
@pytest.mark.parametrize("where", one_of_each(["services", "repository"]))
def test_any_difference_in_what_is_built_gives_another_tag(
    request: pytest.FixtureRequest, where: str, services: Path, change: Callable[[Path], object]
) -> None:
    request.getfixturevalue(where)
    before = tag(services)
    change(services / "audio")
    if where == "repository":
        git(services.parent, "add", "--all")
    assert tag(services) != before


@pytest.mark.parametrize("change", [{"platform": "linux/arm64"}, {"arguments": {"PYTHON_IMAGE": "python:3.13"}}])
def test_the_architecture_and_the_build_arguments_count(services: Path, change: dict[str, Any]) -> None:
    assert dataclasses.replace(source(services), **change).tag != tag(services)


@pytest.mark.parametrize(
    "file", one_of_each(["audio/tests/test_main.py", "audio/src/__pycache__/main.pyc", "kit/src/.DS_Store"])
)
@pytest.mark.parametrize("where", one_of_each(["services", "repository"]))
def test_what_the_dockerfile_cannot_see_does_not_count(
    request: pytest.FixtureRequest, where: str, services: Path, file: str
) -> None:
    request.getfixturevalue(where)
    before = tag(services)
    path = services / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("anything")
    assert tag(services) == before


def test_what_git_does_not_know_does_not_count_and_is_named(repository: Path) -> None:
    services = repository / "services"
    before = tag(services)
    (services / "audio" / "src" / "notes.txt").write_text("mine")
    (services / "audio" / "src" / "notes.pyc").write_text("never in an image")
    assert tag(services) == before
    assert unknown_to_git(services) == ["audio/src/notes.txt"]
    assert unknown_to_git(services / "audio") == ["src/notes.pyc", "src/notes.txt"]
    (services / "audio" / ".dockerignore").write_text(".dockerignore\n**/*.pyc\n")
    assert unknown_to_git(services / "audio") == ["src/notes.txt"]


@pytest.mark.parametrize(
    ("chosen", "named"),
    one_of_each(
        [
            (
                None,
                [
                    "apps/api/new.py",
                    "services/audio/src/new.py",
                    "services/kit/src/new.py",
                    "services/video/src/new.py",
                ],
            ),
            (["audio"], ["services/audio/src/new.py", "services/kit/src/new.py"]),
            (["api"], ["apps/api/new.py"]),
            (["video"], ["services/video/src/new.py"]),
        ]
    ),
)
def test_what_is_left_out_is_named_by_the_contexts_of_the_services_that_are_built(
    repository: Path, raw: dict[str, Any], chosen: list[str] | None, named: list[str]
) -> None:
    (repository / "apps" / "api").mkdir(parents=True)
    (repository / "apps" / "api" / "main.py").write_text("1")
    (repository / "services" / "api").mkdir()
    (repository / "services" / "api" / "Dockerfile").write_text("FROM scratch")
    git(repository, "add", ".")
    for directory in ("apps/api", "services/api", "services/audio/src", "services/kit/src", "services/video/src"):
        (repository / directory / "new.py").write_text("1")
    for directory in ("apps/api", "services/api", "services/video"):
        (repository / directory / "infrastructure.py").write_text("1")
    shop = {"name": "shop", "image": f"registry.example.com/shop:1@sha256:{'a' * 64}"}
    api = {"name": "api", "context": "apps/api", "dockerfile": "services/api/Dockerfile"}
    raw["services"] = [{"name": "audio", "kit": True}, {"name": "video"}, api, shop]
    assert [each.partition(":")[0] for each in left_out(repository, parse_config(raw), chosen)] == named


def test_a_service_that_git_knows_nothing_of_yet_is_read_as_it_lies_there(repository: Path) -> None:
    services = repository / "services"
    shutil.copytree(services / "audio", services / "radio")
    first = tag(services, "radio")
    (services / "radio" / "src" / "main.py").write_text("other")
    assert tag(services, "radio") != first
    assert unknown_to_contexts(services, ["audio", "radio"]) == unknown_to_git(services / "radio") == []


def test_a_change_to_one_service_leaves_the_others_tags_alone(services: Path) -> None:
    before = tag(services, "video")
    (services / "audio" / "src" / "main.py").write_text("name = 'other'\n")
    assert tag(services, "video") == before


def test_content_cannot_be_shifted_from_one_file_to_the_next(services: Path) -> None:
    directory = services / "audio" / "src"
    (directory / "a").write_text("xy")
    (directory / "b").write_text("z")
    before = tag(services)
    (directory / "a").write_text("x")
    (directory / "b").write_text("yz")
    assert tag(services) != before


def test_binary_files_keep_their_bytes(services: Path) -> None:
    path = services / "audio" / "src" / "data.bin"
    path.write_bytes(b"\0\r\n")
    before = tag(services)
    path.write_bytes(b"\0\n")
    assert tag(services) != before


def test_exactly_what_counts_is_laid_out_for_the_build(repository: Path, tmp_path: Path) -> None:
    services = repository / "services"
    (services / "audio" / "src" / "notes.txt").write_text("git does not know it")
    (services / "audio" / "src" / "main.py").write_bytes(b"a\r\n")
    context = tmp_path / "context"
    context.mkdir()
    write_context(source(services).files, context)
    laid_out = {path.relative_to(context).as_posix(): path for path in context.rglob("*") if path.is_file()}
    assert set(laid_out) == {"audio/Dockerfile", "audio/src/main.py", "audio/src/start", "kit/src/main.py"}
    assert laid_out["audio/src/main.py"].read_bytes() == b"a\n"
    modes = {name: path.stat().st_mode & 0o777 for name, path in laid_out.items()}
    assert modes == dict.fromkeys(laid_out, 0o644) | {"audio/src/start": 0o755}


def test_a_service_without_a_directory_is_named(services: Path) -> None:
    with pytest.raises(NovaError, match="services/radio: not found"):
        read_contexts(services, ["radio"])


def test_an_unreadable_repository_does_not_count_as_none(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(b"broken")
    with pytest.raises(NovaError, match=r"git ls-files: .*: repair the repository"):
        read_contexts(repository / "services", ["audio"])


def test_a_repository_of_another_user_says_how_to_trust_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(NovaError, match=f"^this repository belongs to .*safe.directory '{repository}'`$"):
        read_contexts(repository / "services", ["audio"])


def test_a_release_has_a_commit_only_when_the_tree_is_clean(tmp_path: Path) -> None:
    assert current_commit(tmp_path) is None
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "--message", "first")
    assert len(current_commit(tmp_path) or "") == 40
    (tmp_path / "uncommitted").write_text("")
    assert current_commit(tmp_path) is None


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A service that is built from its own directory, in git, beside one that it has no part in."""
    for path, text in {
        "services/shop/Dockerfile": "FROM scratch\nCOPY main.go /\n",
        "services/shop/main.go": "package main\n",
        "services/shop/notes.md": "left out\n",
        "services/shop/.dockerignore": "*.md\n",
        "services/other/Dockerfile": "FROM scratch\n",
        "deploy/shop.Dockerfile": "FROM scratch AS tested\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    return tmp_path


def test_a_service_of_its_own_is_built_from_its_directory_alone(own: Path) -> None:
    files, dockerfile = read_directory(own / "services/shop", root=own, dockerfile="services/shop/Dockerfile")
    assert dockerfile == "Dockerfile"
    assert [file.path for file in files] == [".dockerignore", "Dockerfile", "main.go"]


def test_a_dockerfile_outside_of_the_context_is_sent_along(own: Path) -> None:
    files, dockerfile = read_directory(own / "services/shop", root=own, dockerfile="deploy/shop.Dockerfile")
    assert {file.path: file.content for file in files}[dockerfile] == b"FROM scratch AS tested\n"


@pytest.mark.parametrize(
    ("context", "dockerfile", "fault"),
    [
        ("services/none", "services/shop/Dockerfile", "services/none: is not a directory"),
        ("services/shop", "services/shop/Dockerfile.prod", "services/shop/Dockerfile.prod: not found"),
    ],
)
def test_a_context_that_is_not_there_is_refused_by_name(own: Path, context: str, dockerfile: str, fault: str) -> None:
    with pytest.raises(NovaError, match=fault):
        read_directory(own / context, root=own, dockerfile=dockerfile)


def test_what_the_configuration_says_of_an_image_counts_in_its_tag(own: Path, raw: dict[str, Any]) -> None:
    def tag(**keys: object) -> str:
        raw["services"] = [{"name": "shop", **keys}]
        [found] = image_sources(own, parse_config(raw))
        return found.tag

    image = "registry.example.com/shop:1@sha256:" + "a" * 64
    tags = [
        tag(),
        tag(target="tested"),
        tag(build_arguments={"MODE": "fast"}),
        tag(dockerfile="deploy/shop.Dockerfile"),
        tag(context="services/other"),
        tag(image=image),
        tag(image=image.replace("a" * 64, "b" * 64)),
        tag(image=image, architecture="arm64"),
    ]
    assert len({*tags}) == len(tags)
    assert tag() == tags[0]
