"""What the commands about the project's own files print."""

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from nova_infra.cli.main import nova
from nova_infra.config import parse_config

WORKER = {"name": "mailer", "kind": "worker", "image": f"ghcr.io/a/b@sha256:{'c' * 64}"}


@pytest.mark.parametrize(("visibility_seconds", "notes"), [(60, 0), (180, 1)])
def test_a_valid_file_is_said_to_be_valid_with_its_notes(
    monkeypatch: pytest.MonkeyPatch, visibility_seconds: int, notes: int
) -> None:
    raw = tomllib.loads((Path(__file__).parents[2] / "nova.toml").read_text())
    queue = {"visibility_seconds": visibility_seconds}
    raw["services"] = [{**WORKER, "queue": queue, "rollout": {"bake_minutes": 5}}]
    config = parse_config(raw)
    monkeypatch.setattr("nova_infra.config.load_config", lambda _: config)
    said = CliRunner().invoke(nova, ["config", "check"]).output.splitlines()
    assert said[0] == "nova.toml is valid: 1 service in dev, staging, prod"
    assert [line.partition(" in dev")[0] for line in said[1:]] == ["note: mailer:"] * notes
