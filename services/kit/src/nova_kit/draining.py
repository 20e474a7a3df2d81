"""Whether this process has been told to stop."""

from __future__ import annotations


class Draining:
    """A switch that goes on once: the process finishes what it has and takes nothing new."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        """Say that the process is about to stop."""
        self._begun = True

    def __bool__(self) -> bool:
        return self._begun


#: The switch of this process. SIGTERM reaches a process, not an app, so there is one.
process = Draining()
