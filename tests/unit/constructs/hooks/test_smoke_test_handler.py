"""The function that asks a new revision for its smoke paths, against a server here."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from nova_infra.constructs.hooks import smoke_test_handler

ANSWERS = {
    "/good": [200],
    "/moved": [204],
    "/missing": [404],
    "/broken": [500],
    "/late": [503, 502, 200],
    "/gone": [503],
    "/slash": [301],
    "/full": [302],
    "/elsewhere": [302],
    "/neighbour": [302],
    "/port": [302],
    "/app": [302],
    "/round": [302],
    "/own": [301],
    "/own-red": [301],
}
LEADS_TO = {
    "/slash": "/good",
    "/full": "http://shop.example.com/good",
    "/elsewhere": "https://api.example.com/good",
    "/neighbour": "http://127.0.0.1:1/good",
    "/port": "http://shop.example.com:http/good",
    "/app": "shop-app://good",
    "/round": "/round",
    "/own": "https://www.example.com/good",
    "/own-red": "https://www.example.com/missing",
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server that answers as the table says, the last answer again and again, and keeps what it was asked."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    asked: list[tuple[str, str]] = []
    hosts: list[str] = []
    signature: list[str] = []
    left = {path: list(statuses) for path, statuses in ANSWERS.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("x-nova-test", "")))
            hosts.append(self.headers["Host"])
            statuses = left[self.path]
            self.send_response_only(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.send_header("Content-Length", "0")
            for each in signature:
                self.send_header("Server", each)
            if self.path in LEADS_TO:
                self.send_header("Location", LEADS_TO[self.path])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.asked, running.hosts, running.signature = asked, hosts, signature  # type: ignore[attr-defined]  # read by the handler
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_a_path_is_asked_again_three_times_two_seconds_apart(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that never answers takes little of what the function has: Lambda would end it without an answer."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    assert smoke_test_handler.handler(event(server, "/gone"), None) == {"hookStatus": "FAILED"}
    assert waited == [0, 2, 2, 2]


def event(server: Any, *paths: str) -> dict[str, Any]:
    urls = [f"http://127.0.0.1:{server.server_port}{path}" for path in paths]
    return {"hookDetails": {"header": "x-nova-test", "value": "new-revision", "urls": urls}}


@pytest.mark.parametrize(
    ("paths", "status"),
    [
        (["/good", "/moved"], "SUCCEEDED"),
        (["/good", "/missing"], "FAILED"),
        (["/broken"], "FAILED"),
        (["/late"], "SUCCEEDED"),
        (["/gone"], "FAILED"),
        ([], "FAILED"),
    ],
)
def test_every_path_has_to_be_answered_well(server: Any, paths: list[str], status: str) -> None:
    assert smoke_test_handler.handler(event(server, *paths), None) == {"hookStatus": status}


def test_it_asks_with_the_header_that_leads_to_the_new_revision(server: Any) -> None:
    smoke_test_handler.handler(event(server, "/good"), None)
    assert server.asked == [("/good", "new-revision")]


def test_a_host_that_no_record_leads_to_is_asked_for_at_the_address(server: Any) -> None:
    asked = event(server, "/full", "/slash")
    asked["hookDetails"]["host"] = "shop.example.com"
    assert smoke_test_handler.handler(asked, None) == {"hookStatus": "SUCCEEDED"}
    assert [path for path, _ in server.asked] == ["/full", "/good", "/slash", "/good"]
    assert {*server.hosts} == {"shop.example.com"}
    assert {value for _, value in server.asked} == {"new-revision"}


@pytest.mark.parametrize("path", ["/elsewhere", "/neighbour", "/full", "/app"])
def test_a_redirect_to_another_host_is_the_services_own_answer_and_not_followed(server: Any, path: str) -> None:
    """There may be another environment, which runs well, or somebody else's page to log in at."""
    assert smoke_test_handler.handler(event(server, path), None) == {"hookStatus": "SUCCEEDED"}
    assert [asked for asked, _ in server.asked] == [path]


def test_a_redirect_to_another_host_by_the_load_balancer_itself_is_red(
    server: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.signature.append("awselb/2.0")
    assert smoke_test_handler.handler(event(server, "/elsewhere"), None) == {"hookStatus": "FAILED"}
    said = "/elsewhere answered 302: the load balancer itself leads to https://api.example.com/good, so the service"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("http://shop.example.com", True),
        ("http://shop.example.com:80/new", True),
        ("https://shop.example.com:443", True),
        ("https://shop.example.com:8443", False),
        ("http://shop.example.com:79", False),
        ("http://www.example.com", False),
    ],
)
def test_a_redirect_to_the_same_host_may_change_between_the_usual_ports(address: str, same: bool) -> None:
    here = smoke_test_handler.place(urlsplit("https://shop.example.com/"))
    assert (smoke_test_handler.place(urlsplit(address)) == here) is same


@pytest.mark.parametrize(("path", "status"), [("/own", "SUCCEEDED"), ("/own-red", "FAILED")])
@pytest.mark.parametrize("host", ["example.com", ""])
def test_a_redirect_to_another_host_of_the_service_is_followed(server: Any, path: str, status: str, host: str) -> None:
    asked = event(server, path)
    base = f"http://127.0.0.1:{server.server_port}"
    asked["hookDetails"] |= {"host": host, "hosts": {"example.com": base, "www.example.com": base}}
    assert smoke_test_handler.handler(asked, None) == {"hookStatus": status}
    assert [each for each, _ in server.asked] == [path, LEADS_TO[path].removeprefix("https://www.example.com")]
    assert server.hosts[1] == ("www.example.com" if host else base.removeprefix("http://"))
    assert {value for _, value in server.asked} == {"new-revision"}


@pytest.mark.parametrize(
    ("path", "said"), [("/port", "leads to what is no address: Port could not"), ("/round", "/round answered 302")]
)
def test_a_redirect_that_leads_nowhere_is_red(
    server: Any, path: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke_test_handler.handler(event(server, path), None) == {"hookStatus": "FAILED"}
    assert said in capsys.readouterr().out


def test_an_answer_that_is_no_http_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    import http.client

    def cut(*_: object, **__: object) -> None:
        raise http.client.BadStatusLine("SSH-2.0")

    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("urllib.request.OpenerDirector.open", cut)
    details = {"header": "x-nova-test", "value": "new-revision"}
    assert smoke_test_handler.ask("http://shop/up", details) == "http://shop/up did not answer: SSH-2.0"


def test_a_services_own_red_is_not_asked_for_again(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    smoke_test_handler.handler(event(server, "/broken", "/good"), None)
    assert [path for path, _ in server.asked] == ["/broken", "/good"]
    assert "/broken answered 500" in capsys.readouterr().out


def test_no_target_that_answers_is_red(server: Any) -> None:
    asked = event(server, "/good")
    asked["hookDetails"]["urls"] = ["http://127.0.0.1:1/good"]
    assert smoke_test_handler.handler(asked, None) == {"hookStatus": "FAILED"}


def test_details_may_arrive_as_text(server: Any) -> None:
    details = json.dumps(event(server, "/good")["hookDetails"])
    assert smoke_test_handler.handler({"hookDetails": details}, None) == {"hookStatus": "SUCCEEDED"}


def test_a_call_without_details_is_red() -> None:
    assert smoke_test_handler.handler({}, None) == {"hookStatus": "FAILED"}


@pytest.mark.parametrize(
    ("path", "stops", "desired", "status", "asks"),
    [
        ("/gone", True, 0, "SUCCEEDED", 1),
        ("/gone", True, 1, "FAILED", 1),
        ("/gone", False, 0, "FAILED", 0),  # somebody stopped it by hand
        ("/good", True, 0, "SUCCEEDED", 0),
    ],
)
def test_a_service_that_its_schedule_has_stopped_is_not_tested(
    server: Any, monkeypatch: pytest.MonkeyPatch, path: str, stops: bool, desired: int, status: str, asks: int
) -> None:
    asked: list[dict[str, Any]] = []

    def describe_services(**given: Any) -> dict[str, Any]:
        asked.append(given)
        return {"services": [{"desiredCount": desired}]}

    ecs = SimpleNamespace(describe_services=describe_services)
    monkeypatch.setattr("boto3.client", lambda name: {"ecs": ecs}[name])
    called = event(server, path)
    called["hookDetails"] |= {"stops": True} if stops else {}
    called["executionDetails"] = {"serviceArn": "arn:aws:ecs:eu-west-1:111122223333:service/acme-qa/acme-qa-shop"}
    assert smoke_test_handler.handler(called, None) == {"hookStatus": status}
    assert asked == [{"cluster": "acme-qa", "services": ["acme-qa-shop"]}] * asks
