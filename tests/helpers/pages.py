"""Answers of several pages, read by calls as the SDK's paginators read them."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

_PLACES = {"NextToken": "NextToken", "NextMarker": "Marker", "Marker": "Marker"}
"""What answers call the place at which the next page begins, to what questions call it."""


class Paged:
    """An account of a test's own that gives its answers by ``call`` alone."""

    @abstractmethod
    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Answer."""

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """All items under a key of an operation's answers, page after page."""
        place: dict[str, Any] = {}
        while True:
            page = self.call(service, operation, **arguments, **place)
            yield from page[key]
            if not (place := {asked: page[said] for said, asked in _PLACES.items() if page.get(said)}):
                return
