"""Building images on this machine, with a program that stands for the engine and writes down what it is asked."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from helpers.exhaustive import one_of_each
from helpers.processes import running_below
from nova_infra.containers.build import Recipe, base_images, build, local_name
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.images.build_context import ContextFile

DOCKERFILE = b"FROM mirror.example/library/python:3.13-slim@sha256:0 AS base\nFROM base\nCOPY a b\n"
RECIPE = Recipe(
    "localhost/nova/audio:0123456789abcdef",
    "audio/Dockerfile",
    "linux/arm64",
    {"FLAVOUR": "plain"},
    (ContextFile("audio/Dockerfile", "file", DOCKERFILE), ContextFile("audio/run", "executable", b"#!")),
)
PODMAN = Engine("podman", "amd64")
ENGINE = """#!/bin/sh
''''exec "{python}" -IS "$0" "$@" # '''
import json, os, sys
place = {place!r}
said = json.load(open(place + "/says.json"))
with open(place + "/calls", "a") as calls: calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["image", "inspect"]:
    found = said["images"].get(sys.argv[3])
    if found is None: sys.exit("Error: " + sys.argv[3] + ": image not known")
    print(json.dumps([found])); sys.exit()
if sys.argv[1] == "images" and said["unlisted"]: sys.exit("Error: retrieving label: " + said["unlisted"])
for word in sys.argv:
    if word.startswith("--iidfile="): open(word.partition("=")[2], "w").write("sha256:f00d")
    if word.startswith("--file=") and "--omit-history" in sys.argv: print(open(word.partition("=")[2]).read())
print("\\n".join(said["log"])); sys.exit(said["code"])
"""


NOISE = [f"STEP {number}/9: RUN true" for number in range(2, 9)]


class Said:
    """An engine that answers what it is told to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.images: dict[str, object] = {}
        self.unlisted = ""
        (place / "podman").write_text(ENGINE.format(python=sys.executable, place=str(place)))
        (place / "podman").chmod(0o755)
        self.answer()

    def answer(self, *log: str, code: int = 0) -> None:
        says = {"images": self.images, "unlisted": self.unlisted, "log": log, "code": code}
        (self.place / "says.json").write_text(json.dumps(says))

    @property
    def built(self) -> list[list[str]]:
        """The builds that it was asked for."""
        calls = self.place / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [call for call in map(json.loads, lines) if "build" in call]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("PIP_CONFIG_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return Said(tmp_path)


@pytest.mark.exhaustive("test_a_local_image_stands_in_for_the_base_and_another_one_makes_another_image")
def test_what_is_there_is_not_built_again(said: Said) -> None:
    assert build(PODMAN, RECIPE, tell=lambda _: None)
    said.images[RECIPE.name] = {"Config": {"Labels": {"nova.built-on": ""}}}
    said.answer()
    built = said.built
    assert not build(PODMAN, RECIPE, tell=lambda _: None)
    assert said.built == built != []


def test_a_build_succeeds_while_another_process_removes_images(said: Said) -> None:
    said.unlisted = "image not known"  # what Podman 4 says of one that goes while it lists them
    said.answer()
    assert build(PODMAN, RECIPE, tell=lambda _: None)
    assert said.built


def test_builds_wait_for_each_other_whatever_their_tmpdir_and_leave_no_file_behind(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "nova-build.lock"  # in XDG_RUNTIME_DIR
    (tmp_path / "own").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "own"))
    locked, flock = set(), fcntl.flock

    def note(file: IO[str], how: int) -> None:
        locked.add(file.name)
        flock(file, how)

    monkeypatch.setattr("nova_infra.containers.build.fcntl.flock", note)
    other = subprocess.Popen(["flock", str(lock), "sh", "-c", f"echo held; read _; rm {lock}"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == b"held\n"
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(build, PODMAN, RECIPE, tell=lambda _: None)
        with pytest.raises(TimeoutError):
            building.result(timeout=0.3)
        assert said.built == []
        other.communicate(b"go\n")
        assert building.result(timeout=60)
    assert said.built
    assert locked == {str(lock)}
    assert not lock.exists()


def test_a_local_image_stands_in_for_the_base_and_another_one_makes_another_image(said: Said) -> None:
    said.images["localhost/python:3.13-slim"] = {"Id": "one"}
    said.answer()
    lines: list[str] = []
    build(PODMAN, RECIPE, tell=lines.append)
    reference = "mirror.example/library/python:3.13-slim@sha256:0"
    assert f"localhost/python:3.13-slim stands in for {reference}" in lines
    assert f"--build-context={reference}=container-image://localhost/python:3.13-slim" in said.built[0]
    said.images[RECIPE.name] = {"Labels": {"nova.built-on": "python:3.13-slim=one"}}
    said.answer()
    assert not build(PODMAN, RECIPE, tell=lambda _: None)
    said.images["localhost/python:3.13-slim"] = {"Id": "two"}
    said.answer()
    assert build(PODMAN, RECIPE, tell=lambda _: None)


@pytest.mark.exhaustive("test_a_local_image_stands_in_for_the_base_and_another_one_makes_another_image")
@pytest.mark.parametrize(
    ("base", "layers"),
    one_of_each(
        [
            ({"Id": "one", "History": [{"created_by": "ADD"}]}, "--layers"),
            ({"Id": "one", "History": None}, "--layers=false"),
            ({"FromImageID": "one", "History": None, "OCIv1": {"history": [{"created_by": "ADD"}]}}, "--layers"),
            ({"FromImageID": "one", "History": None, "OCIv1": {}}, "--layers=false"),
        ],
        kind=lambda case: case[1],
    ),
)
def test_upon_an_image_without_a_history_no_cached_layers_are_looked_for(
    said: Said, base: dict[str, object], layers: str
) -> None:
    said.images["localhost/python:3.13-slim"] = base
    said.answer()
    build(PODMAN, RECIPE, tell=lambda _: None)
    assert layers in said.built[0]


@pytest.mark.exhaustive("test_a_local_image_stands_in_for_the_base_and_another_one_makes_another_image")
@pytest.mark.parametrize("image", one_of_each([{"Architecture": "amd64"}, {"OCIv1": {"architecture": "amd64"}}]))
def test_a_local_image_for_another_architecture_does_not_stand_in(said: Said, image: dict[str, object]) -> None:
    """Podman would look for the right one in a registry called localhost."""
    said.images["localhost/python:3.13-slim"] = {"Id": "one", **image}
    said.answer()
    with pytest.raises(EngineError) as raised:
        build(PODMAN, RECIPE, tell=lambda _: None)
    assert str(raised.value) == (
        "audio:0123456789abcdef: is built for arm64, and localhost/python:3.13-slim, which stands in for "
        "mirror.example/library/python:3.13-slim@sha256:0, is for amd64: replace it with one for arm64, or remove it "
        "where the registry can be reached"
    )
    assert said.built == []
    builder = DOCKERFILE.replace(b"FROM mirror", b"FROM --platform=linux/amd64 mirror")
    crossing = replace(RECIPE, files=(ContextFile("audio/Dockerfile", "file", builder),))
    assert build(PODMAN, crossing, tell=lambda _: None)
    said.images["localhost/python:3.13-slim"] = {"Id": "one", "Architecture": "arm64"}
    said.answer()
    assert build(PODMAN, RECIPE, tell=lambda _: None)


@pytest.mark.parametrize(
    "image",
    one_of_each(
        [
            {"Labels": {"nova.built-on": "python:3.13-slim=one"}},
            {"Config": {"Labels": {"nova.built-on": "python:3.13-slim=one"}}},
            {"Config": "{}", "OCIv1": {"config": {"Labels": {"nova.built-on": "python:3.13-slim=one"}}}},
        ]
    ),
    ids=["podman", "docker", "buildah"],
)
def test_every_engine_says_what_an_image_was_built_on(said: Said, image: dict[str, object]) -> None:
    said.images |= {"localhost/python:3.13-slim": {"Id": "one"}, RECIPE.name: image}
    said.answer()
    assert not build(PODMAN, RECIPE, tell=lambda _: None)


@pytest.mark.exhaustive("test_builds_wait_for_each_other_whatever_their_tmpdir_and_leave_no_file_behind")
def test_a_build_has_nothing_of_its_day_and_lends_the_machines_settings(
    said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pip.conf").write_text("[global]\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    lines: list[str] = []
    build(PODMAN, RECIPE, tell=lines.append)
    call, sealed = said.built
    assert {"--timestamp=0", "--format=oci", "--platform=linux/arm64", "--build-arg=FLAVOUR=plain"} <= set(call)
    assert f"--secret=id=pip,src={tmp_path}/pip.conf" in call
    assert not [word for word in call if "id=certificates" in word]
    assert not [word for word in call if "--tag" in word], "what is tagged has no history of this machine's cache"
    assert {"--timestamp=0", "--omit-history", f"--tag={RECIPE.name}", "--label=nova.built-on="} <= set(sealed)
    assert "FROM f00d" in lines


@pytest.mark.exhaustive("test_builds_wait_for_each_other_whatever_their_tmpdir_and_leave_no_file_behind")
def test_what_only_dockers_format_holds_is_built_in_it_and_sealed_in_the_other(said: Said) -> None:
    dockerfile = ContextFile("audio/Dockerfile", "file", DOCKERFILE + b'SHELL ["/bin/bash", "-c"]\nCMD exec run\n')
    lines: list[str] = []
    build(PODMAN, replace(RECIPE, files=(dockerfile,)), tell=lines.append)
    call, sealed = said.built
    assert "--format=docker" in call
    assert "--format=oci" in sealed
    assert [each for each in lines if each][:2] == ["FROM f00d", 'CMD ["/bin/bash", "-c", "exec run"]']


@pytest.mark.parametrize(
    ("log", "kind", "fault"),
    one_of_each(
        [
            (
                ["STEP 2/3: RUN false", 'Error: building at STEP "RUN false": while running runtime: exit status 1'],
                ImageError,
                "audio:0123456789abcdef: its image does not build: Error: building",
            ),
            (
                ["pip: Temporary failure in name resolution", "Error: while running runtime: exit status 1"],
                ImageError,
                "its image does not build",
            ),
            (["Error: committing: no space left on device"], EngineError, "the disk is full"),
            (
                ["pip: [Errno 28] No space left on device", *NOISE, "Error: while running runtime: exit status 1"],
                EngineError,
                "the disk is full",
            ),
            # An earlier step met these and went on.
            (
                ["WARNING: Connection reset by peer, trying again", "netavark is set up", *NOISE, "Error: no app.py"],
                ImageError,
                "its image does not build",
            ),
            (
                ["reading manifest", "/bin/sh: gcc: not found", "Error: while running runtime: exit status 127"],
                ImageError,
                "its image does not build",
            ),
            (
                ['pinging container registry: Get "https://mirror.example/v2/": no such host'],
                EngineError,
                "cannot be pulled",
            ),
            (["Error: initializing source: reading manifest: manifest unknown"], ImageError, "not in the registry"),
            (
                ["/bin/sh: exec format error", "while running runtime: exit status 1"],
                EngineError,
                "different architecture",
            ),
        ],
        kind=lambda case: case[2].rpartition("its image")[2],
    ),
)
def test_a_build_that_fails_says_whose_fault_it_is(
    said: Said, log: list[str], kind: type[Exception], fault: str
) -> None:
    said.answer(*log, code=125)
    with pytest.raises(kind) as error:
        build(PODMAN, RECIPE, tell=lambda _: None)
    assert fault in str(error.value)
    assert "\n" not in str(error.value)


def test_a_full_disk_is_the_machines_fault_in_one_line(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/context/run")

    monkeypatch.setattr("nova_infra.containers.build.write_context", write)
    with pytest.raises(EngineError) as raised:
        build(PODMAN, RECIPE, tell=lambda _: None)
    assert str(raised.value) == (
        "audio:0123456789abcdef: no room to build it: /tmp/context/run: No space left on device: make room there, or "
        "set TMPDIR to a directory that has some"
    )
    assert said.built == []


def test_an_interrupted_build_ends_its_step_and_lets_the_engine_clear_away(said: Said, tmp_path: Path) -> None:
    """Podman that is ended itself leaves its working containers mounted."""
    (tmp_path / "podman").write_text(
        f"#!/bin/sh\n[ $1 = image ] && {{ echo 'image not known' >&2; exit 1; }}\nsleep 60\ntouch {tmp_path}/cleared\n"
    )
    script = (
        "import signal, sys; sys.path.append('tests'); from tests.unit.containers.test_build import *\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "signal.signal(signal.SIGTERM, stop)\nbuild(PODMAN, RECIPE, tell=print)"
    )
    building = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while "sleep" not in running_below(building.pid).values():
            assert time.monotonic() < deadline, "the build never came to its step"
            time.sleep(0.1)
        building.send_signal(signal.SIGTERM)
        building.wait(60)
    finally:
        building.kill()
    assert (tmp_path / "cleared").exists()


def test_base_images_are_those_that_no_stage_of_its_own_names() -> None:
    text = "FROM a:1 AS one\nfrom --platform=linux/amd64 b@sha256:0\nFROM one\nFROM scratch\nFROM ${ANY}\nFROM a:1\n"
    assert base_images(text) == ["a:1", "b@sha256:0"]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("1.dkr.ecr.us-east-1.amazonaws.com/nova/audio:1", "localhost/nova/audio:1"),
        ("localhost:5000/audio:1", "localhost/audio:1"),
        ("localhost/audio:1", "localhost/audio:1"),
        ("team/audio:1", "localhost/team/audio:1"),
        ("audio:1", "localhost/audio:1"),
    ],
)
def test_an_image_is_called_the_same_here_without_its_registry(image: str, name: str) -> None:
    assert local_name(image) == name
