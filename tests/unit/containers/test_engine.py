"""Finding the engine of a machine, with programs that stand for it."""

import asyncio
from pathlib import Path

import pytest

from nova_infra.containers import engine as module
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs, and nothing else on the path but the shell's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(
        "nova_infra.containers.engine.shutil.which",
        lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None,
    )
    return tmp_path


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_first_engine_that_answers_is_taken(install: Path) -> None:
    program(install / "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    program(install / "podman", "echo arm64")
    assert detect() == Engine("podman", "arm64")
    program(install / "docker", "echo x86_64")
    assert detect() == Engine("docker", "amd64")


NO_DAEMON = "Cannot connect to the Docker daemon at tcp://127.0.0.1:9. Is the docker daemon running?"
NO_HOST = 'error during connect: Get "http://nowhere:2375/info": dial tcp: lookup nowhere: no such host'
NO_FILE = "Failed to initialize: unable to resolve docker endpoint: open ca.pem: no such file or directory"
NO_SCHEME = 'Error: unable to create connection. "" is not a supported schema'


@pytest.mark.parametrize(
    ("name", "said", "variable"),
    [
        ("docker", NO_DAEMON, "DOCKER_HOST"),
        ("docker", NO_HOST, "DOCKER_HOST"),
        ("docker", NO_FILE, "DOCKER_CONTEXT"),
        ("podman", NO_SCHEME, "CONTAINER_HOST"),
        ("podman", "", ""),
    ],
)
def test_an_engine_that_does_not_answer_is_named_with_its_remedy(
    install: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str, variable: str
) -> None:
    for each in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINERS_CONF"):
        monkeypatch.delenv(each, raising=False)
    program(install / name, f"echo '{said}' >&2; exit 125")
    remedy = "start it, give your user access to it"
    if variable:
        monkeypatch.setenv(variable, "tcp://nowhere:1")
        remedy += f", or correct {variable}, which says tcp://nowhere:1"
    with pytest.raises(EngineError) as raised:
        detect()
    assert str(raised.value) == f"{name}: does not answer: {said or 'it says nothing'}: {remedy}"


@pytest.mark.parametrize("answer", ["<html>502 Bad Gateway</html>", "sparc64"])
def test_an_engine_that_answers_with_no_architecture_of_a_task_is_not_taken(install: Path, answer: str) -> None:
    program(install / "podman", f"echo '{answer}'")
    with pytest.raises(EngineError, match=f"podman: reports the platform '{answer}', but images are for amd64 or"):
        detect()


def test_an_engine_that_hangs_is_given_up(install: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(module, "HANG_SECONDS", 0.2)
    program(install / "podman", "exec sleep 20")
    with pytest.raises(EngineError, match=r"podman: did not answer within 0\.2 s: restart it"):
        detect()
    podman = Engine("podman", "amd64")
    for call in (lambda: podman.run("images"), lambda: podman.image("shop:1")):
        with pytest.raises(EngineError, match=r"podman image.*: did not end within 0\.2 s: restart it"):
            call()
    with pytest.raises(EngineError, match=r"podman create: did not end within 0\.2 s: restart it"):
        asyncio.run(podman.attempt("create", "shop:1"))


def test_a_command_that_works_takes_as_long_as_it_takes(install: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANG_SECONDS", 0.2)
    program(install / "podman", 'sleep 0.5; echo "$1"')
    podman, commands = Engine("podman", "amd64"), ["pull", "save", "run", "rmi", "rm"]

    async def whole() -> list[tuple[int, str, str]]:
        return await asyncio.gather(*(podman.attempt(command, "shop:1") for command in commands))

    assert [said for _, said, _ in asyncio.run(whole())] == commands
    assert podman.run("save", "shop:1") == "save"


@pytest.mark.parametrize("command", ["exec", "create"])
def test_a_command_that_hangs_is_ended_with_what_it_has_started(
    install: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A program that is a script has a child, which holds its output open."""
    monkeypatch.setattr(module, "HANG_SECONDS", 0.2)
    program(install / "podman", f"(sleep 2; touch {install}/outlived); exit 0")
    with pytest.raises(TimeoutError if command == "exec" else EngineError):
        asyncio.run(Engine("podman", "amd64").attempt(command, "shop", seconds=0.2 if command == "exec" else None))
    assert not (install / "outlived").exists()


@pytest.mark.parametrize("command", ["exec", "create"])
def test_a_command_that_is_cancelled_and_then_hangs_is_cancelled(
    install: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Whoever waits for it with a timeout of his own, or stops it, does so once."""
    monkeypatch.setattr(module, "HANG_SECONDS", 0.3)
    program(install / "podman", "exec sleep 20")

    async def whole() -> None:
        podman = Engine("podman", "amd64")
        asked = asyncio.create_task(podman.attempt(command, "shop", seconds=0.3 if command == "exec" else None))
        await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(whole())


def test_an_engine_that_is_gone_meanwhile_says_so(install: Path) -> None:
    (install / "podman").write_text("no program")
    podman = Engine(str(install / "podman"), "amd64")
    for call in (lambda: podman.run("images"), lambda: podman.image("shop:1"), lambda: asyncio.run(podman.call("ps"))):
        with pytest.raises(EngineError, match="cannot be run: Permission denied: reinstall it"):
            call()


@pytest.mark.parametrize("answer", ["", "<html>", "[]", '["shop"]', "7"])
def test_an_answer_that_means_nothing_is_the_engines_fault(install: Path, answer: str) -> None:
    program(install / "podman", f"echo '{answer}'")
    with pytest.raises(EngineError, match="podman image inspect: its answer makes no sense: "):
        Engine("podman", "amd64").image("shop:1")


def test_without_an_engine_there_is_a_line_that_says_so(install: Path) -> None:
    with pytest.raises(EngineError, match="docker, podman: not found: install Podman or Docker"):
        detect()
    program(install / "buildah", '[ "$3" = "{{.host.arch}}" ] && printf amd64')
    assert detect(("docker", "podman", "buildah")).program == "buildah", "which builds, and runs nothing"
    program(install / "buildah", "echo boom >&2; exit 125")
    with pytest.raises(EngineError, match="buildah: does not answer: boom: start it"):
        detect(("docker", "podman", "buildah"))


def test_a_missing_image_is_none_and_a_half_stored_one_is_pulled_again(
    install: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    podman = Engine("podman", "amd64")
    program(install / "podman", "echo 'Error: inspecting object: nowhere:1: image not known' >&2; exit 125")
    assert podman.image("nowhere:1") is None
    program(
        install / "podman",
        f'[ -e {install}/again ] && echo \'[{{"Id": "1"}}]\' && exit; touch {install}/again; '
        "echo 'Error: locating item named manifest: file does not exist' >&2; exit 125",
    )
    assert podman.image("half:1") == {"Id": "1"}


def test_images_are_listed_again_where_one_was_removed_meanwhile(
    install: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    program(
        install / "podman",
        f"[ -e {install}/again ] && echo 'localhost/shop:1 12ab' && exit; touch {install}/again; "
        "echo 'Error: locating image with ID 34cd: image not known' >&2; exit 125",
    )
    assert Engine("podman", "amd64").image_names() == {"localhost/shop:1": "12ab"}


@pytest.mark.parametrize(
    ("store", "builder", "packed", "told"),
    [
        # BuildKit: exporter option "rewrite-timestamp" conflicts with "unpack".
        ("[[driver-type io.containerd.snapshotter.v1]]", "Name: default\nDriver:        docker\n", True, False),
        ("[[Backing Filesystem extfs] [Using metacopy false]]", "Name: default\nDriver:        docker\n", False, True),
        ("[[Backing Filesystem extfs]]", "Name: mine\nDriver:        docker-container\n", False, False),
    ],
)
def test_docker_hands_over_images_without_times_where_its_store_lets_it(
    tmp_path: Path, store: str, builder: str, packed: bool, told: bool
) -> None:
    loaded: list[tuple[str, ...]] = []

    class Scripted(Engine):
        def run(self, *arguments: str, directory: str | None = None) -> str:  # noqa: ARG002 - as an engine's
            if arguments[0] == "load":
                loaded.append(arguments)
            return {"info": store, "buildx": builder}.get(arguments[0], "")

    docker = Scripted("docker", "amd64")
    lines: list[str] = []
    option = docker.buildx_output("shop:7", tmp_path, tell=lines.append)
    assert option.startswith("--output=type=docker,name=shop:7,rewrite-timestamp=true")
    assert (",dest=" in option) is packed
    assert [line.partition(":")[0] for line in lines] == ["not reproducible"] * told
    if packed:
        Path(option.rpartition("dest=")[2]).touch()
    docker.load_output(tmp_path)
    assert loaded == [("load", "--quiet", f"--input={tmp_path}/image.tar")] * packed
