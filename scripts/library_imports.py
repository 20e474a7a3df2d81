"""Prints what the given sources import that is not this project's own: set-up lets mypy read those libraries.

Usage: ``python scripts/library_imports.py PATH...``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def library_imports(sources: list[Path], root: Path) -> list[str]:
    """The statements that import libraries, each once and in order.

    Args:
        sources: Modules, and directories that hold some.
        root: The project's directory. What can be imported from it, or from one of the sources, is its own.
    """
    places = [root, *sources]
    found = {
        (module, statement)
        for source in sources
        for path in ([source] if source.is_file() else source.rglob("*.py"))
        for module, statement in _imports(ast.parse(path.read_bytes()))
    }
    return sorted(statement for module, statement in found if not _is_own(module, places))


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each module that is imported by an absolute name, and a statement that does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, f"import {alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and node.module != "__future__":
            yield from ((node.module, f"from {node.module} import {alias.name}") for alias in node.names)


def _is_own(module: str, places: list[Path]) -> bool:
    top = module.partition(".")[0]
    return any((place / top).is_dir() or (place / f"{top}.py").is_file() for place in places)


if __name__ == "__main__":
    print("\n".join(library_imports([Path(argument) for argument in sys.argv[1:]], ROOT)))
