"""Traces and metrics by OpenTelemetry, on where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.

FastAPI measures requests and opens their spans by itself; here is where they go, and which traces they continue. The
SDK is loaded only where it is on: it takes a quarter of a second of a processor. Its own variables hold, such as
`OTEL_TRACES_SAMPLER` and `OTEL_METRIC_EXPORT_INTERVAL`:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, propagate, trace

from nova_kit.settings import Settings

#: What says which trace a request belongs to.
TRACE_HEADERS = ("traceparent", "tracestate", "x-amzn-trace-id")

#: Seconds in which the last spans and figures have to be sent when the process stops.
FLUSH_SECONDS = 1.0

# Headers of the running request, to be passed on where nothing is traced here.
_carried: ContextVar[dict[str, str] | None] = ContextVar("trace_headers", default=None)

# A load balancer names a trace and no span of it: `Root=1-67891233-abcdef012345678912345678`.
_ROOT = re.compile(r"(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;|$)", re.ASCII)
_PARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII)

# W3C Trace Context, 3.3.1.5, asks for 512 characters of tracestate.
_MOST_BYTES = 512

_shut_down: list[Callable[[], object]] = []


def config(settings: Settings, exclude: Callable[[MutableMapping[str, Any]], bool]) -> TelemetryConfig:
    """Return what FastAPI should measure.

    Args:
        settings: How the process runs.
        exclude: Tells by its scope which request is not worth it.
    """
    on = settings.collector_url is not None
    return {
        "tracing": on,
        "metrics": on,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": exclude,
    }


def start(settings: Settings) -> None:
    """Set up what spans and figures go through, once in a process, where a collector is named."""
    if settings.collector_url is None or _shut_down:
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.propagators.composite import CompositePropagator
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from nova_kit.amazon_traces import AmazonIds, AmazonTraces

    resource = Resource.create({SERVICE_NAME: settings.service, SERVICE_VERSION: settings.release})
    # The last one that finds its header wins.
    propagate.set_global_textmap(CompositePropagator([AmazonTraces(root_of), TraceContextTextMapPropagator()]))
    spans = TracerProvider(resource=resource, id_generator=AmazonIds(), shutdown_on_exit=False)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    figures = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource, shutdown_on_exit=False)
    metrics.set_meter_provider(figures)
    _shut_down.extend((spans.shutdown, figures.shutdown))


async def stop() -> None:
    """Send what is left, but do not wait for a collector that is away."""
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await asyncio.gather(*(asyncio.to_thread(shut_down) for shut_down in _shut_down))
    except TimeoutError:
        pass
    _shut_down.clear()


def adopt(headers: Mapping[bytes, bytes]) -> str | None:
    """Remember which trace the running request belongs to.

    Args:
        headers: The request's.

    Returns:
        The trace's id, 32 hexadecimal digits, for the log; None when the request belongs to none.
    """
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        return trace.format_trace_id(span.trace_id)
    carried = {
        name: value.decode("latin-1")
        for name in TRACE_HEADERS
        if (value := headers.get(name.encode())) and len(value) <= _MOST_BYTES
    }
    if not carried:
        return None
    _carried.set(carried)
    if found := _PARENT.fullmatch(carried.get("traceparent", "")):
        return found.group(1)
    return root_of(carried.get("x-amzn-trace-id", ""))


def root_of(header: str) -> str | None:
    """Return the id, 32 hexadecimal digits, of the trace that an `X-Amzn-Trace-Id` names."""
    found = _ROOT.search(header)
    return found.group(1) + found.group(2) if found else None


def carried_headers() -> dict[str, str]:
    """Return the headers that let another service continue the running request's trace."""
    carrier = dict(_carried.get() or {})
    propagate.inject(carrier)
    return carrier


@contextmanager
def call_span(service: str, method: str, url: str) -> Iterator[Callable[[int], None]]:
    """Trace a call of another service.

    Args:
        service: Its name.
        method: HTTP method.
        url: Where it is called.

    Yields:
        A function to be told the answer's status.
    """
    attributes = {"http.request.method": method, "url.full": url, "server.address": service}
    tracer = trace.get_tracer("nova_kit")
    with tracer.start_as_current_span(method, kind=trace.SpanKind.CLIENT, attributes=attributes) as span:

        def answered(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                span.set_attribute("error.type", str(status))
                span.set_status(trace.StatusCode.ERROR)

        yield answered
