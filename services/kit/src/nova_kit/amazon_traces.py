"""Traces that a load balancer of AWS began: it names a trace in `X-Amzn-Trace-Id`, but no span of it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.aws.aws_xray_propagator import TRACE_HEADER_KEY, AwsXRayPropagator
from opentelemetry.propagators.textmap import CarrierT, Getter, default_getter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

# The trace that the running request belongs to, for its first span.
_root: ContextVar[int | None] = ContextVar("trace_root", default=None)


class AmazonTraces(AwsXRayPropagator):
    """Reads `X-Amzn-Trace-Id`, also without a parent."""

    def __init__(self, root_of: Callable[[str], str | None]) -> None:
        """Take what finds the id of a trace in that header."""
        self._root_of = root_of

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context in which a request's span begins."""
        found = super().extract(carrier, context, getter)
        if not trace.get_current_span(found).get_span_context().is_valid:
            values = getter.get(carrier, TRACE_HEADER_KEY) or []
            root = self._root_of(values[0]) if len(values) == 1 else None
            _root.set(int(root, 16) if root else None)
        return found


class AmazonIds(RandomIdGenerator):
    """Gives a trace the id that the load balancer gave it."""

    def generate_trace_id(self) -> int:
        """Return the id for a span without a parent."""
        return _root.get() or super().generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Say no: the first digits of such an id are a time."""
        return False
