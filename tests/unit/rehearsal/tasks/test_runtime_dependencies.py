"""Dependencies: containers that a rehearsal starts beside the services, waits for, leads to and removes."""

import asyncio
import contextlib
import os
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import Dependency
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.containers.probe import own_open_files
from nova_infra.rehearsal.dependencies.container import DependencyContainer, Needed
from nova_infra.rehearsal.dependencies.environment import Dependencies
from nova_infra.rehearsal.dependencies.limits import limit_of
from nova_infra.rehearsal.dependencies.needed import have_dependency_image, image_name
from nova_infra.rehearsal.record import ConnectionsRecord
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.labels import Place
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork, create_options
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime, SourceRuntime

URL = "http://{host}:{port}/a"
SHOP = TaskDefinition(
    "shop:1", "shop:1", (), {"LEVEL": "7", "URL": "elsewhere"}, 80, None, 2, 64, secrets={"TOKEN": "a", "KEY": "b"}
)


def dependency(image: str = "tiny:1", **other: Any) -> Dependency:
    given = {"name": "tiny", "image": image, "port": 3000, "environment": {"PORT": "3000"}, **other}
    return Dependency.model_validate(given)


class Scripted(Engine):
    """An engine whose answers are written down, by its commands: each once, the last for ever."""

    def __init__(self, **answers: list[Any]) -> None:
        super().__init__("podman", "amd64")
        object.__setattr__(self, "answers", answers)
        object.__setattr__(self, "asked", [])

    async def attempt(
        self,
        *arguments: str,
        directory: str | None = None,  # noqa: ARG002 - as an engine's
        seconds: float | None = None,  # noqa: ARG002 - as an engine's
    ) -> tuple[int, str, str]:
        self.asked.append(arguments)  # type: ignore[attr-defined]
        answers = self.answers.get(arguments[0], [(0, "", "")])  # type: ignore[attr-defined]
        answer: tuple[int, str, str] = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer

    def image(self, name: str) -> dict[str, Any] | None:
        return {} if name in self.answers.get("images", ()) else None  # type: ignore[attr-defined]


RUNNING = (0, "running 0", "")


class Still(Place):
    """A place where nothing has to be made."""

    network = ContainerNetwork("nova-1-a", "10.97.7.1")
    directory = "/"


@pytest.fixture
def place() -> Callable[[Engine], Place]:
    return Still


def started(container: DependencyContainer) -> str:
    """How it failed to start; empty where it started."""
    try:
        asyncio.run(asyncio.wait_for(container.start(), 60))
    except EngineError as error:
        return str(error)
    return ""


def test_it_is_waited_for_until_its_command_succeeds(place: Callable[[Engine], Place]) -> None:
    engine = Scripted(exec=[(2, "", "no response"), (2, "", "no response"), (0, "", "")], inspect=[RUNNING])
    container = DependencyContainer(Needed(dependency(ready=["pg_isready"]), "tiny:1"), place(engine), in_network=True)
    assert started(container) == ""
    assert [each[0] for each in engine.asked].count("exec") == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answers", "said"),
    one_of_each(
        [
            (
                {"run": [(125, "", "Error: no such program")]},
                "rehearsal.dependencies: tiny does not start: Error: no such program: correct its image or command",
            ),
            (
                {
                    "inspect": [(0, "10.97.7.2", ""), (0, "exited 3", "")],
                    "exec": [(1, "", "")],
                    "logs": [(0, "bad", "")],
                },
                "rehearsal.dependencies: tiny ended with exit code 3: bad: correct its image, command or environment",
            ),
            (
                {"inspect": [RUNNING], "exec": [(2, "", "no response")], "logs": [(0, "one\ntwo", "three")]},
                "rehearsal.dependencies: tiny is not ready within 1 s (pg_isready exited with 2: no response); its "
                "last output: one / two / three: correct ready, or raise seconds",
            ),
        ]
    ),
)
def test_one_that_does_not_come_is_one_line_with_its_last_words(
    place: Callable[[Engine], Place], answers: dict[str, Any], said: str
) -> None:
    wanted = dependency(ready={"command": ("pg_isready",), "seconds": 1})
    container = DependencyContainer(Needed(wanted, "tiny:1"), place(Scripted(**answers)), in_network=True)
    assert started(container) == said


def commands(engine: Engine, name: str) -> list[tuple[str, ...]]:
    """The arguments of each command of a kind that a scripted engine was given."""
    return [each for each in vars(engine)["asked"] if each[0] == name]


def test_one_gets_the_limits_of_a_kernel_that_raises_none(place: Callable[[Engine], Place]) -> None:
    refused = (126, "", "Error: runc create failed: error setting rlimit type 7: operation not permitted")
    engine = Scripted(run=[refused, (0, "", "")], exec=[(0, "", "")], inspect=[RUNNING])
    container = DependencyContainer(Needed(dependency(ready=["pg_isready"]), "tiny:1"), place(engine), in_network=True)
    assert started(container) == ""
    first, second = commands(engine, "run")
    most = own_open_files()
    limits = {f"--ulimit=nofile={most}:{most}", "--ulimit=nproc=1024:1024"}
    assert (limits.isdisjoint(first), limits <= set(second)) == (True, True)
    always = Scripted(run=[refused])
    container = DependencyContainer(Needed(dependency(), "tiny:1"), place(always), in_network=True)
    assert "tiny does not start: Error: runc create failed: error setting rlimit type 7" in started(container)


def provided(
    runtime: ImageRuntime | SourceRuntime,
    *needed: Needed,
    gaps: list[str] | None = None,
    records: dict[str, ConnectionsRecord] | None = None,
) -> Dependencies:
    runtime.dependencies = needed
    return Dependencies(runtime, "Dev", [] if gaps is None else gaps, {} if records is None else records, {})


def test_what_it_provides_wins_over_variables_and_secrets_of_the_same_name(place: Callable[[Engine], Place]) -> None:
    engine = Scripted(inspect=[(0, "10.97.7.9", "")])
    runtime = ImageRuntime(engine)
    runtime.place = place(engine)
    wanted = dependency(
        provides={"URL": URL, "TOKEN": "{port}"}, ready=["true"], stands_for=("db.internal", "10.0.0.0/8")
    )
    gaps: list[str] = []
    found = provided(runtime, Needed(wanted, "tiny:1", frozenset(wanted.stands_for)), gaps=gaps)
    asyncio.run(found.start())
    definition = found.provide(SHOP)
    assert definition.environment == {"LEVEL": "7", "URL": "http://tiny:3000/a", "TOKEN": "3000"}
    assert definition.secrets == {"KEY": "b"}, "what nobody provides keeps its made-up value"
    assert definition.hosts == {"tiny": "10.97.7.9", "db.internal": "10.97.7.9"}
    [gap] = gaps
    assert gap.startswith("nothing answers at 10.0.0.0/8 itself: tiny is reached only by the variables")
    made = EngineImage("shop:1", "amd64", (), "SIGTERM", ())
    options = create_options(
        definition, made, runtime.place.network, name="n", label="l", port=8123, podman=not engine.is_docker
    )
    assert "--add-host=db.internal:10.97.7.9" in options


def test_stand_ins_of_one_host_share_its_address(place: Callable[[Engine], Place]) -> None:
    """Whatever the order; another engine's container with an address of its own would hide the first's port."""
    engine = Scripted(inspect=[(0, "10.97.7.9", "")])
    runtime = ImageRuntime(engine)
    runtime.place = place(engine)
    kinds = {"db": (5432, {"a.internal"}), "mq": (5672, {"b.internal"}), "cache": (6379, {"a.internal", "b.internal"})}
    wanted = [
        Needed(dependency(name=name, port=port, ready=["true"]), "tiny:1", frozenset(hosts))
        for name, (port, hosts) in kinds.items()
    ]
    found = provided(runtime, *wanted)
    asyncio.run(found.start())
    first, *others = commands(engine, "run")
    [holder] = [each.removeprefix("--name=") for each in first if each.startswith("--name=")]
    published = {each.rpartition(":")[2] for each in first if each.startswith("--publish=")}
    assert published == {"5432", "5672", "6379"}
    for other in others:
        assert f"--network=container:{holder}" in other
        assert not [each for each in other if each.startswith(("--publish", "--add-host"))], "engines refuse them"
    assert found.provide(SHOP).hosts.keys() == {*kinds, "a.internal", "b.internal"}
    asyncio.run(found.stop())
    removed = [each[-1] for each in commands(engine, "rm")]
    assert removed[-1] == holder, "Podman keeps one whose network is shared"
    taken = Needed(dependency(name="late", port=5432), "tiny:1", frozenset({"b.internal"}))
    with pytest.raises(EngineError, match=r"late stands for b.internal, as mq does, where a port is taken already"):
        provided(runtime, *wanted, taken)


def test_from_sources_it_is_reached_at_a_port_of_this_machine(place: Callable[[Engine], Place]) -> None:
    engine = Scripted(inspect=[RUNNING])
    runtime = SourceRuntime(engine)
    runtime.place = place(engine)
    wanted = dependency(provides={"URL": URL, "AWS_ENDPOINT_URL": "http://{host}:{port}"}, ready=["true"])
    gaps: list[str] = []
    found = provided(runtime, Needed(wanted, "tiny:1", frozenset({"db.internal"})), gaps=gaps)
    asyncio.run(found.start())
    environment = found.provide(SHOP).environment
    [port] = [int(each.split(":")[1]) for call in engine.asked for each in call if each.startswith("--publish=")]  # type: ignore[attr-defined]
    assert environment["URL"] == f"http://127.0.0.1:{port}/a"
    assert found.aws_endpoint == (f"http://127.0.0.1:{port}",) * 2
    assert found.provide(SHOP).hosts == {}
    assert "nothing answers at db.internal itself" in gaps[0]


def test_the_most_connections_of_one_task_are_noted(place: Callable[[Engine], Place]) -> None:
    """Of a task that is a process: this one, which connects to itself as to a database."""
    runtime = SourceRuntime(Scripted(inspect=[RUNNING]))
    runtime.place = place(runtime.engine)  # type: ignore[arg-type]
    records: dict[str, ConnectionsRecord] = {}
    wanted = dependency("postgres:17", ready=["true"], provides={"PLACE": "{port}"})
    found = provided(runtime, Needed(wanted, "postgres:17"), records=records)
    asyncio.run(found.start())
    port = int(found.provide(SHOP).environment["PLACE"])
    task = cast(Any, SimpleNamespace(pid=os.getpid(), definition=SHOP))
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.create_server(("127.0.0.1", port)))
        for count in (3, 0):
            held = [open_ones.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
            found.note_connections([task])
            for each in held:
                each.close()
                listener.accept()[0].close()
    assert records == {"tiny": ConnectionsRecord(97, records["tiny"].origin, {"shop:1": 3})}


@pytest.mark.parametrize(
    ("wanted", "limit"),
    one_of_each(
        [
            ({"image": "postgres:17"}, 97),
            ({"image": "docker.io/postgis/postgis:17-3.5"}, 97),
            ({"image": "mysql:8.4"}, 151),
            ({"image": "mariadb:11@sha256:" + "a" * 64}, 151),
            ({"image": "postgres:17", "command": ["postgres", "-c", "max_connections=250"]}, 247),
            ({"image": "postgres:17", "command": ["postgres", "-N", "44"]}, 41),
            ({"image": "mysql:8.4", "command": ["--max-connections=80"]}, 80),
            ({"image": "postgres:17", "command": ["postgres", "-c", "max_connections=250"], "max_connections": 40}, 37),
            ({"image": "redis:8", "max_connections": 65}, 65),
            ({"image": "redis:8"}, None),
            ({"image": None, "build": "rehearsal/database", "port": 5432}, 97),
            ({"image": None, "build": "rehearsal/search", "port": 9200}, None),
        ]
    ),
)
def test_the_limit_is_the_stated_one_or_else_the_products(wanted: dict[str, Any], limit: int | None) -> None:
    found = limit_of(dependency(**wanted))
    assert (found and found.connections) == limit


def test_one_that_ends_meanwhile_is_said_not_to_be_covered(place: Callable[[Engine], Place]) -> None:
    engine = Scripted(inspect=[RUNNING, (0, "exited 137", "")], logs=[(0, "", "out of memory")])
    runtime = ImageRuntime(engine)
    runtime.place = place(engine)
    gaps: list[str] = []
    found = provided(runtime, Needed(dependency(ready=["true"]), "tiny:1"), gaps=gaps)
    asyncio.run(found.start())
    asyncio.run(found.stop())
    asyncio.run(found.stop())
    assert gaps == ["tiny, on which services depend, ended with exit code 137: out of memory in Dev"]


def test_an_image_is_found_pulled_or_refused(tmp_path: Path) -> None:
    def have(engine: Engine, wanted: Dependency) -> str:
        return asyncio.run(
            have_dependency_image(engine, wanted, root=tmp_path, platform="shop", log=tmp_path / "logs" / "a.log")
        )

    class Pulling(Scripted):
        async def call(self, *arguments: str, directory: str | None = None) -> str:  # noqa: ARG002
            self.asked.append(arguments)  # type: ignore[attr-defined]
            if "refused" in arguments[-1]:
                raise ImageError("podman pull: manifest unknown")
            return ""

    there = dependency("ghcr.io/a/tiny:1")
    assert have(Pulling(images=["localhost/tiny:1"]), there) == "localhost/tiny:1", "a local image stands in"
    assert have(Pulling(), there) == "ghcr.io/a/tiny:1"
    assert have(Pulling(), dependency("postgres:17")) == "docker.io/library/postgres:17"
    assert have(Pulling(), dependency("acme/db:17")) == "docker.io/acme/db:17"
    with pytest.raises(EngineError, match=r"rehearsal.dependencies: tiny: podman pull: manifest unknown"):
        have(Pulling(), dependency("refused:1"))


def test_a_built_image_is_named_by_what_it_is_built_from(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "Dockerfile").write_text("FROM scratch\n")
    wanted = Dependency(name="database", build="db", port=1)
    first = image_name(wanted, root=tmp_path, platform="shop")
    assert first.startswith("localhost/shop/rehearsal-database:")
    assert image_name(wanted, root=tmp_path, platform="shop") == first
    (tmp_path / "db" / "start.sh").write_text("exec postgres\n")
    assert image_name(wanted, root=tmp_path, platform="shop") != first


@pytest.mark.exhaustive("test_from_sources_it_is_reached_at_a_port_of_this_machine")
@pytest.mark.parametrize("ready", ["port", "/"])
def test_a_real_one_is_reached_and_leaves_nothing_behind(engine: Engine, image: str, ready: str) -> None:
    async def whole() -> str:
        async with SourceRuntime(engine) as runtime:
            wanted = dependency(image, provides={"URL": URL}, ready=ready)
            found = provided(runtime, Needed(wanted, image))
            await found.start()
            url = found.provide(SHOP).environment["URL"]
            with await asyncio.to_thread(urllib.request.urlopen, url, timeout=9) as response:
                text: str = response.read().decode()
            await found.stop()
            assert runtime.place is not None
        for kind in (("ps", "--all"), ("network", "ls")):
            assert not engine.run(*kind, "--quiet", f"--filter=label={runtime.place.label}"), "nothing is left behind"
        return text

    assert "PORT=3000" in asyncio.run(asyncio.wait_for(whole(), 120))


@pytest.mark.exhaustive("test_from_sources_it_is_reached_at_a_port_of_this_machine")
def test_a_real_one_that_listens_elsewhere_is_not_ready(engine: Engine, image: str) -> None:
    async def whole() -> str:
        async with Place(engine) as place:
            wanted = dependency(image, environment={"PORT": "3001"}, ready={"seconds": 2})
            container = DependencyContainer(Needed(wanted, image), place, in_network=False)
            with pytest.raises(EngineError) as raised:
                await container.start()
            return str(raised.value)

    assert "is not ready within 2 s (its port" in asyncio.run(asyncio.wait_for(whole(), 120))
