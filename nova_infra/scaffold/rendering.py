"""Fills in the templates of files, in delimiters that neither YAML, TOML nor GitHub's expressions use."""

import json
import re
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def render(template: str, values: Mapping[str, object]) -> str:
    """A template's text."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(__package__, ""),
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 not HTML: the filter quotes YAML, and values have been validated
    )
    made.filters["yaml"] = _yaml
    return made


def _yaml(value: object) -> str:
    """A value as YAML in one line, quoted where YAML would take it for something else, such as ``on`` or ``1.0``."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    text = str(value)
    plain = re.fullmatch(r"[a-z][a-z0-9/-]*", text) and text not in _YAML_WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
