"""Reads requests that are written down in an ``.http`` file, as editors send them.

See https://www.jetbrains.com/help/idea/exploring-http-syntax.html. Requests are separated by ``###``; ``@name = value``
sets a variable and ``{{name}}`` uses it; ``< ./file`` is a body from a file. ``GRPC host/package.Service/Method`` calls
a method of gRPC with the message that the body is in JSON; ``GRAPHQL /graphql`` sends the query that its body is, with
the variables that follow it in JSON.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from nova_infra.documents.files import UnreadableFileError, read_file
from nova_infra.rehearsal.requests.grpc_methods import call_of
from nova_infra.rehearsal.requests.sample import METHODS, WEBSOCKET, RequestFileError, SampleRequest, sample

_REQUEST = re.compile(r"(?:([A-Z]+)\s+)?(\S+)(?:\s+HTTP/[\d.]+(?: \(Prior Knowledge\))?)?")
_HOST = re.compile(r"(?:localhost|[\w-]+(?:\.[\w-]+)+|\[[\da-fA-F:]+\])(?::\d+)?(?:[/?#]\S*)?|[\w-]+:\d+(?:[/?#]\S*)?")
"""An address without its scheme, as editors take it."""
_METHOD = re.compile(r"/[\w.]+/\w+$", re.ASCII)
_VARIABLE = re.compile(r"@([\w.-]+)\s*=\s*(.*)")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~\w-]+)\s*:\s*(.*)")
_FROM_FILE = re.compile(r"<(@\w*)?\s+(\S.*?)\s*")
_GRAPHQL = "GRAPHQL"
_VARIABLES = re.compile(r"\s*\n\s*\n(?=\s*\{\s*(?:\"|\}))")
"""Where the variables of a query begin: braces of a query hold names without quotes."""
_FORM = "application/x-www-form-urlencoded"  # editors join its lines
_USE = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
# What editors generate for each request; here they are always the same, so that rehearsals can be compared.
_DRAWN = {
    "$uuid": "7f1f4a52-5f0c-4b5e-9d6a-3f1d7c0b9a10",
    "$guid": "7f1f4a52-5f0c-4b5e-9d6a-3f1d7c0b9a10",
    "$random.uuid": "7f1f4a52-5f0c-4b5e-9d6a-3f1d7c0b9a10",
    "$timestamp": "1767225600",
    "$isoTimestamp": "2026-01-01T00:00:00Z",
    "$randomInt": "417",
    "$random.integer": "417",
    "$random.float": "4.17",
    "$random.alphabetic": "shop",
    "$random.alphanumeric": "shop417",
    "$random.hexadecimal": "4f17",
    "$random.email": "user@example.com",
    "$datetime": "2026-01-01T00:00:00Z",
    "$localDatetime": "2026-01-01T00:00:00Z",
}
_REMEDY = ("add a line @{} = value", "write a value in its place")

_MOST_FILLED = 1_000_000

# Only the path is sent, so that nobody has to say where: the rehearsal knows its own load balancers.
_ANY_HOST = ("host", "hostname", "baseurl", "base_url", "base-url", "url")


@dataclass
class _Draft:
    line: int
    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    in_body: bool = False


def read_http(path: Path, text: str) -> list[SampleRequest]:
    """The requests of a file.

    Args:
        path: The file: bodies from other files are looked for next to it.
    """
    return _HttpFileReader(path).read(text)


class _HttpFileReader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._variables: dict[str, str] = {}
        self._drafts: list[_Draft] = []
        self._open = self._in_handler = False

    def read(self, text: str) -> list[SampleRequest]:
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            if self._in_handler:
                self._in_handler = "%}" not in line
            elif line.startswith("###"):
                self._open = False
            elif not self._open:
                self._before_request(number, line.strip())
            else:
                self._in_request(number, line)
        return [self._finished(draft) for draft in self._drafts]

    def _before_request(self, number: int, line: str) -> None:
        if not line or line.startswith(("#", "//")):
            return
        if line.startswith("< {%"):
            self._in_handler = "%}" not in line
            return
        if variable := _VARIABLE.fullmatch(line):
            self._variables[variable.group(1)] = self._filled(number, variable.group(2).strip())
            return
        line = self._filled(number, line)
        request = _REQUEST.fullmatch(line)
        method, url = (request.group(1) or "GET", request.group(2)) if request else ("", "")
        if method == "GRPC":
            self._draft_call(number, url)
            return
        if request and request.group(1) and _HOST.fullmatch(url):
            url = f"http://{url}"
        schemes = ("/", "ws://", "wss://") if method == WEBSOCKET else ("/", "http://", "https://")
        if method not in (*METHODS, _GRAPHQL, WEBSOCKET) or not url.startswith(schemes):
            raise self._error(number, f"{line!r} is not a request", "write one such as GET /items?page=2")
        self._drafts.append(_Draft(number, method, url))
        self._open = True

    def _draft_call(self, number: int, url: str) -> None:
        path = _METHOD.search(url)
        if path is None:
            raise self._error(number, f"{url!r} is not a method", "write GRPC /package.Service/Method")
        self._drafts.append(_Draft(number, "GRPC", path.group()))
        self._open = True

    def _in_request(self, number: int, line: str) -> None:
        draft = self._drafts[-1]
        if draft.in_body:
            if line.startswith(("> ", ">>", "<> ", "?? ")):  # what an editor does with the answer
                self._in_handler = "{%" in line and "%}" not in line
                return
            draft.body.append(self._filled(number, line))
        elif not line.strip():
            draft.in_body = True
        elif line[:1].isspace() and line.strip()[:1] in "?&/" and not draft.headers:
            draft.url += self._filled(number, line.strip())
        elif line.startswith(("#", "//")):
            return
        elif header := _HEADER.fullmatch(self._filled(number, line.strip())):
            draft.headers.append((header.group(1), header.group(2)))
        else:
            raise self._error(
                number, f"{line.strip()!r} is not a header", "write Name: value, or a blank line before a body"
            )

    def _finished(self, draft: _Draft) -> SampleRequest:
        text = "\n".join(draft.body).strip("\n")
        body = text.encode()
        if from_file := _FROM_FILE.fullmatch(text):
            file = self._path.parent / from_file.group(2)
            try:
                body = read_file(file)
                if from_file.group(1):
                    body = self._filled(draft.line, body.decode(errors="replace")).encode()
            except (FileNotFoundError, UnreadableFileError) as error:
                why = error if isinstance(error, UnreadableFileError) else "does not exist"
                raise self._error(draft.line, f"its body {file} {why}", "correct its path") from None
        elif any(k.lower() == "content-type" and v.startswith(_FORM) for k, v in draft.headers):
            body = re.sub(r"\s*&\s*", "&", re.sub(r"[ \t]*=[ \t]*", "=", text)).encode()
        if draft.method == "GRPC":
            return call_of(draft.url, body, origin="file")
        try:
            if draft.method == _GRAPHQL:
                draft.method, body = "POST", _of_query(body.decode(errors="replace"))
                draft.headers.append(("Content-Type", "application/json"))
            return sample(draft.method, draft.url, draft.headers, body, origin="file")
        except ValueError as error:
            raise self._error(draft.line, str(error), "correct it") from None

    def _filled(self, number: int, text: str) -> str:
        def value(use: re.Match[str]) -> str:
            name = re.split(r"[ (]", use.group(1))[0]
            found = self._variables.get(name, _DRAWN.get(name))
            if found is None and name.lower() in _ANY_HOST:
                before = use.string[: use.start()]
                return "localhost" if before.endswith("//") else "http://localhost"
            if found is None:
                raise self._error(
                    number, f"uses {{{{{name}}}}}, which nothing sets", _REMEDY[name[:1] in "$%"].format(name)
                )
            return found

        filled = _USE.sub(value, text)
        if len(filled) > len(text) + _MOST_FILLED:
            raise self._error(number, "becomes megabytes by its variables", "write a shorter one")
        return filled

    def _error(self, number: int, fault: str, remedy: str) -> RequestFileError:
        return RequestFileError(f"{self._path}:{number}: {fault}: {remedy}")


def _of_query(text: str) -> bytes:
    """A query of GraphQL as clients send it: https://graphql.github.io/graphql-over-http/draft/#sec-Request."""
    query, *variables = _VARIABLES.split(text, maxsplit=1)
    return json.dumps({"query": query, "variables": json.loads(variables[0]) if variables else {}}).encode()
