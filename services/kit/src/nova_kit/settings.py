"""The environment variables a service understands."""

from __future__ import annotations

import os
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(ValueError):
    """An environment variable has a value that cannot be used."""


_Address = Annotated[str, BeforeValidator(lambda value: value.rstrip("/") if isinstance(value, str) else value)]


class Settings(BaseSettings):
    """How one process of a service runs. A variable that is unset or empty keeps its default.

    Attributes:
        service: Name in logs, metrics and the version document. Default: the name the service gives itself.
        release: Tag of the image that runs. Default: `dev`.
        host: Address to listen on. Default: all of them, as a container needs.
        port: TCP port to listen on. Default: 8080.
        api_url: Base URL under which the environment's services reach each other. Default: none.
        stop_timeout: Seconds between SIGTERM and the end of the process at the latest. Default: 30, as in ECS.
        metadata_url: Base URL of the ECS task metadata endpoint, version 4. Default: none, as outside ECS.
        collector_url: Where traces and metrics go, by OTLP over HTTP. Default: none; metrics go into the log.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        env_ignore_empty=True,
        extra="ignore",
        # A field's own name would count as a variable, too, and RELEASE is one that others use.
        case_sensitive=True,
        env_prefix="NOVA_SETTING_",
    )

    service: str = Field(validation_alias="NOVA_SERVICE")
    release: str = Field(default="dev", validation_alias="NOVA_RELEASE")
    host: str = Field(default="0.0.0.0", validation_alias="HOST")  # noqa: S104 - reached from outside
    port: int = Field(default=8080, gt=0, le=65535, validation_alias="PORT")
    api_url: _Address | None = Field(default=None, validation_alias="NOVA_API_URL")
    stop_timeout: float = Field(default=30.0, gt=0, le=3600, allow_inf_nan=False, validation_alias="STOP_TIMEOUT")
    metadata_url: str | None = Field(default=None, validation_alias="ECS_CONTAINER_METADATA_URI_V4")
    collector_url: str | None = Field(
        default=None, pattern=r"^https?://\S+$", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )

    @classmethod
    def from_environment(cls, service: str) -> Self:
        """Read the settings.

        Args:
            service: The name the service gives itself.

        Raises:
            SettingsError: A variable has a value that cannot be used.
        """
        try:
            return cls(service=os.environ.get("NOVA_SERVICE") or service)
        except ValidationError as error:
            [fault, *_] = error.errors(include_url=False)
            said = fault["msg"][:1].lower() + fault["msg"][1:]
            raise SettingsError(f"{fault['loc'][0]}={fault['input']!r}: {said}") from None
