"""Whether an engine is of use, with programs that stand for it."""

from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.containers import probe
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.containers.probe import Limits, require_start, require_usable
from nova_infra.rehearsal.tasks.runtime import choose_runtime

BASE = "registry.example.com/library/python:3.13-slim@sha256:12ab"


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose program ``podman`` each test writes: it has the images that the file ``images`` names."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (tmp_path / "images").write_text("")
    return tmp_path


def install(podman: Path, *, run: str, pull: str = "exit 1") -> Engine:
    images = podman / "images"
    (podman / "podman").write_text(
        f"""#!/bin/sh
case $1 in
info) echo amd64 ;;
image) grep -qxF "$3" {images} && echo '[{{"Id": "1"}}]' || {{ echo "no such image" >&2; exit 1; }} ;;
import) echo "$3" >> {images} ;;
run) {run} ;;
pull) {pull} ;;
esac
"""
    )
    (podman / "podman").chmod(0o755)
    return Engine("podman", "amd64")


STARTS = "echo 'exec: \"/missing\": stat /missing: no such file or directory' >&2; exit 127"
REFUSES = "echo 'error setting rlimit type 7: operation not permitted' >&2; exit 126"


def test_an_engine_is_of_use_where_all_that_fails_is_that_the_program_is_missing(podman: Path) -> None:
    require_start(install(podman, run=STARTS))
    require_start(install(podman, run=STARTS))
    assert (podman / "images").read_text().count("nova-probe") == 1, "it is kept"


def test_an_engine_that_may_not_start_containers_says_so(podman: Path) -> None:
    with pytest.raises(EngineError, match=r"rlimit type 7.*this machine does not let it run containers"):
        require_start(install(podman, run=REFUSES))


@pytest.mark.parametrize(
    ("allowed", "limits"),
    one_of_each(
        [
            ("*nofile=1048576:1048576*", Limits(2**20)),
            ("*nofile=2345:2345*", Limits(2345)),
            ("*nofile=2345:2345*nproc=32768:32768*", Limits(2345, 32768)),
            ("*nofile=1048576:1048576*nproc=1024:1024*", Limits(2**20, 1024)),
            ("*nofile=65535:65535*", Limits(65535)),
        ]
    ),
)
@pytest.mark.parametrize(
    "words", one_of_each(["error setting rlimit type {}: not permitted", "setrlimit `{}`: not permitted"])
)
def test_a_container_may_have_what_the_kernel_does_not_refuse(
    podman: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, limits: Limits, words: str
) -> None:
    monkeypatch.setattr(probe, "own_open_files", lambda: 2345)
    names = (
        {"files": "7", "processes": "6"} if "type" in words else {"files": "RLIMIT_NOFILE", "processes": "RLIMIT_NPROC"}
    )
    files, processes = (f"echo '{words.format(name)}' >&2; exit 126" for name in names.values())
    enough_files = f"*nofile={limits.open_files}:*"
    run = f"case $* in {allowed}) {STARTS} ;; {enough_files}) {processes} ;; *) {files} ;; esac"
    assert require_start(install(podman, run=run)) == limits


@pytest.mark.parametrize("own", [2**20, 2**19])
def test_a_daemon_may_allow_less_than_this_process_has(podman: Path, monkeypatch: pytest.MonkeyPatch, own: int) -> None:
    monkeypatch.setattr(probe, "own_open_files", lambda: own)
    run = f"case $* in *nofile=65535:65535*) {STARTS} ;; *) {REFUSES} ;; esac"
    assert require_start(install(podman, run=run)) == Limits(65535)


@pytest.mark.parametrize(
    "run",
    [
        "echo 'Error: unknown flag: --publish' >&2; exit 125",
        "echo 'Error: OCI runtime error: no seccomp' >&2; exit 126",
        "exit 1",
    ],
)
def test_no_other_failure_passes_for_a_missing_program(podman: Path, run: str) -> None:
    with pytest.raises(EngineError, match=r"^podman run: .*it does not start a container: see what it says$"):
        require_start(install(podman, run=run))


@pytest.mark.parametrize(
    "run", ["exit 127", "echo 'Error: executable file `/missing` not found in $PATH' >&2; exit 125", STARTS]
)
def test_a_missing_program_is_known_by_the_status_or_its_name(podman: Path, run: str) -> None:
    assert require_start(install(podman, run=run)).open_files > 0


@pytest.mark.parametrize(
    ("limits", "lacks"),
    [
        (Limits(2**20), []),
        (Limits(2345), ["open files: at most 2345 for a process here"]),
        (Limits(2**20, 1024), ["threads: at most 1024 here for all tasks of one user id together"]),
        (Limits(65535, 32768), ["open files: at most 65535", "threads: at most 32768"]),
    ],
)
def test_what_fargate_gives_and_this_machine_does_not_is_said(limits: Limits, lacks: list[str]) -> None:
    assert all(each in limits.lacks for each in lacks)
    assert limits.lacks.count("on Fargate") == len(lacks)


def test_an_engine_that_hangs_is_given_up(podman: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.3)
    with pytest.raises(EngineError, match=r"podman run: does not end within 0\.3 s"):
        require_start(install(podman, run="exec sleep 20"))


def test_a_pull_takes_as_long_as_it_takes(podman: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\n")
    engine = install(podman, run=STARTS, pull=f'sleep 0.3; echo "$3" >> {podman / "images"}')
    monkeypatch.setattr(probe, "require_start", lambda _: Limits(1024))
    monkeypatch.setattr(probe, "SECONDS", 0.1)
    require_usable(engine, [tmp_path / "Dockerfile"])
    assert BASE in (podman / "images").read_text()


def test_a_base_image_is_there_or_has_a_stand_in_or_can_be_pulled(podman: Path, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE} AS base\nFROM base AS next\nFROM scratch\n")
    engine = install(
        podman, run=STARTS, pull="echo 'pinging container registry registry.example.com: timeout' >&2; exit 1"
    )
    with pytest.raises(EngineError, match="an image cannot be pulled: give the machine a way to its registry"):
        require_usable(engine, [dockerfile])
    engine = install(podman, run=STARTS, pull=f'echo "$3" >> {podman / "images"}')
    require_usable(engine, [dockerfile])
    assert BASE in (podman / "images").read_text()
    (podman / "images").write_text("localhost/python:3.13-slim\n")
    require_usable(install(podman, run=STARTS), [dockerfile])


def test_without_an_engine_of_use_tasks_come_from_sources_unless_images_were_asked_for(podman: Path) -> None:
    install(podman, run=REFUSES)
    said: list[str] = []
    assert choose_runtime(None, tell=said.append).kind == "sources"
    assert said[0].endswith(": services run from their sources")
    with pytest.raises(EngineError, match="does not let it run containers"):
        choose_runtime("images")
    install(podman, run=STARTS)
    assert choose_runtime("images").kind == "images"
    assert choose_runtime(None).kind == "images"
