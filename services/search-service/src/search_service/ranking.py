"""Ranks documents with BM25."""

from __future__ import annotations

import bm25s
from bm25s.stopwords import STOPWORDS_EN_PLUS

from nova_kit.problems import Problem
from nova_kit.workers import Deadline
from search_service.models import Document, Hit, Query, Ranking
from search_service.snippets import snippet
from search_service.words import words

# In a question typed by a person, words like these would only find what is long.
_STOP_WORDS = frozenset(STOPWORDS_EN_PLUS)


def rank(query: Query, deadline: Deadline) -> Ranking:
    """Rank a query's documents.

    Args:
        query: What to look for, and where.
        deadline: Asked before every document.

    Raises:
        Problem: 422, the query has no word in it.
    """
    wanted = _wanted(query.query)
    corpus = []
    for document in query.documents:
        deadline.check()
        corpus.append([word.key for word in words(_whole(document))])
    if all(set(wanted).isdisjoint(tokens) for tokens in corpus):
        return Ranking(query=query.query, searched=len(corpus), hits=[])
    index = bm25s.BM25(method="lucene")
    index.index(corpus, show_progress=False)
    scores = index.get_scores(wanted)
    # Equal scores keep the order in which the documents were posted.
    best = sorted((position for position, score in enumerate(scores) if score > 0), key=lambda at: -scores[at])
    hits = [
        _hit(query.documents[position], position, float(scores[position]), frozenset(wanted))
        for position in best[: query.limit]
    ]
    return Ranking(query=query.query, searched=len(corpus), hits=hits)


def _wanted(query: str) -> list[str]:
    """Return the words to look for: those that carry meaning, or all of them when none does."""
    keys = list(dict.fromkeys(word.key for word in words(query)))
    if not keys:
        raise Problem(422, "The query has no word in it. Use letters or digits.")
    return [key for key in keys if key not in _STOP_WORDS] or keys


def _whole(document: Document) -> str:
    return f"{document.title}\n{document.text}" if document.title else document.text


def _hit(document: Document, position: int, score: float, wanted: frozenset[str]) -> Hit:
    text, highlights = snippet(document.text, wanted)
    return Hit(
        id=document.id if document.id is not None else str(position),
        title=document.title,
        score=round(score, 4),
        snippet=text,
        highlights=highlights,
    )
