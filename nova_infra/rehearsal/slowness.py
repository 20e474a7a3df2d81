"""How many times slower a new revision answers than the old one: the threshold, and the mean."""

import math
from statistics import median

from nova_infra.rehearsal.record import DeploymentRecord, Requests

SLOWER_TIMES = 5
"""What counts as slower: busy machines make small answers twice as slow by themselves."""
_FEWEST_ANSWERS = 6
"""Of each revision, in the minutes that are compared."""


def times_slower(deployment: DeploymentRecord) -> float:
    """How many times as long the new revision took for an answer as the old one; 0 where that is not known.

    Minutes in which both answered are compared, and the middle one counts: a busy machine slows down both. Its start
    slows down one of them alone, and so does a single wait for a processor: a handful of answers says nothing. Most
    answers are the old revision's, so it has most of the long waits: geometric means, because they would lift its
    arithmetic mean to a multiple of what its answers take.
    """
    ratios, answers = [], 0
    for sample in deployment.samples:
        old, new = sample.requests.get(deployment.old or ""), sample.requests.get(deployment.new)
        if old and new and old.served and new.served:
            ratios.append(usual_seconds(new) / usual_seconds(old))
            answers += min(new.served, old.served)
    return median(ratios) if answers >= _FEWEST_ANSWERS else 0.0


def usual_seconds(requests: Requests) -> float:
    """The geometric mean of what some answers took: a few long waits hardly move it."""
    return math.exp(requests.log_seconds / requests.served)
