"""Production, whose deployments a test moves on: see ``helpers/rollouts``."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.session import get_session

from helpers.rollouts import REGION, Clocked, World
from nova_infra.deployed.aws.environment import AwsEnvironment


@pytest.fixture
def world() -> World:
    """45 services, of which none is deployed."""
    return World()


@pytest.fixture
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> AwsEnvironment:
    """Production, as the commands see it."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.delenv("CODEBUILD_INITIATOR", raising=False)
    session = get_session()
    session.set_config_variable("region", REGION)

    def see(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)

    def reply(model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        answer = world.answer(model.name, context["asked"])
        return SimpleNamespace(status_code=200, headers={}), answer

    session.register("before-parameter-build", see)
    session.register("before-call", reply)
    return AwsEnvironment("prod", platform="nova", aws=Clocked(session, world))
