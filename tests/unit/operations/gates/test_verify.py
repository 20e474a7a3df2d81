"""What verify waits for, and of which services it asks ``/version``: those that promise to tell their release there."""

from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.model import Answer, Deployment, RunningService, RunningTask
from nova_infra.deployed.stack import Stack
from nova_infra.errors import PassingError
from nova_infra.names import SCHEME_OUTPUT
from nova_infra.operations.gates import verify as module
from nova_infra.operations.gates.problems import Problem
from nova_infra.operations.gates.verify import verify, version_of
from nova_infra.operations.records.ledger import ReleasedImage

KIT = ["python", "-m", "nova_kit.serve", "shop.main:app"]
PLATFORM: dict[str, Any] = {}
TOLD = Answer(200, '{"service": "shop", "release": "v2"}')
OTHERS = Answer(200, '{"service": "console", "release": "v7"}')


def environment(answer: Answer, *, command: list[str] | None, paths: tuple[str, ...] = ("/shop/*",)) -> Any:
    rule = {"Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(paths)}}]}
    container = {"Name": "app", **({"Command": command} if command else {})}
    resources = {
        "Rule": {"Type": "AWS::ElasticLoadBalancingV2::ListenerRule", "Properties": rule},
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}},
    }
    return SimpleNamespace(
        get={"/shop/version": answer}.__getitem__,
        stack_name=lambda name: f"nova-prod-{name}",
        template={"nova-prod-shop": {"Resources": resources}}.__getitem__,
    )


@pytest.mark.parametrize("command", [KIT, None, ["/shop"]])
@pytest.mark.parametrize("paths", [("/shop/*",), ("/else/*",)])
def test_whoever_tells_a_release_is_judged_by_it(command: list[str] | None, paths: tuple[str, ...]) -> None:
    assert version_of(environment(TOLD, command=command, paths=paths), "shop", PLATFORM) == TOLD


@pytest.mark.parametrize(
    "answer",
    [Answer(404, "no such page"), Answer(200, "<html>shop</html>"), Answer(401, ""), Answer(500, "boom"), OTHERS],
)
def test_another_container_need_not_have_such_a_page_and_one_on_the_kit_must(answer: Answer) -> None:
    for command in (None, ["node", "server.js"]):
        assert version_of(environment(answer, command=command), "shop", PLATFORM) is None
    assert version_of(environment(answer, command=KIT), "shop", PLATFORM) == answer


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is seen, one look after the other; the last is seen for ever."""
    looks: list[Any] = []

    def look(*_: Any) -> Any:
        found = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(problems=found, unasked="")

    monkeypatch.setattr(module, "look", look)
    monkeypatch.setattr(module, "faults", lambda _, found: found.problems)
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.0)
    return looks


def verified(patience: float) -> tuple[list[str], list[str]]:
    """What is wrong in the end, and what was waited for."""
    told: list[str] = []
    environment: Any = SimpleNamespace(name="prod")
    return [each.text for each in verify(environment, {}, patience=patience, notify=told.append)], told


def test_what_may_pass_is_waited_for_and_each_first_fault_is_reported_once(seen: list[Any]) -> None:
    one, two = Problem("shop: 1 of 2 tasks run", may_pass=True), Problem("errors: is in ALARM", may_pass=True)
    seen[:] = [[one, two], [one, two], [one], [two], PassingError("throttled"), []]
    assert verified(60) == (
        [],
        [
            "waiting: shop: 1 of 2 tasks run (and 1 more)",
            "waiting: errors: is in ALARM",
            "waiting: prod: cannot be read: throttled",
        ],
    )


@pytest.mark.exhaustive("test_what_may_pass_is_waited_for_and_each_first_fault_is_reported_once")
def test_what_stays_and_what_outlasts_the_patience_is_wrong(seen: list[Any]) -> None:
    passing, staying = Problem("errors: is in ALARM", may_pass=True), Problem("shop: is scaled to zero")
    seen[:] = [[passing, staying]]
    assert verified(60) == (["errors: is in ALARM", "shop: is scaled to zero"], [])
    seen[:] = [[passing]]
    assert verified(0) == (["errors: is in ALARM"], [])
    assert verified(0.05)[0] == ["errors: is in ALARM"]


def test_the_last_second_of_the_patience_is_waited_for_too(seen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 7.0)
    seen[:] = [[Problem("errors: is in ALARM", may_pass=True)], []]
    assert verified(0.5)[0] == []


@pytest.mark.parametrize("status", [0, 502, 503, 504])
def test_that_nothing_answers_is_judged_of_every_service_that_a_rule_leads_to(status: int) -> None:
    answer = Answer(status, "no target")
    assert version_of(environment(answer, command=None), "shop", PLATFORM) == answer
    assert version_of(environment(answer, command=None, paths=("/else/*",)), "shop", PLATFORM) is None


def prod(platform: dict[str, Any]) -> Any:
    """An environment with one service, which is as it should be but answers nothing over HTTP."""
    digest = "sha256:1"
    revision = "nova-prod-shop:1"
    task = RunningTask(revision, "RUNNING", True, "repository/shop:v2", digest, 256)
    deployments = (Deployment("PRIMARY", "COMPLETED", "", revision, None, 1, 1, 0),)
    shop = RunningService("shop", "nova-prod-shop", revision, 1, 1, deployments, (task,))
    template = environment(TOLD, command=KIT).template("nova-prod-shop")
    return SimpleNamespace(
        name="prod",
        services=lambda: (shop,),
        stacks=lambda _: (Stack("nova-prod-shop", "UPDATE_COMPLETE"),),
        alarms=lambda: (),
        stack_name=lambda name: f"nova-prod-{name}",
        template={"nova-prod-platform": platform, "nova-prod-shop": template}.__getitem__,
        get=lambda _: Answer(0, "timed out"),
    )


@pytest.mark.parametrize(
    ("outputs", "fault", "said"),
    [
        ({}, ["shop: /version does not answer through the load balancer: timed out"], []),
        (
            {SCHEME_OUTPUT: {"Value": "internal"}},
            [],
            ["prod: /version of its services was not checked: its load balancer is internal"],
        ),
    ],
)
def test_behind_an_internal_load_balancer_nothing_is_asked_and_the_line_says_so(
    outputs: dict[str, Any], fault: list[str], said: list[str]
) -> None:
    told: list[str] = []
    found = verify(
        prod({"Outputs": outputs}), {"shop": ReleasedImage("v2", "sha256:1")}, patience=0, notify=told.append
    )
    assert ([each.text for each in found], told) == (fault, said)


@pytest.mark.parametrize(
    ("outputs", "silent"),
    [({SCHEME_OUTPUT: {"Value": "internal"}}, []), ({}, ["shop: /version does not answer through the load balancer"])],
)
def test_a_released_service_that_is_not_deployed_at_all_is_reported_as_missing(
    outputs: dict[str, Any], silent: list[str]
) -> None:
    release = {"shop": ReleasedImage("v2", "sha256:1"), "gone": ReleasedImage("v3", "sha256:2")}
    found = verify(prod({"Outputs": outputs}), release, patience=0, notify=lambda _: None)
    texts = {each.text.removesuffix(": timed out") for each in found}
    assert texts == {"gone: is part of the release but not deployed", *silent}
