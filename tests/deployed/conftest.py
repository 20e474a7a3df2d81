"""The services of one environment, asked over HTTP; and which of them bring tests of their own for it."""

import os
from pathlib import Path

import pytest

from nova_infra.config import Service, load_config
from nova_infra.config.resolved import resolved
from nova_infra.config.services.smoke import reached_from_outside
from nova_infra.names import ENVIRONMENT_VARIABLE

ROOT = Path(__file__).parents[2]


def services() -> list[Service]:
    """Return the services that are delivered: a new one is asked from its first deployment on."""
    return list(load_config(ROOT).services)


def reached_at() -> dict[str, tuple[str, str]]:
    """Return service to a path that leads to it from outside, and the host to ask for where it has its own."""
    config = load_config(ROOT)
    here = next((each for each in config.environments if each.name == os.environ.get(ENVIRONMENT_VARIABLE)), None)
    found = [resolved(each, here).service if here else each for each in config.services]
    reached = {each.name: reached_from_outside(each) for each in found if here or not each.hosts}
    return {name: each for name, each in reached.items() if each is not None}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "built_on_the_kit" in metafunc.fixturenames:
        own = {name for name, (_, host) in reached_at().items() if not host}
        names = [each.name for each in services() if each.kit and each.name in own]
        metafunc.parametrize("built_on_the_kit", names or [_none("no service here is built on the kit and reached")])
    if "reached_at" in metafunc.fixturenames:
        found = reached_at()
        none = [_none(f"no service is reached from outside, or only by a host, which {ENVIRONMENT_VARIABLE} decides")]
        metafunc.parametrize("reached_at", found.values() or none, ids=found.keys() or ["none"])


def _none(reason: str) -> object:
    """What stands for services that are not there."""
    return pytest.param("none", marks=pytest.mark.skip(reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the services that were only asked what every service is asked."""
    asked = [Path(argument).parts for argument in config.args]
    names = [service.name for service in services()]
    without = [name for name in names if not any(name in parts for parts in asked)]
    if without:
        terminalreporter.write_line(f"no tests of their own here: {', '.join(without)}")
