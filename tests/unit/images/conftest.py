"""A project to build images of, and an account of AWS whose every service is one client of a test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from helpers.ecr import (
    REPOSITORY,
    Docker,
)
from nova_infra.deployed.aws.client.session import Aws


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """The services of a project, with the files that their images are built from."""
    root = tmp_path / "project" / "services"
    for name in ("kit", "audio", "video"):
        (root / name / "src").mkdir(parents=True)
        (root / name / "src" / "main.py").write_text(f"name = {name!r}\n")
    for name in ("audio", "video"):
        (root / name / "Dockerfile").write_text("FROM scratch\n")
    (root / "audio" / "src" / "start").write_text("#!/bin/sh\n")
    (root / "audio" / "src" / "start").chmod(0o755)
    (root / ".dockerignore").write_text("**\n!*/src\n**/__pycache__\n**/*.pyc\n**/.DS_Store\n")
    return root


@pytest.fixture(scope="session")
def aws_of() -> Callable[[Any], Aws]:
    """An account that answers by one client, such as a stubbed one: aws_of(client) -> Aws."""

    def make(client: Any) -> Aws:
        session = SimpleNamespace(
            create_client=lambda *_, **__: client, get_config_variable=lambda _: client.meta.region_name
        )
        return Aws(session)

    return make


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    with mock_aws():
        client = boto3.client("ecr", region_name="us-east-1")
        for name in (REPOSITORY, "nova/store-service"):
            client.create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")
        yield client


@pytest.fixture
def docker(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> Docker:
    docker = Docker(ecr)
    monkeypatch.setattr("nova_infra.images.build.subprocess.run", docker.run)
    monkeypatch.setattr("nova_infra.images.build.shutil.which", lambda name: f"/bin/{name}")
    return docker
