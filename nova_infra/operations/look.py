"""Looking at many things, of which some may not be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nova_infra.errors import NovaError

_Result = TypeVar("_Result")
_Other = TypeVar("_Other")


class Look:
    """Asks questions, and remembers what could not be answered, and why."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self._unseen: dict[str, str] = {}

    @property
    def unseen(self) -> tuple[str, ...]:
        """A line for each kind of thing that could not be looked at."""
        return tuple(f"{what}: {why}" for what, why in self._unseen.items())

    def at(self, what: str, question: Callable[[], _Result], otherwise: _Other) -> _Result | _Other:
        """The answer to a question, or a value to go on with.

        A kind of thing that could not be looked at once is not asked about again.
        """
        if what in self._unseen:
            return otherwise
        try:
            return question()
        except NovaError as error:
            self._unseen[what] = str(error)
            return otherwise
