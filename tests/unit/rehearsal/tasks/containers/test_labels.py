"""What a rehearsal's containers leave behind: nothing, also where the engine fails while they are removed."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.tasks.containers.labels import Place


@dataclass(frozen=True)
class Failing(Engine):
    """An engine with a container and a network, one of whose commands does not work."""

    program: str = "podman"
    architecture: str = "amd64"
    command: str = ""
    calls: list[str] = field(default_factory=list)

    async def attempt(
        self,
        *arguments: str,
        directory: str | None = None,  # noqa: ARG002 - as an engine's
        seconds: float | None = None,  # noqa: ARG002
    ) -> tuple[int, str, str]:
        call = " ".join(arguments)
        self.calls.append(call)
        if self.command and call.startswith(self.command):
            raise EngineError(f"podman {self.command}: did not end")
        return 0, {"ps": "c1", "network ls": "n1"}.get(" ".join(arguments[: 1 + (arguments[0] == "network")]), ""), ""


@pytest.mark.parametrize("command", ["", "ps --all --quiet", "rm"])
def test_the_network_and_the_files_go_whatever_becomes_of_the_containers(command: str) -> None:
    engine, directories = Failing(command=command), []

    async def play() -> None:
        async with Place(engine) as place:
            directories.append(Path(place.directory))
            assert directories[0].is_dir()

    if command:
        with pytest.raises(EngineError, match=f"podman {command}: did not end"):
            asyncio.run(play())
    else:
        asyncio.run(play())
    assert engine.calls[-1] == "network rm n1"
    assert not directories[0].exists()


def test_a_place_that_cannot_be_made_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine = Failing(command="network create")
    place = Place(engine)  # It would remove them itself when nobody knows it any more.
    with pytest.raises(EngineError, match="podman network create: did not end"):
        asyncio.run(place.__aenter__())
    assert list(tmp_path.iterdir()) == []
    assert engine.calls[-1] == "network rm n1", "which may have been made all the same"
