import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.requests.har import read_har
from nova_infra.rehearsal.requests.http_file import read_http
from nova_infra.rehearsal.requests.sample import RequestFileError

HTTP = """\
@name = 7
# a comment
GET http://{{host}}/items/{{name}}?a=b
    &c=d
Accept: text/plain

### with a body
POST /items HTTP/1.1
Content-Type: application/json
// a comment

{"n": {{name}}}

###
/plain
"""


def test_an_http_file_holds_requests_variables_headers_and_bodies() -> None:
    first, second, third = read_http(Path("requests.http"), HTTP)
    assert (first.operation, first.path, first.headers) == (
        "GET /items/{id}",
        "/items/7?a=b&c=d",
        (("Accept", "text/plain"),),
    )
    assert (second.method, second.body) == ("POST", b'{"n": 7}')
    assert second.headers == (("Content-Type", "application/json"),)
    assert (third.operation, third.origin) == ("GET /plain", "file")


def test_a_body_may_be_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(b"RIFF\0")
    [only] = read_http(tmp_path / "requests.http", "POST /sound\n\n< ./tone.wav\n")
    assert only.body == b"RIFF\0"
    (tmp_path / "item.json").write_text('{"n": {{n}}}')
    for mark in ("<@", "<@utf8"):
        [only] = read_http(tmp_path / "requests.http", f"@n = 7\nPOST /items\n\n{mark} ./item.json\n")
        assert only.body == b'{"n": 7}'


@pytest.mark.parametrize(
    ("text", "path", "body"),
    [
        ("@host = localhost:8080\nGET {{host}}/items HTTP/1.1\n", "/items", b""),
        ("GET shop.example/items/7\n", "/items/7", b""),
        ("GET api:9000?page=2\n", "/?page=2", b""),
        ("\ufeffGET http://[::1]/a HTTP/2 (Prior Knowledge)\n", "/a", b""),
        ("GET /a/{{$random.integer(1, 500)}}?to={{$random.email}}\n", "/a/417?to=user@example.com", b""),
        (
            "POST /login\nContent-Type: application/x-www-form-urlencoded\n\nuser = ann &\nword=a+b\n&stay=1\n",
            "/login",
            b"user=ann&word=a+b&stay=1",
        ),
        (
            'GRAPHQL http://{{host}}/graphql\n\nquery ($id: ID!) {\n\n  item(id: $id) { name }\n}\n\n{"id": "b7"}\n',
            "/graphql",
            b'{"query": "query ($id: ID!) {\\n\\n  item(id: $id) { name }\\n}", "variables": {"id": "b7"}}',
        ),
        ("GRAPHQL /graphql\n\n{ items { name } }", "/graphql", b'{"query": "{ items { name } }", "variables": {}}'),
        ("POST /text\nContent-Type: text/plain\n\na = b &\nc\n", "/text", b"a = b &\nc"),
    ],
)
def test_requests_are_read_as_editors_send_them(text: str, path: str, body: bytes) -> None:
    [only] = read_http(Path("r.http"), text)
    assert (only.path, only.body) == (path, body)


@pytest.mark.parametrize(
    "text",
    ["WEBSOCKET ws://a.example/live?to=1\n\nhello\n=== wait-for-server\n", "GET /live\nUpgrade: WebSocket\n"],
)
def test_what_opens_a_websocket_is_no_request_that_is_sent(text: str) -> None:
    [only] = read_http(Path("r.http"), text)
    assert (only.operation, only.method) == ("WEBSOCKET /live", "WEBSOCKET")


def test_what_an_editor_does_with_an_answer_is_left_out() -> None:
    text = """\
< {%
  request.variables.set("n", "GET /no")
%}
POST /a?at={{$datetime iso8601}}

{"n": 7}

> {%
  client.test("ok", () => response.status === 200)
### none
%}
### next
GET /b

> ./check.js
>> answer.json
<> earlier.200.json
> {% client.log("one line") %}
?? status == 200
###
GET /c
"""
    requests = read_http(Path("requests.http"), text)
    assert [(each.method, each.path.partition("?")[0], each.body) for each in requests] == [
        ("POST", "/a", b'{"n": 7}'),
        ("GET", "/b", b""),
        ("GET", "/c", b""),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("GET /a\n\n###\n\nhello there world\n", "r.http:5: 'hello there world' is not a request: write one such as"),
        ("GET /a\nnonsense\n", "r.http:2: 'nonsense' is not a header: write Name: value"),
        ("GET /{{token}}\n", "r.http:1: uses {{token}}, which nothing sets: add a line @token = value"),
        ("GET /{{$dotenv A}}\n", "r.http:1: uses {{$dotenv}}, which nothing sets: write a value in its place"),
        ("hello.example\n", "r.http:1: 'hello.example' is not a request"),
        ("POST /a\n\n< ./none.bin\n", "r.http:1: its body none.bin does not exist: correct its path"),
        ("POST /a\n\n< ./a\0b\n", "r.http:1: its body a\0b cannot be read (its name has a null character)"),
        ("POST /a\n\n< /dev/zero\n", "r.http:1: its body /dev/zero is not a file: correct its path"),
        ("GET http://[::1/a\n", "r.http:1: Invalid IPv6 URL: correct it"),
        ("GET /a\0b\n", r"r.http:1: '/a\x00b' has the character '\x00', which no client sends: correct it"),
        ("GET /a\nX: a\x01\n", r"r.http:1: 'a\x01' has the character '\x01', which no client sends"),
        ("@a = x\n" + "".join(f"@{c} = {'{{a}}' * 99}\n" for c in "aaaa"), "r.http:5: becomes megabytes by its vari"),
        ("WEBSOCKET http://a/live\n", "r.http:1: 'WEBSOCKET http://a/live' is not a request"),
        ('GRAPHQL /graphql\n\n{ a }\n\n{"id": }\n', "r.http:1: Expecting value"),
        ("BREW /a\n", "r.http:1: 'BREW /a' is not a request"),
    ],
)
def test_a_line_that_cannot_be_sent_is_named(text: str, said: str) -> None:
    with pytest.raises(RequestFileError) as caught:
        read_http(Path("r.http"), text)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def har(*requests: Any) -> str:
    return json.dumps({"log": {"entries": [{"request": request} for request in requests]}}, indent=1)


def test_a_har_file_holds_each_different_request_once() -> None:
    get = {
        "method": "GET",
        "url": "https://prod.example.com/items/12?x=1",
        "headers": [{"name": ":path", "value": "/"}, {"name": "Host", "value": "h"}, {"name": "X", "value": "y"}],
    }
    post = {
        "method": "post",
        "url": "https://prod.example.com/items",
        "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a", "value": "b c"}]},
    }
    binary = {
        "method": "PUT",
        "url": "https://prod.example.com/items/1",
        "postData": {"text": "AAE=", "encoding": "base64"},
    }
    beside = [{"method": "GET", "url": url} for url in ("wss://prod.example.com/live", "data:,x", "blob:https://a/1")]
    live, *beside = beside
    beside += [{"method": "GET", "url": "about:blank"}, {"method": "CONNECT", "url": "prod.example.com:443"}]
    first, opens, second, third = read_har(Path("r.har"), "\ufeff" + har(get, get, live, *beside, post, binary))
    assert (first.operation, first.path, first.headers) == ("GET /items/{id}", "/items/12?x=1", (("X", "y"),))
    assert opens.operation == "WEBSOCKET /live"
    assert (second.method, second.body) == ("POST", b"a=b+c")
    assert third.body == b"\0\1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (har({"method": "GET", "url": "/a", "headers": [{"name": "X", "value": "a\nb"}]}), "r.har:5: log.entries[0]"),
        ('{"log":\n oops}', "r.har:2: is not JSON"),
        ("[]", "r.har:1: has no log.entries, so it is not a HAR file"),
        (har({"method": "GET", "url": "/a"}, {"method": "GET"}), "r.har:11: log.entries[1].request is not a request"),
        (har({"method": "GET", "url": "gopher://a"}), "r.har:5: log.entries[0].request is not a request"),
    ],
)
def test_what_is_no_har_file_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(RequestFileError) as caught:
        read_har(Path("r.har"), text)
    assert said in str(caught.value)


def test_files_are_found_beside_services_and_where_nova_toml_names_them(tmp_path: Path) -> None:
    for name in ("alpha", "beta"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "requests.http").write_text(f"GET /{name}/beside\n")
    (tmp_path / "recorded.har").write_text(har({"method": "GET", "url": "/beta/named"}))
    (tmp_path / "requests.http").write_text("GET /anybody\n")
    (tmp_path / "nova.toml").write_text('[[services]]\nname = "beta"\nrequests = "recorded.har"\n')
    files = RequestFiles.load(tmp_path)
    assert [each.path for each in files.of("alpha")] == ["/alpha/beside", "/anybody"]
    assert [each.path for each in files.of("beta")] == ["/beta/named", "/anybody"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("requests.http", b"# nothing\n", "holds no request: add one"),
        ("requests.http", b"GET /a\nX: \xff\n", ":2: is not UTF-8: save it as UTF-8"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestFileError) as caught:
        RequestFiles.load(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("named", "said"),
    [("none.har", "does not exist: correct its name"), ("nova.toml", "is neither a HAR nor an .http")],
)
def test_a_named_file_that_cannot_be_read_is_refused(tmp_path: Path, named: str, said: str) -> None:
    (tmp_path / "nova.toml").write_text(f'[[services]]\nname = "beta"\nrequests = "{named}"\n')
    with pytest.raises(RequestFileError) as caught:
        RequestFiles.load(tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ['{"log": []}', '{"log": {"entries": {}}}', "[]", '{"log":' * 60_000, '{"log": {"entr']
)
def test_a_file_that_is_cut_off_or_no_har_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(
        RequestFileError, match=r"^r\.har:\d+: (is not JSON|has no log\.entries).*: export it again"
    ) as caught:
        read_har(Path("r.har"), text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.exhaustive("test_a_har_file_holds_each_different_request_once")
def test_a_large_har_file_is_read_in_seconds() -> None:
    """Fifty megabytes: each entry's line is looked for only if something is wrong with it."""
    request = {"method": "GET", "url": "http://h/a", "headers": [], "comment": "x" * 2_000}
    text = har(*([request] * 20_000))
    before = time.process_time()
    [only] = read_har(Path("r.har"), text)
    assert only.path == "/a"
    assert time.process_time() - before < 10


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "requests.http")
    with pytest.raises(RequestFileError, match=r"requests\.http:1: is not a file: replace it"):
        RequestFiles.load(tmp_path)


def test_a_har_file_that_is_nested_too_deeply_is_called_so() -> None:
    with pytest.raises(RequestFileError, match=r"x\.har:1: is not JSON \(it is nested too deeply\): export"):
        read_har(Path("x.har"), "[" * 200_000)
