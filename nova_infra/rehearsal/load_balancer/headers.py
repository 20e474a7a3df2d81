"""The headers that a load balancer passes on, and those that it adds, such as X-Amzn-Trace-Id."""

import re
import secrets
import time
from dataclasses import dataclass

from multidict import CIMultiDict, CIMultiDictProxy

from nova_infra.operations.rollout.suite.entrance import cookies_here, without_copies

# Headers that belong to one connection (RFC 9110, 7.6.1), and Expect, which the load balancer answers itself.
_NOT_PASSED_ON = frozenset(
    [
        "connection",
        "expect",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)

_MOST_BYTES_TO_TRACE = 7 * 1024
"""With longer headers the load balancer writes a new trace: see :func:`_trace`."""


@dataclass(frozen=True)
class PublicName:
    """What a load balancer is called in AWS, where a client here calls it by an address of this machine.

    Targets have to hear the name: an app may refuse every other host, as Django does by ``ALLOWED_HOSTS``, and compares
    it with the origin of a form. What they then say of themselves has to lead back here.

    Attributes:
        here: What the client calls it, such as ``http://127.0.0.1:41234``.
        scheme: What it would have spoken.
        host: What it would have asked for, with the port unless that is the usual one.
    """

    here: str
    scheme: str
    host: str

    def to_target(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """The headers that the client would have sent, but for encodings in which nobody here finds a name."""
        changed = CIMultiDict(headers)
        if "Accept-Encoding" in headers:
            changed["Accept-Encoding"] = "gzip" if "gzip" in headers["Accept-Encoding"] else "identity"
        changed["Host"] = self.host
        for each in ("Origin", "Referer"):
            if each in headers:
                changed[each] = headers[each].replace(self.here, f"{self.scheme}://{self.host}")
        if "Cookie" in headers:
            changed["Cookie"] = without_copies(headers["Cookie"])
        return changed

    def to_client(self, headers: CIMultiDict[str]) -> CIMultiDict[str]:
        """The headers of an answer, leading here, and with cookies that a client without TLS sends back."""
        changed: CIMultiDict[str] = CIMultiDict()
        for name, value in headers.items():
            cookies = name.lower() == "set-cookie" and self.scheme == "https"
            for each in cookies_here(value) if cookies else [value]:
                raw = each.encode(errors="surrogateescape")
                changed.add(name, self.leading_here(raw).decode(errors="surrogateescape"))
        return changed

    def leading_here(self, text: bytes) -> bytes:
        """A text with this address for the load balancer's, also for that of HTTP, which only redirects to HTTPS."""
        return self._there().sub(lambda found: self.here.encode().replace(b"/", found[1]), text)

    def divided(self, text: bytes) -> tuple[bytes, bytes]:
        """The first part of a text, and what may be the beginning of this name at its end."""
        longest = len(self.host) + len("https:\\/\\/:443")
        start = re.search(rb"(?i)h(?:t(?:t(?:p[^\s<>\"']*)?)?)?$", text[-longest:])
        end = len(text) - (len(start[0]) if start is not None else 0)
        return text[:end], text[end:]

    def _there(self) -> re.Pattern[bytes]:
        r"""The address, also as JSON may write it (``https:\/\/``) and with the port that need not be said."""
        port = b"" if ":" in self.host else b"(?::443|:80)?"
        return re.compile(rb"(?i:https?:(/|\\/)\1" + re.escape(self.host.encode()) + port + rb")(?![\w.:-])")


def headers_to_target(headers: CIMultiDictProxy[str], *, client: str, protocol: str, port: int) -> CIMultiDict[str]:
    """What the client sent, its address, and the trace of the request.

    See https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html; the load
    balancer's default is to append to X-Forwarded-For and to set the other two.

    Args:
        protocol: ``HTTP`` or ``HTTPS``, as the listener speaks in AWS.
        port: The listener's port in AWS.
    """
    passed = passed_on(headers)
    passed["X-Forwarded-For"] = ", ".join([*headers.getall("X-Forwarded-For", ()), client])
    passed["X-Forwarded-Proto"] = protocol.lower()
    passed["X-Forwarded-Port"] = str(port)
    long = sum(len(name) + len(value) for name, value in headers.items()) > _MOST_BYTES_TO_TRACE
    passed["X-Amzn-Trace-Id"] = _trace("" if long else headers.get("X-Amzn-Trace-Id", ""))
    return passed


def passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers without those of the connection, among them any that Connection names."""
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in _NOT_PASSED_ON and k.lower() not in named)


def _trace(sent: str) -> str:
    """The trace that a target hears: the client's extended, or a new one (ELB: request-tracing)."""
    own = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    fields = [field for field in sent.split(";") if field and not field.startswith("Self=")]
    return ";".join([f"Self={own}", *fields]) if fields else f"Root={own}"
