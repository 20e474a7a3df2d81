"""Normalizes a request's path before `routing` compares listener rules with it.

A load balancer evaluates rules "only after URI normalization occurs" (Path conditions in
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html). AWS does not say which
normalization that is; here it is the one of RFC 3986, sections 5.2.4 and 6.2.2.
"""

import re

_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")


def normalized(target: str) -> str:
    """The path of a request's target in its plainest form.

    Args:
        target: As it was sent: a path, or a whole address, each with or without a query.

    Returns:
        The path without its query: letters, digits and ``-._~`` are not escaped, other escapes have capital letters,
        and no segment is ``.`` or ``..``.
    """
    path = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "", target).partition("?")[0].partition("#")[0]
    return _without_dots(_ESCAPE.sub(_plainest, path)) or "/"


def _plainest(match: re.Match[str]) -> str:
    letter = chr(int(match.group(1), 16))
    return letter if _UNRESERVED.fullmatch(letter) else match.group(0).upper()


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == ".." and kept:
            kept.pop()
        if segment not in (".", ".."):
            kept.append(segment)
        elif last:
            kept.append("")
    return "/" + "/".join(kept) if segments else ""
