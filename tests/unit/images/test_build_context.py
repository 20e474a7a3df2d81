"""What stands in the place of a build context's files, and is no file or cannot be read."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_infra.errors import NovaError
from nova_infra.images.build_context import context_paths, read_contexts


@pytest.fixture
def tracked(services: Path) -> None:
    """The same in git."""
    subprocess.run(["git", "init", "--quiet"], cwd=services.parent, check=True)
    subprocess.run(["git", "add", "."], cwd=services.parent, check=True)


@pytest.mark.parametrize("known", [True, False], ids=["in git", "without git"])
def test_a_docker_ignore_of_any_encoding_is_read_as_docker_reads_it(
    services: Path, request: pytest.FixtureRequest, known: bool
) -> None:
    secret = os.fsdecode(b"caf\xe9.txt")
    (services / "audio" / "src" / secret).write_text("no")
    (services / ".dockerignore").write_bytes(b"\xef\xbb\xbf**/start\n# caf\xe9\n**/caf\xe9.txt\n")
    if known:
        request.getfixturevalue("tracked")
    paths = ["audio/Dockerfile", "audio/src/main.py", "kit/src/main.py"]
    assert [file.path for file in read_contexts(services, ["audio"])["audio"]][-3:] == paths
    assert set(paths) <= set(context_paths(services, ["audio"]))


@pytest.mark.parametrize("known", [True, False], ids=["in git", "without git"])
def test_what_is_no_file_in_a_context_is_left_out_or_named(
    services: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    if known:
        request.getfixturevalue("tracked")
    place = services / "audio" / "src" / "main.py"
    place.unlink()
    os.mkfifo(place)
    (services / "audio" / "src" / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as other:
        monkeypatch.chdir(services / "kit" / "src")  # its whole path may be longer than a socket's may be
        other.bind("socket")
    if known:
        with pytest.raises(NovaError, match=r"^services/audio/src/main\.py: is not a file: replace it by one$"):
            read_contexts(services, ["audio"])
        return
    paths = {file.path: file.kind for file in read_contexts(services, ["audio"])["audio"]}
    assert paths == {
        **{"audio/Dockerfile": "file", "audio/src/loop": "link", "audio/src/start": "executable"},
        **{"kit/src/main.py": "file"},
    }
    assert sorted(paths) == context_paths(services, ["audio"])


@pytest.mark.parametrize("kind", ["pipe", "directory", "loop"])
def test_a_docker_ignore_that_is_no_file_is_named(services: Path, kind: str) -> None:
    path = services / ".dockerignore"
    path.unlink()
    make: dict[str, Callable[[], None]] = {
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "loop": lambda: path.symlink_to(path.name),
    }
    make[kind]()
    with pytest.raises(NovaError, match=r"\.dockerignore: (is not a file|cannot be read \(.*\)): replace it by"):
        read_contexts(services, ["audio"])


def test_a_link_instead_of_a_docker_ignore_that_leads_nowhere_counts_as_none(services: Path) -> None:
    (services / ".dockerignore").unlink()
    (services / ".dockerignore").symlink_to("nowhere")
    assert "audio/src/main.py" in context_paths(services, ["audio"])


def test_names_alone_are_listed_without_reading_a_file(services: Path) -> None:
    for path in (services / "audio" / "src").iterdir():
        path.unlink()
        path.symlink_to("nowhere")
    with_contents = [file.path for file in read_contexts(services, ["audio"])["audio"]]
    assert context_paths(services, ["audio"]) == with_contents
    (services / "audio" / "Dockerfile").unlink()
    (services / "audio" / "src" / "large").touch()
    os.truncate(services / "audio" / "src" / "large", 2**40)
    assert "audio/src/large" in context_paths(services, ["audio"])
