"""What the rehearsal's own client makes of an answer's body."""

import gzip
import zlib

import pytest

from nova_infra.rehearsal.load_balancer.client import unpacked

TEXT = b'{"id": 7}'
ZLIB, GZIP = zlib.compress(TEXT), gzip.compress(TEXT, mtime=0)


@pytest.mark.parametrize(
    ("encoding", "body", "found"),
    [
        ("", TEXT, TEXT),
        ("br", TEXT, TEXT),
        ("gzip", b"", b""),
        ("gzip", TEXT, None),
        ("gzip", GZIP, TEXT),
        ("x-GZIP", GZIP, TEXT),
        ("gzip", GZIP[:15], None),
        ("gzip", GZIP + gzip.compress(b" ", mtime=0), TEXT + b" "),
        ("deflate", TEXT, None),
        ("deflate", ZLIB, TEXT),
        ("deflate", ZLIB[2:-4], TEXT),
    ],
)
def test_a_body_is_unpacked_if_it_is_packed_as_it_says(encoding: str, body: bytes, found: bytes | None) -> None:
    assert unpacked(body, encoding) == found
