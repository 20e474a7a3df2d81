"""Greets whoever asks."""

import http.server
import os
import signal
import sys


class Greeter(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # http.server sends headers and body apart, and the body would wait for 40 ms

    def do_GET(self) -> None:
        """Greet."""
        body = f"{os.environ['GREETING']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.ThreadingHTTPServer(("", int(os.environ.get("PORT", "80"))), Greeter).serve_forever()
