"""Of which services ``/version`` is asked for, and judged: those that promise to tell their release there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.model import Answer
from nova_infra.operations.gates.verify import version_of

KIT = ["python", "-m", "nova_kit.serve", "shop.main:app"]
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
    assert version_of(environment(TOLD, command=command, paths=paths), "shop") == TOLD


@pytest.mark.parametrize(
    "answer",
    [Answer(404, "no such page"), Answer(200, "<html>shop</html>"), Answer(401, ""), Answer(500, "boom"), OTHERS],
)
def test_another_container_need_not_have_such_a_page_and_one_on_the_kit_must(answer: Answer) -> None:
    for command in (None, ["node", "server.js"]):
        assert version_of(environment(answer, command=command), "shop") is None
    assert version_of(environment(answer, command=KIT), "shop") == answer


@pytest.mark.parametrize("status", [0, 502, 503, 504])
def test_that_nothing_answers_is_judged_of_every_service_that_a_rule_leads_to(status: int) -> None:
    answer = Answer(status, "no target")
    assert version_of(environment(answer, command=None), "shop") == answer
    assert version_of(environment(answer, command=None, paths=("/else/*",)), "shop") is None
