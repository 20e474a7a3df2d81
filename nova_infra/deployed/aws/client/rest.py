"""Finds the AWS operation for an HTTP method and path, from botocore's models."""

import re
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.exceptions
import botocore.loaders

# Where botocore's name of a service is not the one that requests to it are signed for.
_MODELS = {
    "ses": "sesv2",
    "email": "sesv2",
    "bedrock": "bedrock-runtime",
    "appconfig": "appconfigdata",
    "execute-api": "",
}


def rest_operation(service: str, method: str, path: str) -> tuple[str, dict[str, str]]:
    """Name of the operation and what its path holds; an empty name where it is not known.

    Args:
        service: What the request was signed for.
    """
    if named := re.fullmatch(
        r"/service/[^/]+/operation/(\w+)", path
    ):  # https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
        return named[1], {}
    for verb, pattern, name in _operations(_MODELS.get(service, service)):
        if verb == method and (found := pattern.fullmatch(path)):
            return name, {key: unquote(value) for key, value in found.groupdict().items()}
    return "", {}


@cache
def _operations(name: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of each operation, the paths with the most fixed text first."""
    try:
        model: dict[str, Any] = botocore.loaders.create_loader().load_service_model(name, "service-2")
    except (botocore.exceptions.DataNotFoundError, botocore.exceptions.UnknownServiceError):
        return []
    found = [
        (str(each["http"]["method"]), str(each["http"]["requestUri"]).partition("?")[0], operation)
        for operation, each in model["operations"].items()
    ]
    found.sort(key=lambda each: -len(re.sub(r"\{[^}]*\}", "", each[1])))
    return [(method, _pattern(uri), operation) for method, uri, operation in found]


def _pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", uri.rstrip("/") or "/")
    texts = [
        re.escape(part)
        if at % 2 == 0
        else f"(?P<{re.sub(r'[^A-Za-z0-9_]', '_', part.rstrip('+'))}>{'.+' if part.endswith('+') else '[^/]+'})"
        for at, part in enumerate(parts)
    ]
    return re.compile("".join(texts) + "/?")
