"""Two true calls, in English and in Japanese: of two documents, the one that answers the question is found."""

from __future__ import annotations

from starlette.types import ASGIApp

from nova_kit.selftest import SelftestError, post_json

_DOCUMENTS = (
    {"id": "lake", "text": "A boat crosses the lake. 東京都の湖"},
    {"id": "hill", "text": "A tower stands on the hill. 京都の塔"},
)


async def selftest(app: ASGIApp) -> None:
    """Rank two documents, which loads the dictionary.

    Raises:
        SelftestError: The right one is not the only one found.
    """
    for query in ("Towers", "京都"):
        answer = await post_json(app, "/search-service/rank", {"query": query, "documents": _DOCUMENTS})
        answer.require(searched=len(_DOCUMENTS))
        if (found := [hit["id"] for hit in answer.document["hits"]]) != ["hill"]:
            raise SelftestError(f"{answer.call} found {found} where ['hill'] is right")
