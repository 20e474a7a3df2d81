"""Asks for the answers that a new project needs and that were not given as options."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from nova_infra.errors import NovaError
from nova_infra.scaffold.projects import answers
from nova_infra.scaffold.projects.answers import ACCOUNTS, ENGINES, REGION, SERVICE, Answers
from nova_infra.scaffold.projects.project import remote_of

_T = TypeVar("_T")


@dataclass(frozen=True)
class Given:
    """The options as they were given; None or empty where one was not."""

    name: str | None
    repository: str | None
    engine: str | None
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    services: tuple[str, ...]


def interview(given: Given, target: Path, *, ask: bool) -> Answers:
    """What a project is made from: options first, then the user's answers, then the defaults.

    Args:
        ask: Whether to ask for what is not given. Otherwise the defaults hold.
    """
    accounts, regions, name, repository, engine, services = answers.all_of(
        lambda: _placed("--account", given.accounts, answers.checked_account),
        lambda: _placed("--region", given.regions, answers.checked_region),
        lambda: _given("--name", given.name, answers.checked_name),
        lambda: _given("--repository", given.repository, answers.checked_repository),
        lambda: _given("--engine", given.engine, answers.checked_engine),
        lambda: _given("--service", " ".join(given.services) if given.services else None, answers.checked_services),
    )
    missing = {
        "--name": not name,
        "--repository": not repository,
        "--region": regions.keys() != ACCOUNTS.keys(),
        "--account": accounts.keys() != ACCOUNTS.keys(),
        "--engine": not engine,
        "--service": not services,
    }
    if ask and any(missing.values()) and not has_terminal():
        options = ", ".join(option for option, is_missing in missing.items() if is_missing)
        raise NovaError(f"{options}: not given, and there is no terminal to ask on: give them as options, or use --yes")
    question = _ask if ask else _default
    name = name or question("Name, the prefix of everything in AWS", answers.default_name(target), answers.checked_name)
    repository = repository or question(
        "Repository on GitHub", answers.default_repository(name, remote_of(target)), answers.checked_repository
    )
    engine = engine or question(f"What delivers: {' or '.join(ENGINES)}", ENGINES[0], answers.checked_engine)
    fits = partial(answers.checked_toolchain_region, engine=engine)
    if regions.keys() != ACCOUNTS.keys():
        regions = _of_all_places(regions, question, fits)
    for place, placeholder in ACCOUNTS.items():
        of = "the pipeline and the images" if place == "toolchain" else place
        accounts[place] = accounts.get(place) or question(f"AWS account of {of}", placeholder, answers.checked_account)
    answers.of_option("--region", regions["toolchain"], fits)
    services = services or question("Services to start with", SERVICE, answers.checked_services)
    return Answers(name, repository, engine, accounts, regions, services)


def _of_all_places(
    regions: Mapping[str, str], question: Callable[..., str], fits: Callable[[str], str]
) -> dict[str, str]:
    """Each place's region: what is not given is asked once."""
    rest = ("AWS region of the rest", answers.checked_region)
    text, check = rest if "toolchain" in regions else ("AWS region", fits)
    return {**dict.fromkeys(ACCOUNTS, question(text, regions.get("toolchain", REGION), check)), **regions}


def has_terminal() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()


def _ask(text: str, default: str, check: Callable[[str], _T]) -> _T:
    """Ask until the answer can be used."""
    while True:
        try:
            return check(click.prompt(text, default=default).strip())
        except NovaError as error:
            click.echo(f"  {error}")


def _default(_text: str, default: str, check: Callable[[str], _T]) -> _T:
    return check(default)


def _given(option: str, value: str | None, check: Callable[[str], _T]) -> _T | None:
    """An option's value, checked also where it is empty: a shell leaves that of a variable that is not set."""
    return None if value is None else answers.of_option(option, value, check)


def _placed(option: str, values: tuple[str, ...], check: Callable[[str], str]) -> dict[str, str]:
    """The value of each of ``ACCOUNTS`` that has one."""
    placed = answers.placed(option, values, check, places=ACCOUNTS)
    return (dict.fromkeys(ACCOUNTS, placed.pop("")) if "" in placed else {}) | placed
