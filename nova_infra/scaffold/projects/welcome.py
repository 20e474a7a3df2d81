"""The text for a new project: what it is, how to try it, what it still needs for AWS."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from nova_infra.config import Config
from nova_infra.scaffold.projects.answers import ACCOUNTS
from nova_infra.scaffold.projects.project import is_committed


def welcome(config: Config, target: Path, *, in_place: bool) -> Iterator[str]:
    """What to say once a project has been written, line by line."""
    names = ", ".join(service.name for service in config.services)
    path = " → ".join(environment.name for environment in config.environments)
    yield f"{config.platform.name} is in {target}: {path}, by {config.delivery.engine}, with {names}."
    yield "Try it; no AWS account is needed:"
    if not in_place:
        yield f"  cd {shlex.quote(os.path.relpath(target))}"
    if not is_committed(target):
        yield f"  git add --all && git commit --message 'Start {config.platform.name} from Nova'"
    yield "  make test"
    yield "  make rehearse"
    yield "Before it goes to AWS:"
    placeholders = [
        place
        for place, account in [
            ("toolchain", config.toolchain.account),
            *((environment.name, environment.account) for environment in config.environments),
        ]
        if account == ACCOUNTS.get(place)
    ]
    if placeholders:
        yield f"  nova.toml           the accounts of {', '.join(placeholders)} are placeholders"
    yield "  nova.toml           what is marked TODO: domains, who is notified" + (
        ", the connection to GitHub" if config.delivery.engine == "codepipeline" else ""
    )
    owner = config.source.repository.partition("/")[0]
    yield f"  .github/CODEOWNERS  @{owner}/platform has to exist on GitHub, or name others there"
    yield "  services/           each counts words so far; `.venv/bin/nova service add` adds another one"
    yield '  README.md           "Deploying to AWS" has the steps'
