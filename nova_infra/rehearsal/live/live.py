"""Shows a rehearsal as it happens: a live view in a terminal, line by line in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live

from nova_infra.machine.terminal import can_redraw
from nova_infra.rehearsal.live.picture import Scene, picture
from nova_infra.rehearsal.record import Record

REDRAWS = 5
"""Pictures in a second, at the most."""

_STORY_LINES = 50
"""How many lines of the story are kept: more than any terminal shows."""


class View:
    """Shows what happens while it happens; line by line where a console cannot redraw."""

    def __init__(self, console: Console, record: Record) -> None:
        self._console = console
        self._record = record
        self._title = f"{record.pipeline}: {record.candidate} over {record.baseline}"
        self._story: list[str] = []
        self._done: list[str] = []
        self._began = time.monotonic()
        self._live: Live | None = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """Show the record until the block ends."""
        console = self._console
        if not can_redraw(console):
            yield
            return
        # The picture is drawn in another thread. It only looks at lists that grow at their ends.
        with Live(get_renderable=self._picture, console=console, refresh_per_second=REDRAWS, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        try:
            yield
        finally:
            if live is not None:
                live.start()
                self._live = live

    def announce(self, title: str) -> None:
        """Say what begins now."""
        self._title = title
        self.tell(title)

    def follow(self, record: Record) -> None:
        """Follow another record from now on."""
        self._record = record

    def ended(self, line: str) -> None:
        """Show how something ended; the line stays visible."""
        self.tell(line)
        self._done.append(line)

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        stamped = f"{time.monotonic() - self._began:6.1f} s  {line}"
        self._story = [*self._story, stamped][-_STORY_LINES:]
        if self._live is None:
            self._console.print(stamped, highlight=False, markup=False, soft_wrap=True)

    def _picture(self) -> RenderableType:
        scene = Scene(self._record, self._title, time.monotonic() - self._began, self._story, self._done)
        width, height = self._console.size
        return Group(*picture(scene, width=width, height=max(height - 1, 1)))
