"""Decides what a ``.dockerignore`` excludes from a build context.

The rules are those of Docker's own matcher, which are not git's: a pattern is anchored to the context's root, ``*``
stays within a name, a pattern that matches a directory covers what is in it, and the last pattern that matches decides.
https://docs.docker.com/build/concepts/context/#dockerignore-files
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TOKENS = re.compile(r"\*\*/?|\*|\?|\[(?:\\.|[^]\\])*\]|\\.|.", re.DOTALL)


@dataclass(frozen=True)
class DockerIgnore:
    """The patterns of one file, in their order.

    Attributes:
        patterns: Each pattern as an expression over a path and its parents, and whether it takes the path in again.
    """

    patterns: tuple[tuple[re.Pattern[str], bool], ...]

    @classmethod
    def parse(cls, text: str) -> DockerIgnore:
        """The patterns that a file's text states.

        Raises:
            ValueError: Docker refuses one of them; the message names its line, the fault and the remedy.
        """
        return cls(tuple(_patterns(text.splitlines())))

    def ignores(self, path: str) -> bool:
        """Whether a file is kept out.

        Args:
            path: Relative to the context, with slashes.
        """
        ignored = False
        for expression, takes_in in self.patterns:
            if ignored == takes_in and expression.match(path):
                ignored = not takes_in
        return ignored


def _patterns(lines: Iterable[str]) -> Iterator[tuple[re.Pattern[str], bool]]:
    for number, line in enumerate(lines, start=1):
        pattern = line.strip()
        if not pattern or line.startswith("#"):
            continue
        takes_in = pattern.startswith("!")
        wanted = pattern.removeprefix("!").strip()
        cleaned = posixpath.normpath(wanted).lstrip("/")
        try:
            # A path matches by itself or by one of its parents.
            yield re.compile(f"{_expression(cleaned)}(?:/.*)?\\Z", re.DOTALL), takes_in
        except re.error:
            wanted = ""
        if not wanted or {"[", "[]"} & set(_TOKENS.findall(cleaned)):
            raise ValueError(f"line {number} has {pattern!r}, which Docker does not take as a pattern: correct it")


def _expression(pattern: str) -> str:
    parts: list[str] = []
    for token in _TOKENS.findall(pattern):
        match token:
            case "**/":
                parts.append("(?:.*/)?")
            case "**":
                parts.append(".*")
            case "*":
                parts.append("[^/]*")
            case "?":
                parts.append("[^/]")
            case _ if token.startswith("[") and len(token) > 2:
                parts.append("[" + token[1:].replace("[", "\\[").replace("!", "^", 1 if token[1] == "!" else 0))
            case _ if token.startswith("\\"):
                parts.append(re.escape(token[1:]))
            case _:
                parts.append(re.escape(token))
    return "".join(parts)
