"""Refuses permissions that would give a service the power of a deployment."""

import re
from collections.abc import Iterator

from nova_infra.config.services.service import Service
from nova_infra.config.services.surroundings import Permission

_OVER_OTHERS = ("iam", "sts", "organizations", "sso", "sso-admin")
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
            elif over_others and any(_BOOTSTRAP.search(each) for each in permission.resources):
                yield f"{at} on a role of CDK's bootstrap lets the service deploy anything: remove it"
            elif owner == "ssm" and _WRITES.fullmatch(name) and any(map(_LEDGER.search, permission.resources)):
                yield (
                    f"{at} reaches the ledger, holds and waivers of an environment: "
                    "name the service's own parameters, which are below another path"
                )
