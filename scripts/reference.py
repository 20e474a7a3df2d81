"""Writes ``docs/configuration.md``: each key of ``nova.toml`` with type, default, example and meaning."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from descriptions import describe, models
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nova_infra.config.root import Config
from nova_infra.config.services.service import ONLY_OF, Overrides
from nova_infra.documents.markdown import as_markdown
from nova_infra.documents.model import Document, Paragraph, Prose, Section, Table

_INTRODUCTION = (
    """\
Generated from the models in `nova_infra/config/` by `make docs`. Editors show the same through `docs/nova.schema.json`.
Tables within `[[services]]` can be written as `[services.scaling]`, or in one line: `scaling = { max_tasks = 9 }`.""",
    """\
What a service is in an environment follows from four places. The most specific value wins, key by key:
`[services.environments.NAME]`, then `[[services]]`, then `[[environments]]`, then the default.
`nova config show SERVICE ENVIRONMENT` prints the result and where each value comes from. `{account}`, `{region}` and
`{environment}` are filled in in a service's variables, secrets, permissions, connections, hosts and sidecars.""",
)
_COLUMNS = ("Key", "Type", "Default", "Example", "Meaning")

_ELB = '"arn:aws:elasticloadbalancing:eu-west-1:111122223333:{}/app/shared/50dc6c495c0c9188{}"'
_EXAMPLES = {
    "account": '"111122223333"',
    "actions": '["dynamodb:GetItem", "dynamodb:Query"]',
    "branch": '"main"',
    "buildkit": '"mirror.example.com/buildkit:v0.31.1@sha256:…"',
    "build": '"rehearsal/database"',
    "build_arguments": '{ PIP_INDEX_URL = "https://pypi.example.com/simple" }',
    "channel": '"C0123456789"',
    "cidr": '"10.20.0.0/16"',
    "command": '["node", "server.js"]',
    "connection_arn": '"arn:aws:codeconnections:us-east-1:111122223333:connection/…"',
    "connects_to": '["db.internal:5432", "10.0.0.0/16:6379"]',
    "before_deploy": '["python", "-m", "app.migrate"]',
    "cluster": '"shared"',
    "context": '"services/api"',
    "cron": '"* * 9-17 ? * MON-THU"',
    "dead": '"orders-{environment}-dead"',
    "dockerfile": '"services/api/Dockerfile"',
    "early_branch": '"develop"',
    "emails": '["on-call@example.com"]',
    "entrypoint": '["/entrypoint.sh"]',
    "environment": '{ LANGUAGE = "ja", BUCKET = "acme-{environment}" }',
    "environments": '{ prod = { cpu = 1024, environment = { LEVEL = "warn" } } }',
    "existing_oidc_providers": '["111122223333"]',
    "field": '"password"',
    "hosts": '["api.example.com"]',
    "ignore_paths": '["docs/**", "*.md"]',
    "image": '"ghcr.io/acme/api:1.4@sha256:…"',
    "interface_endpoints": '["ecr.api", "ecr.dkr", "logs"]',
    "key": '"arn:aws:kms:us-east-1:111122223333:key/…"',
    "name": '"api"',
    "operators": '["arn:aws:iam::111122223333:role/on-call"]',
    "owner": "9919",
    "parameter": '"/nova/token"',
    "path": '"/health"',
    "paths": '["/api/*"]',
    "private_subnets": '["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]',
    "public_subnets": '["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]',
    "root_reason": '"It opens raw sockets."',
    "readonly_root_reason": '"It compiles templates beside its sources."',
    "reason": '"It lists every table."',
    "provides": '{ DATABASE_URL = "postgresql://postgres@{host}:{port}/postgres" }',
    "region": '"us-east-1"',
    "repository": '"org/platform"',
    "requests": '"load/recorded.har"',
    "resources": '["arn:aws:dynamodb:{region}:{account}:table/orders"]',
    "scanner": '"mirror.example.com/grype:v0.116.0@sha256:…"',
    "sbom_generator": '"mirror.example.com/syft:1.12.0@sha256:…"',
    "schedule": '"cron(0 20 ? * MON-FRI *)"',
    "secret": '"nova/database"',
    "secrets": '{ PASSWORD = "nova/database:password", TOKEN = "ssm:/nova/token" }',
    "shared_account": '"until we have a second account"',
    "smoke": '["/api/version"]',
    "stands_for": '["db.internal"]',
    "target": '"production"',
    "time_zone": '"Asia/Tokyo"',
    "token_secret": '"github-token"',
    "untested_reason": '"Its only path needs a signed request."',
    "user": '"10001:10001"',
    "vpc": '"vpc-0123456789abcdef0"',
    "workspace": '"T0123456789"',
    "zone_id": '"Z0123456789ABCDEFGHIJ"',
    "oldest_seconds": "240",
    "zone_name": '"example.com"',
    "zones": '["a", "c"]',
}
"""Examples of keys that no rule gives one for."""
_BY_PATH = {
    "environments.name": '"prod"',
    "environments.domain.name": '"staging.example.com"',
    "environments.network.load_balancer.arn": _ELB.format("loadbalancer", ""),
    "environments.network.load_balancer.dns_name": '"shared-1234567890.eu-west-1.elb.amazonaws.com"',
    "environments.network.load_balancer.listener": _ELB.format("listener", "/f2f7dc8efc522ab2"),
    "environments.network.load_balancer.security_group": '"sg-0123456789abcdef0"',
    "environments.network.load_balancer.zone_id": '"Z32O12XQLNTSW2"',
    "platform.name": '"acme"',
    "rehearsal.dependencies.command": '["server", "/data"]',
    "rehearsal.dependencies.environment": '{ POSTGRES_HOST_AUTH_METHOD = "trust" }',
    "rehearsal.dependencies.image": '"postgres:17-alpine"',
    "rehearsal.dependencies.max_connections": "200",
    "rehearsal.dependencies.name": '"database"',
    "rehearsal.dependencies.port": "5432",
    "rehearsal.dependencies.ready.command": '["pg_isready", "--username", "postgres"]',
    "rehearsal.dependencies.ready.port": "5432",
    "services.queue.name": '"orders-{environment}"',
    "services.sidecars.memory": "128",
    "services.sidecars.name": '"otel"',
    "source.repository": '"org/platform"',
    "delivery.github_ids.repository": "583231",
}


def reference() -> str:
    """The page."""
    describe(Config)
    introduction = Section("", tuple(Paragraph.of(Prose(text)) for text in _INTRODUCTION))
    return as_markdown(Document("Every key of nova.toml", sections=(introduction, *_sections(Config, "", "", {}))))


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key below a model, by its path, tables included."""
    for name, info in model.model_fields.items():
        yield f"{path}{name}", info
        for inner in models(info.annotation):
            if inner is Overrides:
                continue  # its keys are the service's
            yield from keys(inner, f"{path}{name}.")


def example(path: str, info: FieldInfo) -> str:
    """What a key may be set to, as TOML writes it; nothing for a table, whose keys have their own."""
    name = path.rpartition(".")[2]
    if path in _BY_PATH:
        return _BY_PATH[path]
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    if info.annotation is bool:
        return "false" if info.default is True else "true"
    if choices := _choices(info.annotation):
        return _toml(next((each for each in reversed(choices) if each != info.default), choices[0]))
    if _is(info.annotation, int) or _is(info.annotation, float):
        return str(_number(info))
    return ""


def _sections(
    model: type[BaseModel], path: str, title: str, said: dict[tuple[tuple[Prose, ...], ...], str]
) -> Iterator[Section]:
    """A section for each table, with a link instead of the same rows a second time.

    Args:
        said: The rows of the tables so far, to their titles.
    """
    inner: list[tuple[str, str, type[BaseModel]]] = []
    rows = []
    for name, info in model.model_fields.items():
        below = models(info.annotation)
        many = "tuple[" in str(info.annotation) and below
        if title or not below:
            rows.append(_row(f"{path}{name}", name, info))
        for each in below:
            full = f"{path}{name}"
            inner.append((f"{full}.", f"[[{full}]]" if many else f"[{full}]", each))
    if title:
        description = Paragraph.of(Prose(_prose(model.__doc__ or "")))
        if (other := said.setdefault(tuple(rows), title)) != title:
            link = f"The same keys as [`{other}`](#{re.sub(r'[^a-z_]', '', other)})."
            yield Section(Prose(f"`{title}`"), (description, Paragraph.of(Prose(link))))
            return
        yield Section(Prose(f"`{title}`"), (description, Table(tuple(rows), _COLUMNS)))
    for prefix, heading, each in inner:
        if each is not Overrides:
            yield from _sections(each, prefix, heading, said)


def _row(path: str, name: str, info: FieldInfo) -> tuple[Prose, ...]:
    shown = example(path, info)
    cells = (
        f"`{name}`",
        _type(info.annotation),
        "required" if info.is_required() else _default(info),
        f"`{name} = {shown}`" if shown else "",
        _only(path) + re.sub(r" ?Default: .*?\.(?=\s|$)", "", _prose(info.description or "")),
    )
    return tuple(map(Prose, cells))


def _only(path: str) -> str:
    """For which kinds of services a key is, where not for all."""
    table, _, name = path.partition(".")
    if table != "services" or "." in name:
        return ""
    kinds = [kind for kind, model in ONLY_OF.items() if name in model.model_fields]
    return f"*{' and '.join(kinds)} only.* " if 0 < len(kinds) < len(ONLY_OF) else ""


def _prose(text: str) -> str:
    """A docstring as Markdown, in one line."""
    return " ".join(text.replace("``", "`").split())


def _default(info: FieldInfo) -> str:
    if (found := re.search(r"Default: (.*?)\.(?:\s|$)", _prose(info.description or ""))) is not None:
        return found[1]
    if info.default_factory is not None or isinstance(info.default, BaseModel):
        return "its keys' defaults"
    return f"`{_toml(info.default)}`" if info.default is not None else "none"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{}" if not value else str(value)
    return str(value)


def _type(annotation: Any) -> str:
    if choices := _choices(annotation):
        return " or ".join(f"`{_toml(each)}`" for each in choices)
    text = str(annotation)
    if models(annotation):
        return "list of tables" if "tuple[" in text else "tables by name" if "dict[" in text else "table"
    if "tuple[" in text:
        return "list of texts"
    if "dict[" in text:
        return "table of texts"
    for kind, word in ((bool, "true or false"), (int, "whole number"), (float, "number")):
        if _is(annotation, kind):
            return word
    return "text"


def _is(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_is(each, kind) for each in get_args(annotation))


def _choices(annotation: Any) -> list[Any]:
    """The values of a Literal anywhere in an annotation, except in lists."""
    if "tuple[" in str(annotation):
        return []
    if getattr(annotation, "__origin__", None) is not None and "Literal" in str(annotation.__origin__):
        return list(get_args(annotation))
    return (
        [choice for each in get_args(annotation) for choice in _choices(each)] if "Literal[" in str(annotation) else []
    )


def _number(info: FieldInfo) -> Any:
    """A number other than the default, within its limits."""
    limits: Mapping[str, Any] = {
        key: getattr(each, key) for each in info.metadata for key in ("ge", "gt", "le") if hasattr(each, key)
    }
    base = info.default if isinstance(info.default, int | float) and info.default else limits.get("ge", 1) or 1
    return min(base * 2, limits.get("le", base * 2))


if __name__ == "__main__":
    print(reference(), end="")
