"""The environment variables a service understands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one process of a service runs.

    Attributes:
        service: Name in logs, metrics and the version document. Default: the name the service gives itself.
        release: Tag of the image that runs. Default: `dev`.
        host: Address to listen on. Default: all of them, as a container needs.
        port: TCP port to listen on. Default: 8080.
        api_url: Base URL under which the environment's services reach each other. Default: none.
        stop_timeout: Seconds between SIGTERM and the end of the process at the latest. Default: 30, as in ECS.
        metadata_url: Base URL of the ECS task metadata endpoint, version 4. Default: none, as outside ECS.
    """

    service: str
    release: str = "dev"
    host: str = "0.0.0.0"  # noqa: S104 - a container is reached from outside itself
    port: int = 8080
    api_url: str | None = None
    stop_timeout: float = 30.0
    metadata_url: str | None = None

    @classmethod
    def from_environment(cls, service: str, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings; a variable that is unset or empty keeps its default.

        Args:
            service: The name the service gives itself.
            environment: Where to read from.

        Raises:
            SettingsError: A variable is not the number it has to be.
        """
        return cls(
            service=environment.get("NOVA_SERVICE") or service,
            release=environment.get("NOVA_RELEASE") or cls.release,
            host=environment.get("HOST") or cls.host,
            port=int(_number(environment, "PORT", cls.port, highest=65535)),
            api_url=(environment.get("NOVA_API_URL") or "").rstrip("/") or None,
            stop_timeout=_number(environment, "STOP_TIMEOUT", cls.stop_timeout, highest=3600),
            metadata_url=environment.get("ECS_CONTAINER_METADATA_URI_V4") or None,
        )


def _number(environment: Mapping[str, str], name: str, default: float, *, highest: float) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 < value <= highest:
        raise SettingsError(f"{name}={text!r} is not a number above 0 and up to {highest:g}")
    return value
