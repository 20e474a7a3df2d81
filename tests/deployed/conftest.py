"""The services of one environment, asked over HTTP; and which of them bring tests of their own for it."""

from pathlib import Path

import pytest

from nova_infra.config import Service, load_config

ROOT = Path(__file__).parents[2]


def services() -> list[Service]:
    """Return the services that are delivered: a new one is asked from its first deployment on."""
    return list(load_config(ROOT).services)


def reached_at(service: Service) -> str | None:
    """Return a path that leads to a service from outside, if one does under the environment's own name."""
    if service.kind != "web" or service.internal or service.hosts or service.protocol == "grpc":
        return None
    return service.paths[0].replace("*", "").replace("?", "x")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "built_on_the_kit" in metafunc.fixturenames:
        names = [each.name for each in services() if each.kit and reached_at(each)]
        metafunc.parametrize("built_on_the_kit", names or [_none("no service here is built on the kit and reached")])
    if "reached_at" in metafunc.fixturenames:
        paths = {each.name: path for each in services() if (path := reached_at(each))}
        none = [_none("no service is reached from outside")]
        metafunc.parametrize("reached_at", paths.values() or none, ids=paths.keys() or ["none"])


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
