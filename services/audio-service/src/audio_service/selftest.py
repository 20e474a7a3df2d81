"""One true call: half a second of a sine wave is measured."""

from __future__ import annotations

import array
import io
import math
import wave

from starlette.types import ASGIApp

from nova_kit.selftest import post_form

_RATE = 8_000


async def selftest(app: ASGIApp) -> None:
    """Have a sine wave at half of full scale measured.

    Raises:
        SelftestError: The answer is not what such a wave measures.
    """
    answer = await post_form(app, "/audio-service/analyze", _sine())
    answer.require(format="WAV", duration_seconds=0.5, sample_rate=_RATE, channels=1, peak_dbfs=-6.02, rms_dbfs=-9.03)


def _sine() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as output:
        output.setparams((1, 2, _RATE, 0, "NONE", "not compressed"))
        steps = (2 * math.pi * 500 * at / _RATE for at in range(_RATE // 2))
        output.writeframes(array.array("h", (round(16_384 * math.sin(step)) for step in steps)).tobytes())
    return target.getvalue()
