"""Changes bytes as accidents and attackers do. Pure: the same random numbers give the same bytes."""

import struct
from collections.abc import Callable, Sequence
from random import Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutated(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """Return some content with one to eight changes.

    Args:
        random: Where chance comes from.
        others: What to splice in.
    """
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        content = random.choice(_CHANGES)(random, content, others)
    return content


def _flip(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :] if content else b"\0"


def _number(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    """Overwrite four bytes, most often near the start, where sizes stand."""
    at = _place(random, content)
    return content[:at] + struct.pack(random.choice("<>") + "I", random.choice(_NUMBERS)) + content[at + 4 :]


def _cut(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    return content[: _place(random, content)]


def _drop(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + content[at + random.randrange(1, 64) :]


def _repeat(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + content[at : at + random.randrange(1, 64)] * random.choice((2, 3, 500)) + content[at:]


def _insert(random: Random, content: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(random, content)
    return content[:at] + random.randbytes(random.randrange(1, 32)) + content[at:]


def _splice(random: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    other = random.choice(others) if others else content
    return content[: _place(random, content)] + other[_place(random, other) :]


def _place(random: Random, content: bytes) -> int:
    end = len(content) if random.random() < 0.3 else min(len(content), 256)
    return random.randrange(end) if end else 0


_CHANGES: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _flip,
    _number,
    _number,
    _cut,
    _drop,
    _repeat,
    _insert,
    _splice,
)

_POST = b"POST /%b HTTP/1.1\r\nHost: fuzz\r\n"
_GET = b"GET /health HTTP/1.1\r\nHost: fuzz\r\n"

HEADS: tuple[bytes, ...] = (
    _GET + b"\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    _GET + b"Host: other\r\n\r\n",
    _GET + b"X-Half: ",
    _GET + b"X: y\r\n" * 5000 + b"\r\n",
    b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: fuzz\r\n\r\n",
    b"\r\n" * 50_000,
    _GET + b"Content-Length: -1\r\n\r\n",
    _GET + b"Content-Length: 99999999999999999999\r\n\r\n",
    _GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    _GET + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    _GET + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    _GET.replace(b"1.1", b"9.9") + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
"""What somebody may send in place of a request; to be mutated, too."""

ENDLESS: tuple[tuple[bytes, bytes], ...] = (
    (_GET + b"X-Endless: ", b"y" * 4096),
    (_GET, b"X-Many: y\r\n" * 50),
    (b"", b"\r\n" * 500),
    (_POST % b"nowhere" + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    (_POST % b"nowhere" + b"Content-Length: 900000000\r\n\r\n", b"x" * 4096),
)
"""How an endless sender begins, and what it repeats."""
