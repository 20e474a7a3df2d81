"""Reads YAML that may be anybody's: nested too deeply, or with aliases that repeat each other without end."""

from typing import Any

MOST_VALUES = 100_000
_MOST_LEVELS = 250


def safe_loader() -> Any:
    """The loader of libyaml, which is ten times as fast, where PyYAML has it."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(text: str, loader: Any = None) -> Any:
    """A document's nodes; None for an empty document.

    Raises:
        RecursionError: It is nested too deeply. libyaml would go on until its stack ends, and Python with it.
        yaml.YAMLError: It is not YAML.
    """
    import yaml

    loader, levels = loader or safe_loader(), 0
    for event in yaml.parse(text, loader):
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if levels > _MOST_LEVELS:
            raise RecursionError(f"it has more than {_MOST_LEVELS} levels")
    return yaml.compose(text, loader)


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
