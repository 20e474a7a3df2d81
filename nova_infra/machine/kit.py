"""Finds the services that are built on ``services/kit``, and so are linted, typed, locked and tested with it.

The others may be in any language and style, with locks and tests of their own: nothing here judges them but a build.
"""

import sys
from pathlib import Path
from typing import Any

from nova_infra.errors import ConfigError
from nova_infra.toml import read_toml

_SHARED = ("kit", "tests")


def on_kit(root: Path) -> set[str]:
    """Names of the services whose entry in ``nova.toml`` says ``kit = true``; none where it cannot be read."""
    try:
        entries: Any = read_toml(root / "nova.toml").get("services", ())
    except (ConfigError, FileNotFoundError):
        return set()
    tables = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {str(table.get("name")) for table in tables if table.get("kit") is True}


def others(root: Path) -> list[str]:
    """Names of the directories in ``services/`` that are not built on the kit, and no part of it."""
    known = {*on_kit(root), *_SHARED}
    found = (path.name for path in (root / "services").glob("*/") if not path.name.startswith((".", "__")))
    return sorted(name for name in found if name not in known)


def main(arguments: list[str], root: Path) -> int:
    """Print the names, one a line, for the Makefile: with ``--others``, of those that are not built on the kit."""
    print(*(others(root) if arguments == ["--others"] else sorted(on_kit(root))), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).parents[2]))
