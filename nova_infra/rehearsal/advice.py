"""What to do next after a rehearsal: commands and places of files, for a project of Nova or any CDK app."""

import shlex
from pathlib import Path

from nova_infra.config import CONFIG_FILE

REQUESTS = "requests.http"
"""File with examples of a service's requests."""
MESSAGES = "messages"
"""Directory with examples of a worker's messages, a file each: what goes into a queue cannot be guessed."""


def to_play(app: str, *options: str) -> str:
    """The command that plays it again.

    Args:
        app: The command that synthesizes somebody's own app; empty for a project of Nova.
        options: What to add, such as ``--real-time``.
    """
    if app:
        return " ".join(["nova rehearse --approve --app", shlex.quote(app), *options])
    return " ".join(["nova rehearse", *options]) if options else "make rehearse"


def to_play_every_drill(app: str) -> str:
    """The command that plays every drill."""
    return to_play(app, "--drill all") if app else "make drills"


def place_of(name: str, *, in_project: bool) -> str:
    """Where examples belong, such as ``requests.http``: with a project's service, or next to an app's cdk.json."""
    return f"services/<name>/{name}" if in_project else f"{name} next to cdk.json"


def is_project(root: Path) -> bool:
    """Whether a directory is a project of Nova."""
    return (root / CONFIG_FILE).is_file()
