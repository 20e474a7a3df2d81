"""Reads anybody's YAML: nested too deeply, or with aliases that repeat each other without end."""

import re
from typing import Any

MOST_VALUES = 100_000
_MOST_LEVELS = 250
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
"""How JSON, which is YAML, writes a character beyond the first 65,536: PyYAML makes two halves of it."""


def safe_loader() -> Any:
    """The loader of libyaml, which is faster, where PyYAML has it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(text: str, loader: Any = None) -> Any:
    """A document's nodes; None for an empty document.

    Raises:
        RecursionError: It is nested too deeply. libyaml would go on until its stack ends, and Python with it.
        yaml.YAMLError: It is not YAML.
    """
    import yaml

    loader = loader or safe_loader()
    try:
        return _compose(text, loader)
    except yaml.YAMLError as refused:
        # libyaml refuses some texts that PyYAML itself reads.
        other = type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": loader.yaml_implicit_resolvers})
        try:
            return _compose(_PAIR.sub(_joined, text), other)
        except yaml.YAMLError:
            raise refused from None


def _compose(text: str, loader: Any) -> Any:
    import yaml

    levels = 0
    for event in yaml.parse(text, loader):
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if levels > _MOST_LEVELS:
            raise RecursionError(f"it has more than {_MOST_LEVELS} levels")
    return yaml.compose(text, loader)


def _joined(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08x}"


def values(root: Any, loader: Any = None) -> Any:
    """What a composed document stands for: ask :func:`is_boundless` first."""
    return None if root is None else (loader or safe_loader())("").construct_document(root)


def is_boundless(root: Any) -> bool:
    """Whether a composed document stands for more than :data:`MOST_VALUES` values, or contains itself.

    Args:
        root: What :func:`compose` returns.
    """
    sizes: dict[int, int] = {}
    waiting = [root] if root is not None else []
    while waiting:
        node = waiting[-1]
        inner = _inner(node)
        if id(node) not in sizes:
            sizes[id(node)] = MOST_VALUES + 1  # until it is known: what contains itself stays so
            waiting += [each for each in inner if id(each) not in sizes]
        else:
            waiting.pop()
            sizes[id(node)] = min(1 + sum(sizes[id(each)] for each in inner), MOST_VALUES + 1)
    return root is not None and sizes[id(root)] > MOST_VALUES


def _inner(node: Any) -> list[Any]:
    if node.id == "mapping":
        return [each for pair in node.value for each in pair]
    return list(node.value) if node.id == "sequence" else []
