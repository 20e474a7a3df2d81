"""Which actions IAM knows: a typo in a permission would otherwise show as a refusal at run time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import resources

from nova_infra.config.services.surroundings import Permission


@cache
def known_actions() -> Mapping[str, frozenset[str]]:
    """Each service's prefix to its actions, in lower case, because IAM compares them so."""
    text = (resources.files("nova_infra.config.values") / "iam_actions.txt").read_text(encoding="utf-8")
    return {prefix: frozenset(actions) for prefix, *actions in map(str.split, text.splitlines())}


def misspelt(permission: Permission) -> Iterator[str]:
    """What of a permission IAM does not know: each as the value, the fault and the remedy."""
    known = known_actions()
    for action in permission.actions:
        service, _, name = action.lower().partition(":")
        if action == "*":
            continue
        if service not in known:
            yield f"{action!r}: {service} is not a service of IAM: {_instead(service, known)}"
        elif not any(re.fullmatch(_pattern(name), each) for each in known[service]):
            yield f"{action!r}: is not an action of {service}: {_instead(name, known[service], f'{service}:')}"
    for arn in permission.resources:
        service = arn.split(":")[2] if arn != "*" else ""
        if service and service not in known:
            yield f"{arn!r}: {service} is not a service of IAM: {_instead(service, known)}"


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\*", ".*").replace(r"\?", ".")


def _instead(word: str, choices: Mapping[str, object] | frozenset[str], prefix: str = "") -> str:
    close = get_close_matches(word, sorted(choices), n=1, cutoff=0.6)
    return f"did you mean {prefix}{close[0]}?" if close else "correct its spelling"
