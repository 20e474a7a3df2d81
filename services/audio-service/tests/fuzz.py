"""What `make fuzz` damages and sends to the audio service."""

from __future__ import annotations

import io
import random
import wave


def _wav() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setparams((2, 2, 8_000, 0, "NONE", "not compressed"))
        output.writeframes(random.Random(1).randbytes(16_000))
    return target.getvalue()


SAMPLES = {"WAV": ("/audio-service/analyze", "form", _wav())}
