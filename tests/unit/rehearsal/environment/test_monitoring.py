from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nova_infra.rehearsal.cloudwatch.metrics import Metric
from nova_infra.rehearsal.environment.monitoring import Monitoring
from nova_infra.rehearsal.record import UNMEASURED
from nova_infra.rehearsal.usage.processes import Usage

PLACE = {"ClusterName": "shop", "ServiceName": "carts"}


def service(*usages: Usage | None) -> Any:
    """A service without a load balancer whose tasks use so much; None where this machine does not show it."""
    tasks = [
        SimpleNamespace(
            processor=lambda usage: usage.cpu,
            task=SimpleNamespace(
                running=True, measure=lambda usage=usage: usage, definition=SimpleNamespace(memory=512)
            ),
        )
        for usage in usages
    ]
    return SimpleNamespace(cluster="shop", name="carts", tasks=tasks, desired=len(tasks), groups=[], is_asked=False)


def values(monitoring: Monitoring, name: str) -> list[float]:
    """What was recorded of a metric in the first minute."""
    return monitoring.store.values(Metric.of("AWS/ECS", name, PLACE), range(1))


def test_what_a_machine_does_not_show_is_a_gap_and_no_zero() -> None:
    gaps: list[str] = []
    monitoring = Monitoring("prod", [], gaps, lambda _: None)
    monitoring.end_minute([service(None, None)])
    assert gaps == [UNMEASURED]
    assert values(monitoring, "CPUUtilization") == values(monitoring, "MemoryUtilization") == []


def test_what_tasks_use_is_recorded_as_shares() -> None:
    gaps: list[str] = []
    monitoring = Monitoring("prod", [], gaps, lambda _: None)
    monitoring.end_minute([service(Usage(cpu=40.0, memory=128.0), Usage(cpu=60.0, memory=384.0))])
    assert gaps == []
    assert values(monitoring, "CPUUtilization") == [40.0, 60.0]
    assert values(monitoring, "MemoryUtilization") == [25.0, 75.0]
