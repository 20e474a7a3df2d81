"""Refuses secrets in plain text, in variables and in the arguments of commands."""

import re
from collections.abc import Iterator, Mapping, Sequence

from nova_infra.config.rules.service.tokens import tokens
from nova_infra.config.services.service import Service

_NAMES_A_SECRET = re.compile(
    r"(.*_)?(PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_KEY(_BASE)?|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"|(.*_)?(DB|DATABASE|MYSQL|POSTGRES|PG|REDIS|SMTP|MAIL|USER|ADMIN|ROOT)_?(PASS|PWD)",
    re.IGNORECASE,
)
_FORMS = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a URL with a password": re.compile(r"\w://[^/\s:@]*:[^/\s@]+@"),
}
_OPTION = re.compile(r"--?(?P<name>\w[\w-]*)(=(?P<value>.*))?", re.DOTALL)
_ASSIGNED = re.compile(r"(?<![\w-])(?P<name>[A-Za-z_]\w*)=(?P<value>[^\s;&|]*)")
# No secret itself: a variable, a file, a switch or a number; and what is asked for, such as --no-password.
_NO_SECRET = re.compile(r"""['"]?(\$.*|[{/.@].*|file:.*|true|false|yes|no|\d*)['"]?""", re.IGNORECASE | re.DOTALL)
_COMMAND = "read a variable that is named under secrets instead"


def in_variables(key: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Each variable that holds a secret, or is called one.

    Args:
        key: The table's path.
        variables: Name to value.
    """
    remedy = "put it into Secrets Manager and name it under secrets"
    if key.endswith("build_arguments"):
        remedy = "let the Dockerfile mount it instead"
    for name, value in variables.items():
        if found := next(_secrets(value), None):
            yield f"{key}.{name}: holds {found}, which everybody could read: {remedy}"
        elif given := _given(value):
            yield f"{key}.{name}: holds the value of {given}, which everybody could read: {remedy}"
        elif value and _NAMES_A_SECRET.fullmatch(name):
            yield f"{key}.{name}: is named like a secret, but everybody could read it here: {remedy}, or rename it"


def in_commands(service: Service) -> Iterator[str]:
    """Each argument of a service's commands that holds a secret, or passes one, as the key below the service."""
    for key, command in _commands(service):
        for place, argument in enumerate(command):
            if found := next(_secrets(argument, expanded=True), None):
                yield f"{key}[{place}]: holds {found}, which everybody could read: {_COMMAND}"
            elif name := _passed(argument, command[place + 1 : place + 2]):
                yield f"{key}[{place}]: gives {name} in plain text, which everybody could read: {_COMMAND}"


def _secrets(text: str, *, expanded: bool = False) -> Iterator[str]:
    """What a text holds that is secret.

    Args:
        expanded: Whether a shell may fill in variables, such as the password of a URL.
    """
    for what, form in _FORMS.items():
        if any(not (expanded and ":$" in found[0]) for found in form.finditer(text)):
            yield what
    for token in tokens(text):
        yield f"an access token ({token.vendor})"


def _passed(argument: str, following: Sequence[str]) -> str | None:
    """The name of a secret whose value an argument, or the one after it, gives."""
    option = _OPTION.fullmatch(argument)
    if option is not None:
        value = option["value"] if option["value"] is not None else "".join(following)
        return option["name"] if _gives(option["name"], value) and not value.startswith("-") else None
    return _given(argument)


def _given(text: str) -> str | None:
    """The name of a secret to which a text gives a value, as in the settings of a connection."""
    return next((found["name"] for found in _ASSIGNED.finditer(text) if _gives(found["name"], found["value"])), None)


def _gives(name: str, value: str) -> bool:
    plain = name.replace("-", "_")
    return (
        _NAMES_A_SECRET.fullmatch(plain) is not None
        and not plain.lower().startswith("no_")
        and _NO_SECRET.fullmatch(value) is None
    )


def _commands(service: Service) -> Iterator[tuple[str, Sequence[str]]]:
    """Every command that a service has, by its key."""
    yield "command", service.command or ()
    yield "entrypoint", service.entrypoint or ()
    yield "before_deploy", service.before_deploy or ()
    yield "health.command", service.health.command or ()
    sidecars = [("sidecars", service.sidecars)]
    for name, overrides in service.environments.items():
        if overrides.health is not None:
            yield f"environments.{name}.health.command", overrides.health.command or ()
        sidecars.append((f"environments.{name}.sidecars", overrides.sidecars or ()))
    for key, each in sidecars:
        for number, sidecar in enumerate(each):
            yield f"{key}[{number}].command", sidecar.command or ()
            yield f"{key}[{number}].health.command", sidecar.health.command if sidecar.health else ()
