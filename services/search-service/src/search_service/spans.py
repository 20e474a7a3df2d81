"""Where in a text something was found."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A place where a text has what a query looks for.

    Attributes:
        term: Number of what was found.
        start: Where it begins, in characters.
        end: Where it ends.
    """

    term: int
    start: int
    end: int

    def moved(self, by: int) -> Span:
        """Return the same place in a text of which this one's is a part that begins there."""
        return Span(self.term, self.start + by, self.end + by)
