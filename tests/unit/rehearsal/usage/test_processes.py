from pathlib import Path

import psutil
import pytest

from nova_infra.rehearsal.usage.processes import UsageMeter


def test_a_process_that_ends_while_it_is_measured_uses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = UsageMeter(psutil.Process().pid)

    def gone(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "glob", gone)
    monkeypatch.setattr(meter, "busy_seconds", lambda: 0.0)
    monkeypatch.setattr(meter, "memory", lambda: 0.0)
    usage = meter.read()
    assert (usage.cpu, usage.memory, usage.spent) == (0.0, 0.0, 0.0)
