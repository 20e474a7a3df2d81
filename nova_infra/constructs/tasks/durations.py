"""CDK durations, each created once, because creating one costs a message to CDK's Node process."""

import functools

import aws_cdk as cdk


@functools.cache
def seconds(amount: float) -> cdk.Duration:
    """A duration in seconds."""
    return cdk.Duration.seconds(amount)


@functools.cache
def minutes(amount: float) -> cdk.Duration:
    """A duration in minutes."""
    return cdk.Duration.minutes(amount)
