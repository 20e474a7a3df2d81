"""The project as `make emulate` deploys it: with a service of each kind."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from nova_infra.config import Config, Service
from nova_infra.config.services.worker import Queue
from nova_infra.machine import tools


def with_every_kind(config: Config) -> Config:
    """The configuration with a service of each kind: what it lacks is added, of a ready image."""
    image = f"public.ecr.aws/docker/library/busybox:1@sha256:{'0' * 64}"
    keys: dict[str, dict[str, Any]] = {
        "worker": {"queue": Queue()},
        "job": {"command": ("true",), "schedule": "0 3 * * *"},
    }
    lacking = keys.keys() - {service.kind for service in config.services}
    added = [
        Service.model_validate({"name": f"emulated-{kind}", "kind": kind, "image": image, **keys[kind]})
        for kind in sorted(lacking)
    ]
    return config.model_copy(update={"services": (*config.services, *added)})


def by_each_engine(config: Config) -> list[Config]:
    """The configuration, and as GitHub Actions delivers it where it has a pipeline.

    The other way round there is nothing to play: a pipeline needs a connection to the repository.
    """
    if config.delivery.engine == "github-actions":
        return [config]
    delivery = config.delivery.model_copy(update={"engine": "github-actions"})
    return [config, config.model_copy(update={"delivery": delivery})]


def synthesize(config: Config, directory: Path) -> None:
    """Write the cloud assembly of a configuration."""
    tools.prepare_node(os.environ)
    from nova_infra.app import build_app

    with contextlib.redirect_stdout(sys.stderr):
        build_app(config, root=Path.cwd(), outdir=directory).synth()
