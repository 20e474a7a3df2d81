"""Ranks documents with BM25."""

from __future__ import annotations

import heapq
import math
from collections import Counter

from nova_kit.problems import Problem
from nova_kit.workers import Deadline
from search_service.models import Document, Hit, Query, Ranking
from search_service.query import Wanted
from search_service.snippets import snippet
from search_service.text import normalize

# Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with the usual parameters.
_SATURATION = 1.5
_LENGTH_SHARE = 0.75

# Of what a match that knows no words is worth, beside one that does.
_WEAK = 0.5


def rank(query: Query, deadline: Deadline) -> Ranking:
    """Rank a query's documents.

    Only the query's own words are counted in the documents: to take all of them apart for one query would take longer.

    Args:
        query: What to look for, and where.
        deadline: Asked in every phase.

    Raises:
        Problem: 422, the query has no word in it, or two documents have the same id.
    """
    identifiers = _identifiers(query.documents)
    texts = []
    for document in query.documents:
        deadline.check()
        texts.append(normalize(f"{document.title}\n{document.text}" if document.title else document.text))
    wanted = Wanted(normalize(query.query), texts)
    if not wanted.terms:
        raise Problem(422, "The query has no word in it. Use letters or digits.")
    counts = []
    for text in texts:
        deadline.check()
        counts.append(Counter(span.term for span in wanted.find(text, deadline)))
    scores = _scores(counts, [len(text) for text in texts], wanted)
    # Equal scores keep the order in which the documents were posted.
    best = heapq.nsmallest(query.limit, scores, key=lambda position: (-scores[position], position))
    hits = []
    for position in best:
        deadline.check()
        document = query.documents[position]
        part, highlights = snippet(document.text, wanted, deadline)
        hits.append(
            Hit(
                id=identifiers[position],
                title=document.title,
                score=round(scores[position], 4),
                snippet=part,
                highlights=highlights,
            )
        )
    return Ranking(query=query.query, searched=len(texts), hits=hits)


def _scores(counts: list[Counter[int]], lengths: list[int], wanted: Wanted) -> dict[int, float]:
    """Return the score of every document that has any of the words."""
    having = Counter(term for found in counts for term in found)
    average = sum(lengths) / len(lengths) or 1.0
    rarity = {
        term: math.log(1 + (len(counts) - number + 0.5) / (number + 0.5)) * (_WEAK if term in wanted.weak else 1)
        for term, number in having.items()
    }
    scores = {}
    for position, (found, length) in enumerate(zip(counts, lengths, strict=True)):
        if found:
            norm = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length / average)
            scores[position] = sum(rarity[term] * count / (count + norm) for term, count in found.items())
    return scores


def _identifiers(documents: list[Document]) -> list[str]:
    """Return the documents' ids; a hit is known by nothing else."""
    places: dict[str, int] = {}
    for position, document in enumerate(documents):
        identifier = document.id if document.id is not None else str(position)
        if identifier in places:
            field = f"body.documents.{position}.id"
            detail = f"{identifier!r} is the id of document {places[identifier]} as well"
            raise Problem(
                422,
                f"The request cannot be used: {field}: {detail}. Give each document an id of its own.",
                errors=[{"field": field, "detail": detail}],
            )
        places[identifier] = position
    return list(places)
