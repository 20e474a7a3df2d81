"""What `make fuzz` damages and sends to the search service."""

from __future__ import annotations

import json
import random

_QUERY = {
    "query": "Wo steht the 東京タワー?",
    "limit": 3,
    "documents": [
        {"id": "1", "title": "Tower", "text": "The tower stands on a hill. " * 20},
        {"id": "2", "text": "東京タワーは港区にある。ピザとビザは違う。"},
        {"id": "3", "text": "C++ ﾊﾝｶｸ \u0939\u093f\u0928\u094d\u0926\u0940 \u05e9\u05dc\u05d5\u05dd"},
    ],
}

# Where in Unicode scripts and signs begin: Latin with marks, Greek, Hebrew, Arabic, Devanagari, Thai, Korean jamo,
# combining marks, invisible signs, kana, kanji, Korean, compatibility forms, half width, emoji, beyond the first plane.
_BLOCKS = (
    0x20, 0xC0, 0x300, 0x370, 0x5B0, 0x620, 0x900, 0xE00, 0x1100, 0x1160, 0x1E00, 0x2000, 0x3040, 0x30A0, 0x3380,
    0x4E00, 0xAC00, 0xFB00, 0xFF00, 0xFF60, 0x1F1E0, 0x1F600, 0x20000,
)  # fmt: skip


def _made_up(block: int) -> bytes:
    chance = random.Random(block)

    def text(length: int) -> str:
        return "".join(chr(block + chance.randrange(96)) for _ in range(length))

    query = text(12)
    documents = [{"id": str(number), "text": text(30) + query + text(400)} for number in range(8)]
    return json.dumps({"query": query, "documents": documents}, ensure_ascii=False).encode()


SAMPLES = {
    **{f"{block:X}": ("/search-service/rank", "application/json", _made_up(block)) for block in _BLOCKS},
    "escaped": ("/search-service/rank", "application/json", json.dumps(_QUERY).encode()),
    "UTF-8": ("/search-service/rank", "application/json", json.dumps(_QUERY, ensure_ascii=False).encode()),
}
