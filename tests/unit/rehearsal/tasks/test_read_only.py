"""What a program wrote that a read-only root file system would have kept it from."""

from pathlib import Path

import pytest

from nova_infra.assembly import DockerAsset
from nova_infra.rehearsal.tasks.definition import read_task_definition
from nova_infra.rehearsal.tasks.read_only import wrote_read_only


@pytest.mark.parametrize(
    ("dockerfile", "mounts", "wrote", "said"),
    [
        ("WORKDIR /app", (), "work/state.db", "/app/state.db"),
        ("WORKDIR /srv\nWORKDIR web", (), "work/sub/state.db", "/srv/web/sub/state.db"),
        ("", (), "work/state.db", "state.db"),
        ("WORKDIR /app", (), "work/server.py", "/app/server.py"),
        ("WORKDIR /app", ("/app/data",), "work/state.db", "/app/state.db"),
        ("WORKDIR /app", ("/app/data",), "work/data/state.db", None),
        ("WORKDIR /app", ("/app",), "work/state.db", None),
        ("VOLUME /app/data /x\nWORKDIR /app", (), "work/data/state.db", None),
        ('VOLUME ["/app"]\nWORKDIR /app/web', (), "work/state.db", None),
        ("VOLUME /app\nFROM scratch\nWORKDIR /app", (), "work/state.db", "/app/state.db"),
        ("WORKDIR /app", (), "work/__pycache__/server.pyc", None),
        ("WORKDIR /app", (), "tmp/upload", "/tmp/upload"),
        ("WORKDIR /app", ("/tmp",), "tmp/upload", None),
        ("WORKDIR /app", (), "home/x", None),
    ],
)
def test_a_file_outside_the_volumes_is_named(
    tmp_path: Path, dockerfile: str, mounts: tuple[str, ...], wrote: str, said: str | None
) -> None:
    source = tmp_path / "source"
    for place in (source, tmp_path / "work", tmp_path / "tmp"):
        place.mkdir()
    (source / "Dockerfile").write_text(f"FROM scratch\n{dockerfile}\n")
    (source / "server.py").write_text("")
    file = tmp_path / wrote
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    points = [{"ContainerPath": each, "SourceVolume": "v"} for each in mounts]
    container = {"Name": "web", "Image": "web:1", "MountPoints": points, "ReadonlyRootFilesystem": True}
    definition = read_task_definition({"Memory": "512", "ContainerDefinitions": [container]}, "web:1")
    asset = DockerAsset(source, "Dockerfile", {})
    assert wrote_read_only(definition, asset, tmp_path / "work", tmp_path / "tmp") == said
