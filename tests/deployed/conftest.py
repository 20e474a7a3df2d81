"""The services of one environment, asked over HTTP; and which of them bring tests of their own for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_infra.config import load_config

ROOT = Path(__file__).parents[2]


def services() -> list[str]:
    """Return the names of the services that are delivered: a new one is asked from its first deployment on."""
    return [service.name for service in load_config(ROOT).services]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", services())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the services that were only asked what every service is asked."""
    asked = [Path(argument).parts for argument in config.args]
    without = [service for service in services() if not any(service in parts for parts in asked)]
    if without:
        terminalreporter.write_line(f"no tests of their own here: {', '.join(without)}")
