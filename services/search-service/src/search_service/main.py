"""The search service's HTTP interface."""

from __future__ import annotations

from nova_kit.app import create_app, router
from nova_kit.limits import MIB, Limits
from nova_kit.problems import documented
from nova_kit.workers import Workers
from search_service.models import Query, Ranking
from search_service.ranking import rank
from search_service.selftest import selftest

_workers = Workers(seconds=10)
_routes = router()


@_routes.post("/search-service/rank", tags=["search"], responses=documented(400, 408, 413, 415, 422, 503))
async def rank_documents(query: Query) -> Ranking:
    """Rank documents by how well they answer a query, best first; those that share no word with it are left out."""
    return await _workers.run(lambda deadline: rank(query, deadline))


app = create_app(
    "search-service",
    _routes,
    summary="Ranks posted documents by BM25.",
    limits=Limits(body_bytes=16 * MIB, request_seconds=30),
    selftest=selftest,
)
