"""What every Nova service shares.

The package imports nothing by itself: the container's health check runs `nova_kit.healthcheck` every few seconds, and
it must not pay for the web framework each time.
"""
