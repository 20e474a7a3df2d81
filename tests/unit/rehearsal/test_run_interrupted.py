"""What a rehearsal does when it is interrupted, once or again and again."""

import asyncio
import os
import signal

import pytest

from nova_infra.rehearsal import run
from nova_infra.rehearsal.drills.drill import DrillResult


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT], [signal.SIGHUP, signal.SIGTERM]])
def test_it_clears_away_whatever_comes_meanwhile(signals: list[signal.Signals]) -> None:
    """Ctrl-C twice would otherwise end it in the middle of clearing away."""
    cleared: list[str] = []

    async def play() -> list[DrillResult]:
        try:
            os.kill(os.getpid(), signals[0])
            await asyncio.sleep(10)
        finally:
            for each in signals[1:]:
                os.kill(os.getpid(), each)
            await asyncio.sleep(0.05)
            cleared.append("containers")
        return []

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(run.until_stopped(play()))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert cleared == ["containers"]
