"""A service that its stack has no more is stopped, and nothing else is."""

import asyncio
from types import SimpleNamespace
from typing import Any

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.environment.services import Services
from nova_infra.rehearsal.record import Record


class Running:
    def __init__(self, name: str) -> None:
        self.name, self.tasks, self.killed_at_stop, self.revision = name, ["one", "two"], 0, None

    async def stop(self, tasks: list[str]) -> None:
        self.tasks = [each for each in self.tasks if each not in tasks]


def stack(*names: str) -> PlayedStack:
    resources: dict[str, Any] = {
        name.title(): {
            "Type": "AWS::ECS::Service",
            "Properties": {"ServiceName": name, "TaskDefinition": "task:1", "DesiredCount": 2},
        }
        for name in names
    }
    return PlayedStack("shop", {"Resources": resources}, exports={}, revisions={})


def test_a_service_that_its_stack_no_longer_has_is_stopped_and_nothing_else_is() -> None:
    running: Any = {name: Running(name) for name in ("carts", "mails", "prices")}
    carts, mails = running["carts"], running["mails"]
    told: list[str] = []
    nothing: Any = SimpleNamespace()
    services = Services(
        "Prod",
        running,
        record=Record("pipeline", "candidate", "baseline", []),
        tell=told.append,
        runtime=nothing,
        clock=nothing,
        load=nothing,
        monitoring=nothing,
        balancers=nothing,
        steering=nothing,
        gone=nothing,
    )
    asyncio.run(services.remove(stack("carts", "mails"), stack("mails", "orders")))
    assert (list(running), carts.tasks, mails.tasks) == (["mails", "prices"], [], ["one", "two"])
    assert told == ["carts: deleted"]
