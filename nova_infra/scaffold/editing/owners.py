"""Changes the lines of CODEOWNERS that are about one service."""

import re

CODEOWNERS = ".github/CODEOWNERS"


def without_service(text: str, name: str) -> str:
    """CODEOWNERS without the lines about a service."""
    return "".join(line for line in text.splitlines(keepends=True) if not _about(name).match(line))


def with_renamed_service(text: str, old: str, new: str) -> str:
    """CODEOWNERS with another name for a service; the owners stay in their column where there is room."""

    def renamed(line: str) -> str:
        found = _about(old).match(line)
        if found is None:
            return line
        pattern = f"{found[1]}{new}{found[2]}"
        return f"{pattern}{' ' * max(1, len(found[0]) - len(pattern))}{line[found.end(3) :]}"

    return "".join(map(renamed, text.splitlines(keepends=True)))


def _about(name: str) -> re.Pattern[str]:
    return re.compile(rf"(/?services/){re.escape(name)}(?=[/\s])(\S*)([ \t]*)")
