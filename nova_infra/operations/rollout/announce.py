"""Sends what an operator did to the alert topic. A failed announcement does not stop the operation."""

from typing import Protocol

from nova_infra.errors import NovaError


class Announcing(Protocol):
    """An environment that announcements can be sent to."""

    def announce(self, message: str) -> None:
        """Send one message."""


def announce(environment: Announcing, message: str) -> str:
    """Notify everybody subscribed to an environment's topic.

    Returns:
        Why they could not be notified, in a line; empty where they were.
    """
    try:
        environment.announce(message)
    except NovaError as error:
        return f"nobody was notified: {error}"
    return ""
