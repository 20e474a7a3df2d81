"""What stands below each key in ``nova_infra/config/``, as the descriptions of pydantic's fields.

pydantic can read them itself as it makes each model, which takes a quarter of the time of every command. Only the pages
and editors need them.
"""

import ast
import functools
import inspect
import textwrap
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel


def describe(model: type[BaseModel]) -> None:
    """Give every key of a model, and of the tables in it, what stands below it as its description."""
    for field in model.model_fields.values():
        for inner in models(field.annotation):
            describe(inner)
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            for name, text in _below(base).items():
                model.model_fields[name].description = text or None
    model.model_rebuild(force=True)


def models(annotation: Any) -> list[type[BaseModel]]:
    """The tables that a key may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in models(inner)]


@functools.cache
def _below(model: type[BaseModel]) -> dict[str, str]:
    found = {}
    [table] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(table, ast.ClassDef), "a model is a class"
    for key, text in pairwise([*table.body, ast.Pass()]):
        match key, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                found[name] = inspect.cleandoc(said)
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                found[name] = ""  # not what stands below it in the model that it comes from
    return found
