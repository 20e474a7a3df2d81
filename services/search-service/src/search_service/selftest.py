"""One true call: of two documents, the one that answers the question is found."""

from __future__ import annotations

from starlette.types import ASGIApp

from nova_kit.selftest import SelftestError, post_json

_DOCUMENTS = (
    {"id": "lake", "text": "A boat crosses the lake."},
    {"id": "hill", "text": "A tower stands on the hill."},
)


async def selftest(app: ASGIApp) -> None:
    """Rank two documents.

    Raises:
        SelftestError: The right one is not the only one found.
    """
    answer = await post_json(app, "/search-service/rank", {"query": "Towers", "documents": _DOCUMENTS})
    answer.require(searched=len(_DOCUMENTS))
    if (found := [hit["id"] for hit in answer.document["hits"]]) != ["hill"]:
        raise SelftestError(f"{answer.call} found {found} where ['hill'] is right")
