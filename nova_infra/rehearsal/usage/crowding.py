"""How much longer a program takes because others use the processors."""

import os

_MOST = 10.0


def with_others(seconds: float) -> float:
    """Converts seconds on an idle machine to seconds on this one with its current load.

    Args:
        seconds: How long something may take in AWS, where a task has its processor time to itself.
    """
    return seconds * min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), _MOST)
