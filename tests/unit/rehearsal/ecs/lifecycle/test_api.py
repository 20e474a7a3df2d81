"""ECS's API in a rehearsal, read as what ECS itself answers."""

from types import SimpleNamespace
from typing import Any

from nova_infra.deployed.aws.deployments import read_deployment
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi
from nova_infra.rehearsal.ecs.state import DeploymentState


def test_a_deployment_that_waits_can_go_on_or_back() -> None:
    state = DeploymentState(3, strategy="CANARY")
    state.come_to(0, "POST_TEST_TRAFFIC_SHIFT", "PAUSE", "")
    service: Any = SimpleNamespace(
        name="nova-prod-shop",
        cluster="nova-prod",
        deployments=[DeploymentState(2, finished=state.created), state],
        revision=SimpleNamespace(name="nova-prod-shop:2"),
        arn=lambda kind: f"arn:aws:ecs:us-east-1:111122223333:{kind}/nova-prod/nova-prod-shop",
    )
    [described] = EcsApi(lambda: [service]).under_way()
    read = read_deployment(described, {}, {}, prefix="nova-prod")
    assert (read.service, read.stage, read.over) == ("shop", "POST_TEST_TRAFFIC_SHIFT", False)
    assert [hook.kind for hook in read.waiting] == ["PAUSE"]
    assert read.old is not None
    assert read.new.weight == 0
    state.shift(10.0)
    [shifted] = EcsApi(lambda: [service]).under_way()
    assert read_deployment(shifted, {}, {}, prefix="nova-prod").new.weight == 10
