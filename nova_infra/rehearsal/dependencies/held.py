"""The record of the connections that tasks hold to a dependency."""

from dataclasses import dataclass, field


@dataclass
class ConnectionsRecord:
    """Connections to a dependency.

    Attributes:
        limit: How many it takes in production; None where nobody says.
        origin: Where the limit comes from, in a clause.
        most: Revision to the most that one of its tasks held at once.
    """

    limit: int | None
    origin: str = ""
    most: dict[str, int] = field(default_factory=dict)
