"""Refuses secrets in plain text, in variables and in the arguments of commands."""

import re
from collections.abc import Iterator, Mapping, Sequence

from nova_infra.config.rules.service.tokens import tokens
from nova_infra.config.services.service import Service

_NAMES_A_SECRET = re.compile(
    r"(.*_)?(PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_KEY(_BASE)?|TOKEN|API_?KEY|ACCESS_?KEY|ACCOUNT_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"|(.*_)?(DB|DATABASE|MYSQL|POSTGRES|PG|REDIS|SMTP|MAIL|USER|ADMIN|ROOT)_?(PASS|PWD)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"-|(?<=[a-z0-9])(?=[A-Z])")
_FORMS = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a URL with a password": re.compile(r"\w://[^/\s:@]*:(?P<value>[^/\s@]+)@"),
    "a header that logs in": re.compile(r"\b(Basic|Bearer)(\s+|%20)(?=\S*[\d=])[\w.~+/=-]{12,}", re.IGNORECASE),
}
_OPTION = re.compile(r"--?(?P<name>\w[\w-]*)(=(?P<value>.*))?", re.DOTALL)
_NAME, _VALUE = r"(?P<name>[A-Za-z_][\w-]*)", r"""(?P<value>\\?"[^"]*"|'[^']*'|[^\s;&|,]*)"""
# After a blank, prose or a query may go on: only there must a value be more than a word.
_ASSIGNED = (
    re.compile(rf"(?<![\w-])(?:-D|--?)?{_NAME}={_VALUE}"),
    re.compile(rf"""(?<=["']){_NAME}\\?["']\s*:\s*{_VALUE}"""),
    re.compile(rf"(?<![\w-]){_NAME}:\s+(?![A-Z]?[a-z]+\b){_VALUE}"),
    re.compile(rf"(?<![\w-])--?{_NAME}\s+(?!-|[A-Z]?[a-z]+\b){_VALUE}"),
    re.compile(rf"""(?<![\w-]){_NAME} = (?!\w+\.\w)(?=["']|\S*\d){_VALUE}"""),
)
# What another program fills in: a variable, a template, a format of printf's, a place in a query or in a manual.
_FILLED_IN = re.compile(r"\$.*|[{<\[(].*|%.*%|%(\(\w+\))?[-#0 +.]*\d*[A-Za-z]|\?|:[A-Za-z_]\w*", re.DOTALL)
# No secret itself: where one is, how it is sent, a switch, a number, what is masked; and --no-password asks for none.
_NO_SECRET = re.compile(
    r"[/.@].*|(file|https?|arn|ssm|vault|env):.*|[\w./-]+\.(json|ya?ml|toml|ini|pem|key|crt|txt|env)"
    r"|true|false|yes|no|on|off|none|null|nil|undefined|enabled|disabled|required|optional|auto|prompt"
    r"|json|jwt|bearer|basic|oauth2?|header|cookie|query|body|form|session|string|text|uuid|opaque"
    r"|include|omit|same-origin|hidden|masked|redacted|\*+|x{3,}|…|\d{0,5}",
    re.IGNORECASE | re.DOTALL,
)
_COMMAND = "read a variable that is named under secrets instead"
_SCRIPT = "; if it is no secret, write it into a script of the image"


def in_variables(key: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Each variable that holds a secret, or is called one.

    Args:
        key: The table's path.
    """
    remedy, harmless = "put it into Secrets Manager and name it under secrets", "ENV"
    if key.endswith("build_arguments"):
        remedy, harmless = "let the Dockerfile mount it instead", "the default of ARG"
    for name, value in variables.items():
        if found := next(_secrets(value), None):
            yield f"{key}.{name}: holds {found}, which everybody could read: {remedy}"
        elif given := _given(value):
            yield f"{key}.{name}: holds the value of {given}, which everybody could read: {remedy}{_none(harmless)}"
        elif value and _names_a_secret(name):
            yield f"{key}.{name}: is named like a secret, but everybody could read it here: {remedy}, or rename it"


def _none(instruction: str) -> str:
    """What to do about a text that only looks as if it held a secret."""
    return f"; if it is no secret, write it into the Dockerfile, as {instruction}"


def in_commands(service: Service) -> Iterator[str]:
    """Each argument of a service's commands that holds a secret, or passes one, as the key below the service."""
    for key, command in _commands(service):
        for place, argument in enumerate(command):
            if found := next(_secrets(argument), None):
                yield f"{key}[{place}]: holds {found}, which everybody could read: {_COMMAND}"
            elif name := _passed(argument, command[place + 1 : place + 2]):
                yield f"{key}[{place}]: gives {name} in plain text, which everybody could read: {_COMMAND}{_SCRIPT}"


def _secrets(text: str) -> Iterator[str]:
    """What a text holds that is secret."""
    for what, form in _FORMS.items():
        if any(not _FILLED_IN.fullmatch(found.groupdict().get("value", "-")) for found in form.finditer(text)):
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
    found = (each for form in _ASSIGNED for each in form.finditer(text))
    return next((each["name"] for each in found if _gives(each["name"], each["value"])), None)


def _names_a_secret(name: str) -> bool:
    """Whether a name is a secret's, in whatever case: ``client_secret``, ``client-secret`` or ``clientSecret``."""
    return _NAMES_A_SECRET.fullmatch(_WORDS.sub("_", name)) is not None


def _gives(name: str, value: str) -> bool:
    bare = value.strip("\"'\\)]}")
    return (
        (_names_a_secret(name) or name.lower() == "pwd")
        and not name.lower().startswith(("no-", "no_"))
        and _FILLED_IN.fullmatch(bare) is None
        and _NO_SECRET.fullmatch(bare) is None
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
