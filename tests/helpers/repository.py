"""Git in tests: by somebody who has a name, whatever this machine knows of its users."""

import subprocess
from pathlib import Path

_SOMEBODY = ("-c", "user.name=Mei", "-c", "user.email=mei@example.com", "-c", "commit.gpgsign=false")


def git(directory: Path, *arguments: str) -> str:
    """What a command of git prints, without the white space around it."""
    command = ["git", *_SOMEBODY, *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
