"""The outline of a sound in a bounded number of points, however long it turns out to be."""

from __future__ import annotations

MAX_POINTS = 512


class Waveform:
    """Keeps the highest peak of equal stretches of sound.

    Stretches grow as needed: when there would be more than `MAX_POINTS`, neighbours are joined in pairs. So memory is
    bounded without knowing the length in advance, and a point still covers the same time as every other.
    """

    def __init__(self) -> None:
        self._points: list[float] = []
        self._per_point = 1
        self._open: list[float] = []

    def add(self, peak: float) -> None:
        """Take in the next stretch's peak."""
        if len(self._points) == MAX_POINTS and not self._open:
            self._points = [max(pair) for pair in zip(self._points[::2], self._points[1::2], strict=True)]
            self._per_point *= 2
        self._open.append(peak)
        if len(self._open) == self._per_point:
            self._points.append(max(self._open))
            self._open.clear()

    def points(self) -> list[float]:
        """Return the peaks so far, at most `MAX_POINTS` of them, in order."""
        return [*self._points, max(self._open)] if self._open else list(self._points)
