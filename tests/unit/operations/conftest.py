"""A deployed environment in a local implementation of AWS, in this process or over HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.deployed_environment import PREFIX, SERVICES, Deployment, Ecs, for_moto, imports, stand_in
from helpers.local_aws import LocalAws


@pytest.fixture(scope="session")
def service_templates(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Service to its synthesized template of production, as far as moto can take it."""
    return {service: for_moto(assembly.template(f"{PREFIX}-{service}")) for service in SERVICES}


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """An implementation of AWS that answers over HTTP. Reset it before it is used."""
    running = LocalAws()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for between two looks at AWS, or two attempts."""
    monkeypatch.setattr("nova_infra.deployed.aws.stacks.pause", lambda _: None)
    monkeypatch.setattr("nova_infra.deployed.aws.client.session.pause", lambda _: None)
    monkeypatch.setattr("nova_infra.deployed.aws.tasks.pause", lambda _: None)
    # Nor by the SDK: before it tries again, and for the rate that its adaptive retries have found.
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)


@pytest.fixture
def deploy(service_templates: dict[str, dict[str, Any]]) -> Callable[[], Deployment]:
    """Deploys production with two services at release 1, to whatever answers as AWS."""

    def run() -> Deployment:
        made = Deployment(Ecs(), service_templates)
        made.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        for service in SERVICES:
            made.client("ecr").create_repository(repositoryName=f"nova/{service}")
        names = set().union(*map(imports, service_templates.values()))
        platform = stand_in(names, made.client("ec2"), made.client("elbv2"))
        made.client("cloudformation").create_stack(StackName=f"{PREFIX}-platform", TemplateBody=json.dumps(platform))
        made.release(1)
        return made

    return run


@pytest.fixture
def served(
    local_aws: LocalAws, deploy: Callable[[], Deployment], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """Production with two services, at release 1, for this process and for those that it starts."""
    local_aws.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    yield deploy()
    local_aws.reset()


@pytest.fixture
def deployment(aws: None, deploy: Callable[[], Deployment]) -> Deployment:
    """Production with two services, at release 1."""
    return deploy()
