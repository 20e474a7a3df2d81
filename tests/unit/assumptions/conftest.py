"""AWS, as the experiments of the tests meet it."""

import pytest

from nova_infra.assumptions.sandbox.requests import SandboxAnswer


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request is answered by a task."""
    for module in ("records", "rollouts", "traffic"):
        monkeypatch.setattr(
            f"nova_infra.assumptions.experiments.{module}.ask", lambda *_, **__: SandboxAnswer(200, "0")
        )
