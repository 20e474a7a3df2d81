"""Traces and metrics: into a collector where one is named, into the log where none is."""

from __future__ import annotations

import http.server
import io
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from nova_kit import logs, outgoing
from nova_kit.app import create_app, router
from nova_kit.metrics import RequestMetrics
from nova_kit.settings import Settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ROOT = "1-5759e988-bd862e3fe1be46a994272793"

SAMPLE = """
import httpx
from nova_kit import outgoing, telemetry
from nova_kit.app import create_app, router
from nova_kit.problems import Problem

routes = router()

@routes.get("/sample/carried")
async def carried() -> dict[str, str]:
    return outgoing.headers()

@routes.get("/sample/call")
async def call() -> dict[str, str]:
    with telemetry.call_span("other-service", "GET", "http://other/x") as answered:
        headers = outgoing.headers()
        answered(503)
        return headers

@routes.get("/sample/refuse")
async def refuse() -> None:
    raise Problem(503, "No.")

app = create_app("sample", routes, summary="A sample.")
"""


@dataclass
class Collector:
    """Receives OTLP over HTTP."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    resources: list[dict[str, str]] = field(default_factory=list)

    def named(self, name: str) -> dict[str, Any]:
        """The attributes of a span, and its ids."""
        (span,) = [span for span in self.spans if span.name == name]
        attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
        ids = {"trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex()}
        return attributes | ids | {"status": span.status.code}


@pytest.fixture
def collector() -> Iterator[Collector]:
    collected = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                    attributes = each.resource.attributes
                    collected.resources.append({item.key: item.value.string_value for item in attributes})
                    collected.spans += [span for scope in each.scope_spans for span in scope.spans]
            else:
                assert self.path == "/v1/metrics"
                for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    collected.metrics |= {item.name: item for scope in measured.scope_metrics for item in scope.metrics}
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        collected.url = f"http://127.0.0.1:{server.server_port}"
        yield collected
        server.shutdown()


def get(running: Any, path: str, **headers: str) -> dict[str, str]:
    connection = HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse().read()
    connection.close()
    document: dict[str, str] = json.loads(answer)
    return document


@contextmanager
def stopped(running: Any) -> Iterator[None]:
    """Stop a process, which sends what is left."""
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(15) == 0
    yield


@pytest.mark.exhaustive("test_requests_are_measured_in_sum")
def test_a_trace_goes_through_the_service_to_what_it_calls(serve: Callable[..., Any], collector: Collector) -> None:
    running = serve(SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, NOVA_RELEASE="r-7")
    carried = get(running, "/sample/call", traceparent=f"00-{TRACE}-{PARENT}-01")
    assert running.logged(message="request", path="/sample/call")["trace_id"] == TRACE
    get(running, "/health")
    with stopped(running):
        server, client = collector.named("GET /sample/call"), collector.named("GET")
    assert (server["trace"], server["parent"], client["trace"], client["parent"]) == (
        TRACE,
        PARENT,
        TRACE,
        server["span"],
    )
    assert carried["traceparent"] == f"00-{TRACE}-{client['span']}-01"
    assert carried["X-Amzn-Trace-Id"] == f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={client['span']};Sampled=1"
    assert (client["server.address"], client["http.response.status_code"], client["status"]) == (
        "other-service",
        503,
        2,
    )
    assert collector.resources[0]["service.name"] == "sample"
    assert collector.resources[0]["service.version"] == "r-7"
    assert len(collector.spans) == 2, "health checks are not traced"


BEGAN = {
    f"Root={ROOT}": "",
    f"Self=1-67891234-12456789abcdef012345678;Root={ROOT}": "",
    f"Root={ROOT};Parent={PARENT};Sampled=1": PARENT,
}
"""What a load balancer sends, to the span that it names as the one above."""


@pytest.mark.exhaustive("test_requests_are_measured_in_sum")
def test_a_trace_that_a_load_balancer_began_goes_on(serve: Callable[..., Any], collector: Collector) -> None:
    running = serve(SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    for header in BEGAN:
        get(running, "/sample/version", X_Amzn_Trace_Id=header)
        assert running.logged(message="request")["trace_id"] == "5759e988bd862e3fe1be46a994272793", header
    with stopped(running):
        spans = [span for span in collector.spans if span.name == "GET /sample/version"]
    assert [(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans] == [
        ("5759e988bd862e3fe1be46a994272793", parent) for parent in BEGAN.values()
    ]


def test_requests_are_measured_in_sum(serve: Callable[..., Any], collector: Collector) -> None:
    running = serve(SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    for _ in range(5):
        get(running, "/sample/version")
    get(running, "/sample/refuse")
    get(running, "/health")
    with stopped(running):
        points = collector.metrics["http.server.request.duration"].histogram.data_points
    counts = {
        next(each.value.string_value for each in point.attributes if each.key == "http.route"): point.count
        for point in points
    }
    assert counts == {"/sample/version": 5, "/sample/refuse": 1}
    assert not any('"_aws"' in line for line in running.lines()), "one of both is enough"


@pytest.mark.exhaustive("test_requests_are_measured_in_sum")
def test_a_collector_that_is_away_delays_no_stop_and_fills_no_log(serve: Callable[..., Any]) -> None:
    running = serve(SAMPLE, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", STOP_TIMEOUT="5")
    get(running, "/sample/version")
    with stopped(running):
        assert [line for line in running.lines() if not line.startswith("{")] == []


routes = router()


@routes.get("/sample/carried")
async def carried() -> dict[str, str]:
    return outgoing.headers()


client = TestClient(create_app("sample", routes, summary="A sample.", settings=Settings(service="sample")))


@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        ({"traceparent": f"00-{TRACE}-{PARENT}-00", "tracestate": "a=b"}, TRACE),
        ({"x-amzn-trace-id": f"Root={ROOT}"}, "5759e988bd862e3fe1be46a994272793"),
        ({"traceparent": f"00-{TRACE}-{PARENT}-01", "x-amzn-trace-id": f"Root={ROOT}"}, TRACE),
        ({"traceparent": "nonsense"}, None),
        ({}, None),
    ],
)
def test_without_a_collector_a_trace_is_passed_on_and_named_in_the_log(sent: dict[str, str], trace: str | None) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter(Settings(service="sample")))
    logger = logging.getLogger("nova.request")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        found = client.get("/sample/carried", headers=sent).json()
    finally:
        logger.removeHandler(handler)
    assert {name: value for name, value in found.items() if name.startswith(("trace", "x-amzn"))} == sent
    assert json.loads(stream.getvalue()).get("trace_id") == trace


def _lines(metrics: Callable[[], None], caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    caplog.set_level(logging.INFO)
    metrics()
    return [vars(record)["fields"] for record in caplog.records if record.name == "nova.metrics"]


def test_without_a_collector_a_minute_of_requests_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    metrics = RequestMetrics("sample")

    def minute() -> None:
        for number in range(5000):
            metrics.record(503 if number % 100 == 0 else 200, float(number % 200))
        metrics.record(200, 9000.0)
        metrics.flush()
        metrics.flush()  # Nothing happened since.

    (line,) = _lines(minute, caplog)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Service"]]
    assert [each["Name"] for each in directive["Metrics"]] == ["Requests", "Errors", "Latency"]
    assert (line["Service"], line["Requests"], line["Errors"]) == ("sample", 5001, 50)
    latencies = sorted(line["Latency"])
    assert len(latencies) == 100
    assert latencies[-1] == 9000.0
    assert latencies[50] == pytest.approx(100, abs=20)
    assert latencies[95] == pytest.approx(190, abs=10)


def test_a_line_is_written_when_it_is_due_and_holds_every_request_once(caplog: pytest.LogCaptureFixture) -> None:
    metrics = RequestMetrics("sample", seconds=0.0)

    def three() -> None:
        for _ in range(3):
            metrics.record(200, 1.0)
        metrics.flush()

    assert sum(line["Requests"] for line in _lines(three, caplog)) == 3


@pytest.mark.exhaustive("test_requests_are_measured_in_sum")
def test_a_process_that_stops_writes_the_figures_that_are_left(serve: Callable[..., Any]) -> None:
    running = serve(SAMPLE)
    get(running, "/sample/version")
    with stopped(running):
        assert running.logged(message="metrics")["Requests"] == 1
