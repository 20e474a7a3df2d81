"""Which way up a video is shown: cameras record how they were held, and leave the pictures as they are."""

from __future__ import annotations

from fractions import Fraction

import av
from av.filter import Graph

# By degrees counterclockwise.
_FILTERS: dict[int, list[tuple[str, str | None]]] = {
    90: [("transpose", "cclock")],
    180: [("hflip", None), ("vflip", None)],
    270: [("transpose", "clock")],
}


def shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Return the width and height of a picture as it is shown."""
    return (frame.height, frame.width) if frame.rotation % 180 == 90 else (frame.width, frame.height)


def upright(picture: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """Turn a picture.

    Args:
        picture: What to turn.
        rotation: Degrees counterclockwise. What is no quarter turn is left as it is.
    """
    filters = _FILTERS.get(rotation % 360)
    if filters is None:
        return picture
    graph = Graph()
    source = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1))
    graph.link_nodes(source, *(graph.add(*each) for each in filters), graph.add("buffersink")).configure()
    graph.vpush(picture)
    return graph.vpull()
