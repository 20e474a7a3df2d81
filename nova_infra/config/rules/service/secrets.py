"""Refuses secrets in plain text, in variables and in the arguments of commands."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence

from nova_infra.config.rules.service.tokens import tokens
from nova_infra.config.services.service import Service

_NAMES_A_SECRET = re.compile(
    r".*(PASSWORD|PASSWD|PASSPHRASE)|(.*_)?(SECRET|SECRET_KEY(_BASE)?|TOKEN|API_?KEY|(SECRET_)?ACCESS_?KEY|ACCOUNT_?KEY"
    r"|PRIVATE_?KEY|CREDENTIALS?)|(.*_)?(DB|DATABASE|MYSQL|POSTGRES|PG|REDIS|MONGO|RABBITMQ|AMQP|SMTP|E?MAIL|S?FTP|SSH|LDAP"
    r"|BIND|SASL|DEFAULT|USER|ADMIN|ROOT)_?(PASS|PWD|PW)",
    re.IGNORECASE,
)
# Names that are a secret's only with such a value: a key is also where something is kept, or a key's identity.
_WITH_VALUE = re.compile(
    r"(.*_)?(ENCRYPTION|SIGNING|MASTER|HMAC|FERNET|CIPHER|AES)_?KEY=(?=.*\d)"
    r"(?!(key/)?\w{8}(-\w{4}){3}-\w{12}$|(key/)?mrk-|(alias|projects)/)[\w+/=.-]{16,}"
    r"|(.*_)?BASIC_?AUTH=[^\s:]+:\S+",
    re.IGNORECASE,
)
# Parts of a name that somebody has chosen, one of which is a word: no random key has only parts like these.
_WORD = re.compile(r"(?=[A-Za-z]*[AEIOUaeiou])(?=[A-Za-z]{3})([A-Z]?[a-z]+([A-Z][a-z]{2,})*|[A-Z]+)\d{0,4}")
_SHORT = re.compile(r"[A-Za-z]{0,3}\d{0,4}")
# A limit, the kind of a credential, a time, what a web page shows anyway, the password of public certificates, and what
# a language model marks a text with.
_HARMLESS = re.compile(
    r"(.*_)?(MAX|MIN|NUM|NUMBER|COUNT|TOTAL|LIMIT)_.*=[\d_,.]+|(.*_)?CREDENTIALS?=[A-Za-z]+|(.*_)?TOKEN=\d{0,5}(\.\d{1,6})?"
    r"|((NEXT|EXPO|NUXT)_PUBLIC|PUBLIC|VITE|REACT_APP|GATSBY)_(.*_)?(API_?KEY|TOKEN)=.*|(.*_)?TRUST_?STORE_PASSWORD=changeit"
    r"|(.*_)?(PAD|BOS|EOS|UNK|SEP|CLS|MASK|START|STOP|END)_TOKEN="
    r"(\W{0,8}|(PAD|BOS|EOS|UNK|SEP|CLS|MASK|START|STOP|END|DONE)"
    r"|(?-i:(<[|｜]?|\[)/?([a-z_▁-]{1,24}|[A-Z_-]{1,24})(_\d{1,3})?([|｜]?>|\])))",
    re.IGNORECASE | re.DOTALL,
)
# Names whose value somebody may have chosen to be the name itself, in capitals: no manual's then.
_CHOSEN = ("password", "passwd", "passphrase", "secret")
_WORDS = re.compile(r"-|(?<=[a-z0-9])(?=[A-Z])")
# Before the colon of a login, where a variable may have one in its braces; and what of a line is one command's.
_USER = r"(?:\$\{[^}\s]*\}|\$(?!\{)|[^\s:$/@])*"
_OF_ONE_COMMAND = r"""(?:"[^"]*"|'[^']*'|\\\n|[^|;&"'\n])*"""
_LOGS_IN, _OF_URL, _OF_COMMAND = "a header that logs in", "a URL with a password", "a password of a command"
_OF_SIGNED = "a URL that is signed"
_FORMS = {
    "an AWS access key": re.compile(r"\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    # The second in base64: the words are PRIVATE KEY, RSA, EC, DSA, OPENSSH and ENCRYPTED.
    "a private key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY|PuTTY-User-Key-File-\d"
        r"|LS0tLS1CRUdJTi(BQUklWQVRF|BSU0EgUFJJ|BFQyBQUklW|BEU0EgUFJJ|BPUEVOU1NI|BFTkNSWVBU)"
    ),
    "the hash of a password": re.compile(
        r"\$(2[abxy]\$\d\d\$[\w./]{53}|(apr1|[156y])\$(rounds=\d+\$|\w+\$(?=\S+\$))?[\w./]{1,22}\$[\w./]{22,}"
        r"|argon2(id?|d)\$(v=\d+\$)?m=\d+,t=\d+,p=\d+\$[\w+/]{11,}\$[\w+/]{16,})"
    ),
    _OF_URL: re.compile(
        rf"\w://{_USER}:(?P<value>[^/\s@]+)@|"
        r"jdbc:oracle:\w+:[^/\s@]+/(?P<thin>[^/\s@]+)@"
    ),
    _OF_SIGNED: re.compile(
        r"(?i:[?&;](?:X-(?:Amz|Goog)-)?sig(?:nature)?|\.azurewebsites\.net/[^\s?]*\?(?:[^\s#]*&)?code)"
        r"=(?=[^&\s]*\d)(?=[^&\s]*[A-Za-z])(?P<value>[\w%+/=.~-]{20,})"
    ),
    _OF_COMMAND: re.compile(
        rf"\bcurl\b{_OF_ONE_COMMAND}\s(-[uU]|--(proxy-)?user(?=[\s=]))[\s=]*[\"']?{_USER}:(?P<value>[^\s\"']+)|"
        r"\bsshpass\s+-p\s*(?P<ssh>\S+)"
        r"|\bmachine\s+\S+\s+login\s+\S+\s+password\s+(?P<netrc>\S+)"
    ),
}
_BEARER = re.compile(r"\bBearer(\s+|%20)(?=\S*\d)[\w.~+/=-]{12,}", re.IGNORECASE)
# Of a header, of Docker's settings, of npm's.
_LOGIN = re.compile(
    r"""(?:\bBasic(?:\s+|%20)|\b_?auth\\?["']?\s*[:=]\s*\\?["']?)([A-Za-z0-9+/]{6,}={0,2})""", re.IGNORECASE
)
_OPTION = re.compile(r"--?(?P<name>\w[\w-]*)(=(?P<value>.*))?", re.DOTALL)
_NAME, _VALUE = r"(?P<name>[A-Za-z_][\w-]*)", r"""(?P<value>\\?"[^"]*"|'[^']*'|[^\s;&|,]*)"""
# After a blank, prose or a query may go on: only there must a value be more than a word.
_PROSE = r"[A-Z]?[a-z]+(?![\w.@/+=-]*[\dA-Z@/+=])\b"
_ASSIGNED = (
    re.compile(rf"(?<![\w-])(?:-D|--?)?{_NAME}={_VALUE}"),
    re.compile(rf"""(?<=["']){_NAME}\\?["']\s*:\s*{_VALUE}"""),
    re.compile(rf"(?<![\w-]){_NAME}:\s+(?!{_PROSE}){_VALUE}"),
    re.compile(rf"(?<![\w-])--?{_NAME}\s+(?!-|{_PROSE}){_VALUE}"),
    re.compile(rf"""(?<![\w-]){_NAME} = (?!\w+\.\w)(?=["']|\S*\d){_VALUE}"""),
)
# What Docker mounts into a build.
_MOUNT = re.compile(r"""(?<!\S)--secret[=\s]\s*["']?id=[\w.-]+(,(type|src|source|env|target|required)=[^,\s"']*)*""")
# A name in code. Numbers are at an end, after words of one case with underscores or one that says what it is.
_OF_CODE = r"(?:[A-Za-z_]+|(?:(?=\w*_)(?:[a-z_]+|[A-Z_]+)|(?i:[a-z]*(?:password|token|secret|key)))\d{1,2})"
# What another program fills in: a variable, a template, a format of printf's, a place in a query or in a manual, what
# code reads, which says of what people give names to that it is secret.
_FILLED_IN = re.compile(
    r"(os|sys|process|(var|local|data|module|config|settings)"
    r"(?=\.[\w.]*([\[(]|(?i:pass|pwd|pw|token|secret|key|credential|auth))))"
    rf"(\.{_OF_CODE})+([\[(].*)?"
    r"|\$.*|#\{.*|[{<\[(].*|%.*%|%(\(\w+\))?[-#0 +.]*\d*[A-Za-z]|\?|:[A-Za-z_]\w*|`.*",
    re.DOTALL,
)
# No secret itself: where one is, a header that has one, a switch, an algorithm, a time, what is masked.
_NO_SECRET = re.compile(
    r"@?((?!\S*[A-Z])|(?!\S*\d))\.{0,2}/\S*|@[A-Za-z_]+|(file|https?|arn|ssm|vault|env):.*"
    r"|(op|(aws|gcp|azure)?-?(sm|ssm|kv|secrets?-?(manager)?)|akv|bao|berglas|doppler|infisical|keyring|ref\+[a-z0-9]+)://.*"
    r"|projects/[\w-]+/secrets/[\w/-]+|@Microsoft\.KeyVault\(.*"
    r"|[\w./-]+\.(json|ya?ml|toml|ini|pem|key|crt|txt|env)|x(-[a-z]+)+\d?|authorization|set-cookie|[xc]srf-?token|__(host|secure)-[a-z_-]+|\^\S*([\[\\(]|\.[*+])\S*\$"
    r"|[01]?|true|false|yes|no|on|off|none|null|nil|undefined|enabled|disabled|required|optional|auto|prompt"
    r"|(sha|hs|rs|es|ps)-?\d{3}|bcrypt|scrypt|argon2i?d?|pbkdf2|(\d{1,5}(ms|[smhdwk]))+|\d+r?/(s|m|h|min)"
    r"|hidden|masked|redacted|\*+|x{3,}|…",
    re.IGNORECASE | re.DOTALL,
)
# How it is sent, and its kind: in a text, where a password would hardly be such a word.
_KIND = re.compile(
    r"json|jwt|bearer|basic|oauth2?|header|cookie|query|body|form|session|string|text|uuid|opaque|include|omit|same-origin",
    re.IGNORECASE,
)
# Of words in small letters: a random text of this length has others.
_PLACE = re.compile(r"[a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)+")
_COMMAND = "read a variable that is named under secrets instead"
_MAY_BE_NONE = (_LOGS_IN, _OF_URL, _OF_SIGNED, _OF_COMMAND)
_SCRIPT = "; if it is no secret, write it into a script of the image"


def in_variables(key: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Each variable that holds a secret, or is called one."""
    remedy, harmless = "put it into Secrets Manager and name it under secrets", "ENV"
    if key.endswith("build_arguments"):
        remedy, harmless = "let the Dockerfile mount it instead", "the default of ARG"
    way_out = f"; if it is no secret, write it into the Dockerfile, as {harmless}"
    for name, value in variables.items():
        if found := next(_secrets(value), None):
            none = way_out if found in _MAY_BE_NONE else ""
            yield f"{key}.{name}: holds {found}, which everybody could read: {remedy}{none}"
        elif given := _given(value):
            yield f"{key}.{name}: holds the value of {given}, which everybody could read: {remedy}{way_out}"
        elif _is_secret(name, value):
            yield f"{key}.{name}: is named like a secret, but everybody could read it here: {remedy}{way_out}"


def in_commands(service: Service) -> Iterator[str]:
    """Each argument of a service's commands that holds a secret, or passes one, as the key below the service."""
    for key, command in _commands(service):
        for place, argument in enumerate(command):
            if found := next(_secrets(argument), None):
                none = _SCRIPT if found in _MAY_BE_NONE else ""
                yield f"{key}[{place}]: holds {found}, which everybody could read: {_COMMAND}{none}"
            elif name := _passed(argument, command[place + 1 : place + 2]):
                yield f"{key}[{place}]: gives {name} in plain text, which everybody could read: {_COMMAND}{_SCRIPT}"


def _secrets(text: str) -> Iterator[str]:
    """What a text holds that is secret."""
    for what, form in _FORMS.items():
        for found in form.finditer(text):
            value = next((each for each in found.groupdict().values() if each is not None), "-")
            if not _FILLED_IN.fullmatch(value.strip("\"'")):
                yield what
    if _BEARER.search(text) or any(map(_is_login, _LOGIN.findall(text))):
        yield _LOGS_IN
    for token in tokens(text):
        yield f"an access token ({token.vendor})"


def _is_login(encoded: str) -> bool:
    """Whether a text is a user and a password in base64."""
    try:
        user, _, password = base64.b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii").partition(":")
    except ValueError:
        return False
    return user.isprintable() and password != "" and password.isprintable()


def _passed(argument: str, following: Sequence[str]) -> str | None:
    """The name of a secret whose value an argument, or the one after it, gives."""
    option = _OPTION.fullmatch(argument)
    if option is not None and not _MOUNT.match(" ".join((argument, *following))):
        value = option["value"] if option["value"] is not None else "".join(following)
        if _gives(option["name"], value) and not value.startswith("-"):
            return option["name"]
    return _given(argument)


def _given(text: str) -> str | None:
    """The name of a secret to which a text gives a value, as in the settings of a connection."""
    text = _MOUNT.sub("", text)
    for each in (each for form in _ASSIGNED for each in form.finditer(text)):
        if _gives(each["name"], each["value"]):
            return each["name"]
        if within := _given(each["value"]):
            return within
    return None


def _gives(name: str, value: str) -> bool:
    """Whether a text says a secret where it gives a value to a name."""
    bare = value.strip("\"'\\)]}")
    # In a manual: --token TOKEN
    is_shown = bare != name and bare == name.upper() and name.lower() not in _CHOSEN
    return _is_secret(name, bare) and not is_shown and not any(form.fullmatch(bare) for form in (_FILLED_IN, _KIND))


def _is_secret(name: str, value: str) -> bool:
    """Whether a value is a secret, by its name and as far as it may be one.

    Args:
        name: In whatever case: ``client_secret``, ``client-secret`` or ``clientSecret``.
        value: Without quotes.
    """
    named = _WORDS.sub("_", name)
    given = f"{named}={value}"
    is_random = _WITH_VALUE.fullmatch(given) and not _is_chosen(value)
    is_named = _NAMES_A_SECRET.fullmatch(named) or is_random or named.lower() == "pwd"
    is_harmless = _HARMLESS.fullmatch(given) or any(form.fullmatch(value) for form in (_NO_SECRET, _PLACE))
    return bool(is_named) and not is_harmless and not named.lower().startswith("no_")


def _is_chosen(value: str) -> bool:
    """Whether a key's value is the name of one, such as ``sessions-signing-key-v2``."""
    parts = re.split(r"[-_/.]+", value)
    words = [_WORD.fullmatch(part) is not None for part in parts]
    return (
        len(parts) > 1
        and any(words)
        and all(word or _SHORT.fullmatch(part) for word, part in zip(words, parts, strict=True))
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
