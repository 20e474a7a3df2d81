"""Generates requests from a service's OpenAPI document; `environment/request_mix` notes unreadable ones."""

import functools
import json
import logging
import re
from datetime import date
from typing import Any

from nova_infra.documents.yamls import compose, is_boundless, values
from nova_infra.rehearsal.requests.sample import SampleRequest

DOCUMENTS = (
    "openapi.json",
    "swagger.json",
    "api-docs",
    "v3/api-docs",
    "swagger/v1/swagger.json",
    "openapi.yaml",
    "docs/openapi.json",
)
"""Where frameworks serve it, below the root or below a service's own path."""

_MOST_OPERATIONS = 200
_SAYS_VERSION = re.compile(r"^\W*(openapi|swagger)[\"']?\s*:", re.MULTILINE)
_BEGINNING = 2000
_ADDED = frozenset(["user-agent", "accept-encoding", "connection", "content-length", "x-schemathesis-testcaseid"])


def read_document(text: str) -> dict[str, Any] | None:
    """The OpenAPI document in a text, JSON or YAML; None where there is none."""
    import yaml

    try:
        if text.lstrip()[:1] == "{":
            content = json.loads(text)
        elif is_boundless(root := compose(text)):
            return None
        else:
            content = values(root)
    except (ValueError, yaml.YAMLError, RecursionError):
        return None
    if not isinstance(content, dict) or not ({"openapi", "swagger"} & content.keys()) or "paths" not in content:
        return None
    return content


def looks_like_one(text: str) -> bool:
    """Whether a text that cannot be read was meant as an OpenAPI document, such as one that is cut off."""
    return read_document(text) is None and _SAYS_VERSION.search(text[:_BEGINNING]) is not None


@functools.lru_cache(maxsize=128)  # Each environment's tasks, old and new, have the same one as a rule.
def operations_of(text: str, *, anywhere: bool = False) -> tuple[tuple[SampleRequest, ...], tuple[str, ...]]:
    """As :func:`read_operations`, of a document's text.

    Args:
        anywhere: Whether the place that the document names does not count: some name one that users do not ask for.
    """
    document = read_document(text) or {}
    samples, left_out = read_operations({**document, "servers": [], "basePath": "/"} if anywhere else document)
    return tuple(samples), tuple(left_out)


def read_operations(document: dict[str, Any]) -> tuple[list[SampleRequest], list[str]]:
    """A request for each operation of a document, the same ones in every rehearsal.

    Examples of the document are preferred to values that are made up. Takes seconds for a large document.

    Returns:
        The requests, and what no request can be made for, in clauses.
    """
    import schemathesis

    document, elsewhere = _within(document)
    logging.getLogger("schemathesis").setLevel(logging.ERROR)
    try:
        schema = schemathesis.openapi.from_dict(document)
        results = list(schema.get_all_operations())
    except Exception as error:  # the library has no base class for what is wrong with a document
        return [], [f"its OpenAPI document cannot be read ({_first_line(error)})"]
    samples: list[SampleRequest] = []
    left_out = [f"{each}, which its OpenAPI document refers to outside of itself" for each in elsewhere]
    left_out += [f"{len(results) - _MOST_OPERATIONS} more operations"] if len(results) > _MOST_OPERATIONS else []
    for result in results[:_MOST_OPERATIONS]:
        try:
            if (fault := getattr(result, "err", None)) is not None:
                raise fault()
            operation = result.ok()
            samples.append(_sample(operation, (schema.base_path or "").rstrip("/")))
        except Exception as error:  # the library has no base class for what is wrong with a document
            name = getattr(error, "label", None) or getattr(error, "path", None) or "an operation"
            left_out.append(f"{name} ({_first_line(error)})")
    return samples, left_out


def _within(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A document in JSON's terms, without references to other files or hosts, which may answer never, and those."""
    elsewhere: dict[str, None] = {}

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(to := value.get("$ref"), str) and not to.startswith("#"):
                elsewhere[to] = None
                return {}
            return {key: kept(each) for key, each in value.items()}
        if isinstance(value, list):
            return [kept(each) for each in value]
        return value.isoformat() if isinstance(value, date) else value  # as YAML has examples without quotes

    try:
        return kept(document), list(elsewhere)
    except RecursionError:
        return {**document, "paths": {}}, ["what is nested too deeply"]


def _sample(operation: Any, base: str) -> SampleRequest:
    import requests
    from hypothesis import HealthCheck, Phase, given, settings

    examples = operation.get_strategies_from_examples()
    cases: list[Any] = []

    @settings(
        max_examples=1,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(examples[0] if examples else operation.as_strategy())
    def draw(case: Any) -> None:
        cases.append(case)

    draw()
    made = requests.Request(**cases[0].as_transport_kwargs(base_url=f"http://service{base}")).prepare()
    body = made.body or b""
    return SampleRequest(
        operation=f"{operation.method.upper()} {base}{operation.path}",
        method=str(made.method),
        path=made.path_url,
        headers=tuple((k, str(v)) for k, v in made.headers.items() if k.lower() not in _ADDED),
        body=body.encode() if isinstance(body, str) else bytes(body),  # type: ignore[arg-type]
        origin="document",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
