"""Reads the reviewed file of vulnerabilities that are accepted until a date; `scan` compares it with today."""

import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nova_infra.errors import ConfigError, RefusedError
from nova_infra.toml import read_toml

EXCEPTIONS_FILE = "accepted-vulnerabilities.toml"


class Accepted(BaseModel):
    """A vulnerability that somebody has accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(min_length=1)]
    """Such as ``CVE-2026-12345``."""
    reason: Annotated[str, Field(min_length=10)]
    """Why it does no harm, and what will end it."""
    expires: datetime.date
    """The last day on which it is accepted."""
    services: tuple[str, ...] = ()
    """Whose images. Default: every service's."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    accepted: tuple[Accepted, ...] = ()


def read_accepted(root: Path) -> tuple[Accepted, ...]:
    """What has been accepted; nothing where there is no file."""
    try:
        return _File.model_validate(read_toml(root / EXCEPTIONS_FILE)).accepted
    except FileNotFoundError:
        return ()
    except ConfigError as error:
        raise RefusedError(str(error)) from None
    except ValidationError as error:
        raise RefusedError(
            "\n".join(
                f"{EXCEPTIONS_FILE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}: "
                "give every entry an id, a reason and a date in expires; services is optional"
                for fault in error.errors()
            )
        ) from None
