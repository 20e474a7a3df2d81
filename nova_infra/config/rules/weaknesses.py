"""Refuses what AWS would take and nobody should deploy, such as a service that may deploy."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from nova_infra.config.delivery import Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.root import ValidParts
from nova_infra.config.rules.limits import variables_of
from nova_infra.config.rules.service.secrets import in_commands, in_variables
from nova_infra.config.services.service import Service
from nova_infra.config.services.surroundings import Permission

# Of each kind of file one that a release can depend on.
_DELIVERED = (
    "nova.toml",
    "app.py",
    "package-lock.json",
    "requirements.txt",
    "nova_infra/app.py",
    "services/{}/Dockerfile",
    "services/{}/src/main.py",
    "services/{}/src/handbook.md",
)


def weaknesses(parts: ValidParts) -> Iterator[str]:
    """Every weakness, as the key's path, what is wrong and what to do."""
    toolchain, source, images = parts.toolchain, parts.source, parts.images
    environments, services = parts.environments, parts.services
    for index, environment in environments.items():
        if environment.approval and index:  # on the first one it is refused anyway
            yield from _unprotected(f"environments[{index}]", environment)
            earlier = {each.account: each.name for place, each in environments.items() if place < index}
            if toolchain is not None:
                earlier.setdefault(toolchain.account, "the toolchain")
            yield from _shared(f"environments[{index}]", environment, earlier)
    for index, service in services.items():
        for key, variables in variables_of(service):
            yield from in_variables(f"services[{index}].{key}", variables)
        yield from (f"services[{index}].{fault}" for fault in (*in_commands(service), *powers(service)))
    if images is not None:
        yield from in_variables("images.build_arguments", images.build_arguments)
    if toolchain is not None and source is not None:
        yield from _lent(source, toolchain, environments)
    if source is not None:
        yield from _ignored(source, [service.name for service in services.values()] or ["service"])


def _unprotected(key: str, environment: Environment) -> Iterator[str]:
    if environment.allow_plain_http:
        yield (
            f"{key}.allow_plain_http: true lets anyone in between read and change what the users of an approved "
            'environment send: write domain = { name = "…", zone_id = "Z…" } instead'
        )
    if environment.exec and not environment.waf:
        yield (
            f"{key}.exec: true gives an approved environment shells and writable file systems, without a firewall: "
            "remove it, or write waf = true"
        )


def _shared(key: str, environment: Environment, earlier: Mapping[str, str]) -> Iterator[str]:
    other = earlier.get(environment.account)
    if other is not None and environment.shared_account is None:
        yield (
            f"{key}.account: {environment.account!r} is also that of {other}, and anyone who can deploy there "
            'could deploy here without the approval: use an account of its own, or say why not: shared_account = "…"'
        )
    if other is None and environment.shared_account is not None:
        yield f"{key}.shared_account: has no effect, because no earlier environment shares the account: remove it"


def _lent(source: Source, toolchain: Toolchain, environments: Mapping[int, Environment]) -> Iterator[str]:
    arn = source.connection_arn or ""
    owner = arn.split(":")[4] if arn else toolchain.account
    approved = (each.name for each in environments.values() if each.approval and each.account == owner)
    if owner != toolchain.account and (name := next(approved, None)):
        yield (
            f"source.connection_arn: {arn!r} is in the account of {name}, and steps before its approval would use it: "
            f"create one in {toolchain.account}, the toolchain's account, and write its ARN"
        )


def _ignored(source: Source, services: list[str]) -> Iterator[str]:
    for index, pattern in enumerate(source.ignore_paths):
        at = f"source.ignore_paths[{index}]: {pattern!r}"
        try:
            matches = re.compile(_as_regex(pattern))
        except re.error:
            yield f"{at} has brackets that name no characters: name only what no release depends on, as in docs/**"
            continue
        files = (path.format(service) for path in _DELIVERED for service in services)
        if file := next(filter(matches.fullmatch, files), None):
            yield (
                f"{at} also matches {file}, so that a push which changes it "
                "would not be delivered: name only what no release depends on, as in docs/**"
            )


def _as_regex(pattern: str) -> str:
    """A pattern of paths as a regular expression; ``**`` crosses directories (CodePipeline: syntax-glob)."""
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}
    # Groups cannot be nested; what is left open stands for itself.
    groups = re.fullmatch(r"[^{}]*(\{[^{}]*\}[^{}]*)*", pattern) is not None
    found, inside = [], False
    for part in re.findall(r"\*\*/?|\\.|\[[^\]/]+\]|.", pattern, re.DOTALL):
        inside = groups and (part == "{" or (inside and part != "}"))
        if len(part) == 2 and part[0] == "\\":
            found.append(re.escape(part[1]))
        elif len(part) > 2 and part[0] == "[":
            found.append(_set(part[1:-1]))
        elif part == "," and inside:
            found.append("|")
        else:
            found.append(tokens[part] if part in tokens and (groups or part not in "{}") else re.escape(part))
    return "".join(found)


def _set(characters: str) -> str:
    """One character of a set, or with ``!`` of all others, but no slash."""
    others = characters.startswith("!") and len(characters) > 1
    named = re.sub(r"([\\\[\]^&~|])", r"\\\1", characters.removeprefix("!") if others else characters)
    return f"(?!/)[{'^' if others else ''}{named}]"


_OVER_OTHERS = ("iam", "sts", "organizations", "sso", "sso-admin")
_OPENS = ("kms:creategrant", "kms:putkeypolicy", "secretsmanager:putresourcepolicy")
"""Lets anybody use what protects everything else."""
_READS = re.compile(r"(get|list|simulate|generate|describe|decode)[\w*?]*", re.IGNORECASE)
# The roles that deploy an account, and where an environment's releases, holds and waivers are recorded.
_BOOTSTRAP = re.compile(r":role/(\*|cdk-)")
_LEDGER = re.compile(r":parameter/([^/]+/[^/]+/)?(\*|release|rollback|hold/|accepted/)")
_WRITES = re.compile(r"(put|delete|label|unlabel|\*)[\w*?]*", re.IGNORECASE)


def powers(service: Service) -> Iterator[str]:
    """Each permission of a service that is one over others, as the key below the service."""
    yield from _of("permissions", service.permissions)
    for name, overrides in service.environments.items():
        yield from _of(f"environments.{name}.permissions", overrides.permissions or ())


def _of(key: str, permissions: tuple[Permission, ...]) -> Iterator[str]:
    for number, permission in enumerate(permissions):
        for place, action in enumerate(permission.actions):
            owner, _, name = action.lower().partition(":")
            at = f"{key}[{number}].actions[{place}]: {action!r}"
            over_others = action == "*" or (owner in _OVER_OTHERS and not _READS.fullmatch(name))
            wide = next((each for each in permission.resources if re.search(r"^\*|/\*$|:\*$", each)), None)
            if over_others and ("*" in action or "?" in action or wide is not None):
                where = "" if wide is None else f" on {wide}"
                yield (
                    f"{at}{where} lets the service give itself any permission: name one action and one role, "
                    "as in sts:AssumeRole on arn:aws:iam::{account}:role/reports"
                )
            elif wide is not None and any(fnmatchcase(each, action.lower()) for each in _OPENS):
                yield (
                    f"{at} on {wide} lets the service open all of them to anybody: list the actions that it needs, as "
                    "in kms:Decrypt"
                )
            elif over_others and any(_BOOTSTRAP.search(each) for each in permission.resources):
                yield f"{at} on a role of CDK's bootstrap lets the service deploy anything: remove it"
            elif owner == "ssm" and _WRITES.fullmatch(name) and any(map(_LEDGER.search, permission.resources)):
                yield (
                    f"{at} reaches the ledger, holds and waivers of an environment: "
                    "name the service's own parameters, which are below another path"
                )
