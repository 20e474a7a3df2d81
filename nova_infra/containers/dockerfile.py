"""Reads the entry point and command that a Dockerfile sets, for machines without an engine."""

import json
import re
from pathlib import Path

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)


def program_of(dockerfile: Path) -> tuple[str, ...]:
    """Its entry point and command, of the last stage; empty where it names neither."""
    text = dockerfile.read_text(encoding="utf-8", errors="replace")
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    lines = (line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#"))
    for instruction in filter(None, map(_INSTRUCTION.fullmatch, lines)):
        match instruction.group(1).upper():
            case "FROM":
                entry_point, command = (), ()
            case "ENTRYPOINT":
                entry_point, command = _words(instruction.group(2)), ()
            case "CMD":
                command = _words(instruction.group(2))
    return (*entry_point, *command)


def _words(text: str) -> tuple[str, ...]:
    """The words of an instruction: a list as it is, anything else a line for the shell."""
    try:
        words = json.loads(text)
        if isinstance(words, list):
            return tuple(map(str, words))
    except ValueError:
        pass
    return ("/bin/sh", "-c", text.strip())
