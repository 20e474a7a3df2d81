"""What `make fuzz` damages and sends to the search service."""

from __future__ import annotations

import json

_QUERY = {
    "query": "Wo steht the 東京タワー?",
    "limit": 3,
    "documents": [
        {"id": "1", "title": "Tower", "text": "The tower stands on a hill. " * 20},
        {"id": "2", "text": "東京タワーは港区にある。ピザとビザは違う。"},
        {"id": "3", "text": "C++ ﾊﾝｶｸ \u0939\u093f\u0928\u094d\u0926\u0940 \u05e9\u05dc\u05d5\u05dd"},
    ],
}

SAMPLES = {
    "escaped": ("/search-service/rank", "application/json", json.dumps(_QUERY).encode()),
    "UTF-8": ("/search-service/rank", "application/json", json.dumps(_QUERY, ensure_ascii=False).encode()),
}
