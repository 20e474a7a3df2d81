"""The answers that a new project needs: their checks and defaults."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nova_infra.config import CONFIG_FILE, Platform, Source, Toolchain
from nova_infra.config.values.regions import unfit_for_toolchain
from nova_infra.config.wording import in_one_line
from nova_infra.errors import NovaError
from nova_infra.scaffold.editing.names import require_usable

#: The account of the pipeline and the images, then the environments in promotion order; each with a placeholder, which
#: is enough for everything but AWS itself.
ACCOUNTS = {
    "toolchain": "444444444444",
    "dev": "111111111111",
    "staging": "222222222222",
    "prod": "333333333333",
}
REGION = "us-east-1"
ENGINES = ("codepipeline", "github-actions")
SERVICE = "text-service"

_T = TypeVar("_T")

_NAME = "nova"


@dataclass(frozen=True)
class Answers:
    """What a project is made from.

    Attributes:
        engine: What delivers it, one of ``ENGINES``.
    """

    name: str
    repository: str
    engine: str
    accounts: Mapping[str, str]
    regions: Mapping[str, str]
    services: tuple[str, ...]

    @property
    def owner(self) -> str:
        """Who owns the repository."""
        return self.repository.partition("/")[0]


def checked_name(value: str) -> str:
    """The name, if it can be the prefix of physical names."""
    return _checked(Platform, "name", value)


def checked_repository(value: str) -> str:
    """The repository, if it is one."""
    return _checked(Source, "repository", value)


def checked_account(value: str) -> str:
    """The account, if it is one."""
    if not re.fullmatch(r"[0-9]{12}", value):
        raise NovaError(f"account: {value!r} is not an AWS account: give its 12 digits")
    return value


def checked_region(value: str) -> str:
    """The region, if there is one of that name."""
    return _checked(Toolchain, "region", value, account=ACCOUNTS["toolchain"])


def checked_toolchain_region(value: str, *, engine: str) -> str:
    """The region, if the pipeline and the images can be there."""
    region = checked_region(value)
    if why := unfit_for_toolchain(region, engine, switch="start again with --engine github-actions"):
        raise NovaError(f"region: {why}")
    return region


def checked_engine(value: str) -> str:
    """The engine, if it is one."""
    if value not in ENGINES:
        raise NovaError(f"engine: {value!r} is not a delivery engine: choose {' or '.join(ENGINES)}")
    return value


def checked_services(value: str) -> tuple[str, ...]:
    """The names in a list, by spaces or commas, if services can have them."""
    names = value.replace(",", " ").split()
    if not names:
        raise NovaError(f"service: {value!r} names none, but a platform needs one: name at least one")
    all_of(*(partial(_require_own, name, names) for name in dict.fromkeys(names)))
    return tuple(names)


def default_name(directory: Path) -> str:
    """The directory's name, where it can be the prefix of physical names."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.name.lower()).strip("-")
    try:
        return checked_name(name)
    except NovaError:
        return _NAME


def default_repository(name: str, remote: str | None) -> str:
    """What git fetches from, where that is a repository on GitHub; else a placeholder."""
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", remote or "")
    return found[1] if found else f"org/{name}-platform"


def of_option(option: str, value: str, check: Callable[[str], _T]) -> _T:
    """The value of an option, by a check that would name a key."""
    try:
        return check(value)
    except NovaError as error:
        raise NovaError("\n".join(f"{option} {line.partition(': ')[2]}" for line in str(error).splitlines())) from None


def placed(
    option: str, values: Iterable[str], check: Callable[[str], str], *, places: Collection[str] = ()
) -> dict[str, str]:
    """The value of each place, from ``value`` and ``place=value`` in any order; that for everything has an empty name.

    Args:
        places: The names that there are. Default: any.

    Raises:
        NovaError: Some of them cannot be used, or a place has two, each in a line.
    """
    found: dict[str, str] = {}

    def take(each: str) -> None:
        place, equals, value = each.rpartition("=")
        if equals and places and place not in places:
            raise NovaError(f"{option} {each}: {place!r} is not one of {', '.join(places)}: choose one of them")
        if found.get(place, value) != value:
            raise NovaError(f"{option} {each}: {place or 'everything'} has {found[place]} already: give one of them")
        found[place] = of_option(option, value, check)

    all_of(*(partial(take, each) for each in dict.fromkeys(values)))
    return found


def all_of(*options: Callable[[], Any]) -> list[Any]:
    """What several options give, each of a type of its own; the faults of all of them, if there are any."""
    found = []
    faults: list[str] = []
    for each in options:
        try:
            found.append(each())
        except NovaError as error:
            faults.append(str(error))
    if faults:
        raise NovaError("\n".join(faults))
    return found


def as_options(fault: str, answers: Answers) -> str:
    """A fault in the nova.toml that would be written, in words of the options that it comes from."""
    key, _, said = fault.removeprefix(f"{CONFIG_FILE}: ").partition(": ")
    if found := re.fullmatch(r"services\[(\d+)\]\..*", key):
        return f"--service {answers.services[int(found[1])]}: {said.rpartition(': ')[0]}: choose another name"
    if found := re.fullmatch(r"environments\[(\d+)\]\.(account|region)", key):
        return f"--{found[2]} {list(ACCOUNTS)[1 + int(found[1])]}: {said}"
    return f"--service: {said}" if key == "services" else fault


def _require_own(name: str, names: list[str]) -> None:
    require_usable(name)
    if names.count(name) > 1:
        raise NovaError(f"service: {name!r} is named twice: give each its own name")


def _checked(model: type[BaseModel], key: str, value: str, **others: str) -> str:
    try:
        model.model_validate({key: value, **others})
    except ValidationError as error:
        [fault, *_] = error.errors(include_url=False)
        raise NovaError(in_one_line(fault).removeprefix(f"{CONFIG_FILE}: ")) from None
    return value
