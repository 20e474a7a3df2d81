"""No test reaches into a private name of another module: what a test needs to know of a module is public there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
_PRIVATE = re.compile(r"_[A-Za-z]\w*")
_PATH = re.compile(r"nova_infra(\.\w+)*\._[A-Za-z]\w*(\.\w+)*")


def private_names(source: str) -> Iterator[str]:
    """The private names of others that a module uses: attributes, imports, and what it patches by name."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name) if _PRIVATE.fullmatch(name):
                yield ast.unparse(node)
            case ast.ImportFrom(names=names):
                yield from (alias.name for alias in names if _PRIVATE.fullmatch(alias.name))
            case ast.Constant(value=str(text)) if _PATH.fullmatch(text):
                yield text
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(text)), *_]) if (
                _PRIVATE.fullmatch(text)
            ):
                yield ast.unparse(node)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("environment._aws.call()", ["environment._aws"]),
        ("from nova_infra.names import _join, role_name", ["_join"]),
        ('patch.setattr("nova_infra.operations.rollback.run._hold", f)', ["nova_infra.operations.rollback.run._hold"]),
        ('patch.setattr(module, "_SECONDS", 1)', ["patch.setattr(module, '_SECONDS', 1)"]),
        ("self._own = module.__name__", []),
        ('patch.setattr(module, "SECONDS", 1)', []),
    ],
)
def test_what_is_private_is_found(source: str, found: list[str]) -> None:
    assert list(private_names(source)) == found


@pytest.mark.exhaustive("test_what_is_private_is_found")
def test_no_test_reaches_into_a_private_name_of_another_module() -> None:
    found = {
        f"{path.relative_to(TESTS)}: {name}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for name in private_names(path.read_text(encoding="utf-8"))
    }
    assert found == set()
