"""What is answered to bytes that are not HTTP: a problem document as for any other mistake."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nova_kit.problems import respond

_DETAIL = (
    "This is not a request in HTTP/1.1 that the service can read: its first line or a header is malformed, or the "
    "address is longer than 64 KiB. Check what the client sends."
)


class Protocol(HttpToolsProtocol):
    """HTTP/1.1, with a problem document for what cannot be parsed."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the parser's phrase helps nobody
        """Answer 400 and close: where the next request would begin is unknown."""
        response = respond("", 400, _DETAIL, headers={"Connection": "close"})
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in response.raw_headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + response.body)
        self.transport.close()
