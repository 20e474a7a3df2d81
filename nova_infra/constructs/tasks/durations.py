"""CDK durations, each created once: creating one costs a message to the process that CDK runs in."""

from __future__ import annotations

import functools

import aws_cdk as cdk


@functools.cache
def seconds(amount: float) -> cdk.Duration:
    """So many seconds."""
    return cdk.Duration.seconds(amount)


@functools.cache
def minutes(amount: float) -> cdk.Duration:
    """So many minutes."""
    return cdk.Duration.minutes(amount)
