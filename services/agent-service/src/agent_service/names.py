"""Which services stand beside the agent: configuration, so that each may be renamed, replaced or left out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nova_kit.settings import SettingsError


@dataclass(frozen=True, kw_only=True)
class SiblingNames:
    """Name of the service that does each kind of work; None where none is configured.

    Attributes:
        sound: Takes `POST /<name>/analyze`. Variable: `SOUND_SERVICE`.
        video: Takes `POST /<name>/probe` and `POST /<name>/thumbnail`. Variable: `VIDEO_SERVICE`.
        search: Takes `POST /<name>/rank`. Variable: `SEARCH_SERVICE`.
    """

    sound: str | None = None
    video: str | None = None
    search: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> SiblingNames:
        """Read the names; a variable that is unset or empty configures none.

        Args:
            environment: Where to read from.

        Raises:
            SettingsError: A variable is not the name of a service.
        """
        return cls(
            sound=_name(environment, "SOUND_SERVICE"),
            video=_name(environment, "VIDEO_SERVICE"),
            search=_name(environment, "SEARCH_SERVICE"),
        )


def _name(environment: Mapping[str, str], variable: str) -> str | None:
    name = environment.get(variable) or None
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise SettingsError(f"{variable}={name!r} is not the name of a service: lower case letters, digits and dashes")
    return name
