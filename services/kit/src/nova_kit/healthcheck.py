"""Asks this container's service for its health: `python -m nova_kit.healthcheck`, exit code 0 or 1.

Runs every few seconds beside the service, in images without curl, so it imports nothing but sockets.
"""

from __future__ import annotations

import os
import socket
import sys

_TIMEOUT_SECONDS = 2.0


def fault(port: int) -> str | None:
    """What is wrong with the service on this machine's `port`; None when it answers `/health` with 200."""
    request = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as connection:
            connection.sendall(request)
            status_line = connection.makefile("rb").readline(256).decode("latin-1")
    except OSError as error:
        return f"GET /health got no answer: {error}"
    status = status_line.split()[1:2]
    return None if status == ["200"] else f"GET /health answered {' '.join(status) or 'nothing'}"


if __name__ == "__main__":
    found = fault(int(os.environ.get("PORT") or 8080))
    if found:
        sys.exit(found)
