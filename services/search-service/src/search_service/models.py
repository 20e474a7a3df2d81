"""What the search service takes and gives."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """A document to rank."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(default=None, max_length=200, description="Default: its place in the list, from 0.")
    title: str | None = Field(default=None, max_length=500, description="Searched like the text.")
    text: str = Field(max_length=200_000)


class Query(BaseModel):
    """What to look for, and where."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=1000)
    documents: list[Document] = Field(min_length=1, max_length=10_000)
    limit: int = Field(default=10, ge=1, le=100, description="The most hits to return.")


class Highlight(BaseModel):
    """A word of a snippet that matches the query."""

    start: int = Field(description="Offset in characters (code points).")
    end: int


class Hit(BaseModel):
    """A document that answers the query."""

    id: str
    title: str | None
    score: float = Field(description="BM25; comparable within one ranking only.")
    snippet: str = Field(description="The part of the text around the densest matches; \u2026 for what is left out.")
    highlights: list[Highlight]


class Ranking(BaseModel):
    """The hits, best first."""

    query: str
    searched: int = Field(description="How many documents were posted.")
    hits: list[Hit]
