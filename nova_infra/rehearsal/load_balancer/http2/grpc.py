"""What gRPC adds to HTTP/2: framed messages and a trailing status (grpc: PROTOCOL-HTTP2.md)."""

from collections.abc import Iterator, Mapping

OPERATION = "gRPC "
"""Prefix of a gRPC operation's name, before its path."""

HEADERS = (("content-type", "application/grpc"), ("te", "trailers"))

STATUS = "grpc-status"

# Which HTTP status stands for which of gRPC in what users were answered; each for one alone, so that it can be told in
# gRPC's words. Where https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto pairs several with one
# of HTTP's, the rest have a neighbour that counts the same: as a failure, as nothing that handles it, or as a refusal.
_AS_HTTP = {
    0: (200, "OK"),
    1: (499, "CANCELLED"),
    2: (520, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (412, "FAILED_PRECONDITION"),
    10: (423, "ABORTED"),
    11: (416, "OUT_OF_RANGE"),
    12: (405, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (507, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}
_NAMES = dict(_AS_HTTP.values())


def status_for_users(status: int, headers: Mapping[str, str]) -> int:
    """What an answer means to the caller: gRPC fails with HTTP status 200 and a status of its own.

    Args:
        headers: The answer's headers, and its trailers.
    """
    code = headers.get(STATUS, "")
    return _AS_HTTP.get(int(code), (520, ""))[0] if status == 200 and code.isdigit() else status


def status_in_words(operation: str, status: int) -> str:
    """A status by its usual name."""
    return _NAMES.get(status, str(status)) if operation.startswith(OPERATION) else str(status)


def framed(message: bytes) -> bytes:
    """A message as it is in a body: not compressed, after its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def messages(body: bytes) -> Iterator[bytes]:
    """The messages of a body that was not compressed."""
    while len(body) >= 5:
        end = 5 + int.from_bytes(body[1:5], "big")
        yield body[5:end]
        body = body[end:]
