"""One request through services that speak different context headers is one trace (docs/context.md)."""
import secrets

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from harness import Homeostat


class Datadog:
    """Datadog's headers: the lower half of the id in decimal, the upper half, when there is one, in a tag."""

    def inject(self, headers, context):
        span = trace.get_current_span(context).get_span_context()
        headers["x-datadog-trace-id"] = str(span.trace_id & (2**64 - 1))
        headers["x-datadog-parent-id"] = str(span.span_id)
        headers["x-datadog-sampling-priority"] = "1"
        if span.trace_id >> 64:
            headers["x-datadog-tags"] = f"_dd.p.tid={span.trace_id >> 64:016x}"

    def extract(self, headers):
        tags = dict(tag.split("=") for tag in headers.get("x-datadog-tags", "").split(",") if tag)
        upper = int(tags.get("_dd.p.tid", "0"), 16)
        return trace.set_span_in_context(NonRecordingSpan(SpanContext(
            upper << 64 | int(headers["x-datadog-trace-id"]), int(headers["x-datadog-parent-id"]), True,
            TraceFlags(TraceFlags.SAMPLED))))


class Otel:
    def __init__(self, propagator):
        self.propagator = propagator

    def inject(self, headers, context):
        self.propagator.inject(headers, context)

    def extract(self, headers):
        return self.propagator.extract(headers)


class ShortIds(RandomIdGenerator):
    """64 bits, the first hex digit zero: headers that drop leading zeros show it."""

    def generate_trace_id(self):
        return secrets.randbits(60) | 1 << 59


HOPS = [("w3c", Otel(TraceContextTextMapPropagator())), ("b3", Otel(B3SingleFormat())),
        ("b3multi", Otel(B3MultiFormat())), ("jaeger", Otel(JaegerPropagator())), ("datadog", Datadog()),
        ("w3c-again", Otel(TraceContextTextMapPropagator()))]


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def request_through_all(h, ids):
    """-> (trace id, [(service, header names that it was called with)])."""
    headers, context, seen, trace_id = {}, None, [], None
    run = secrets.token_hex(4)
    for i, (name, propagator) in enumerate(HOPS):
        service = f"{name}-{run}"
        provider = TracerProvider(resource=Resource({"service.name": service}), id_generator=ids)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(h.url("otlp_http", "/v1/traces"))))
        context = HOPS[i - 1][1].extract(headers) if i else None
        with provider.get_tracer("context").start_as_current_span("handle", context, SpanKind.SERVER) as span:
            headers_out = {}
            propagator.inject(headers_out, trace.set_span_in_context(span))
        seen.append((service, sorted(headers)))
        headers, trace_id = headers_out, trace_id or span.get_span_context().trace_id
        provider.shutdown()
    return trace_id, seen


@pytest.mark.parametrize("bits", [128, 64])
def test_one_request_is_one_trace(h, bits):
    number, seen = request_through_all(h, RandomIdGenerator() if bits == 128 else ShortIds())
    assert [headers for _, headers in seen][1:5] == [
        ["traceparent"], ["b3"], ["x-b3-sampled", "x-b3-spanid", "x-b3-traceid"], ["uber-trace-id"]]
    h.flush()
    asked = {f"{number:032x}", f"{number:032X}", f"{number:x}"} | ({f"{number:016x}"} if bits == 64 else set())
    for text in asked:
        status, answer = h.get(f"/v1/traces/{text}")
        assert (status, answer.get("trace_id")) == (200, f"{number:032x}"), text
        spans = {s["service"]: s for s in answer["spans"]}
        assert set(spans) == {service for service, _ in seen}
        parents = ["", *(spans[service]["span_id"] for service, _ in seen[:-1])]
        assert [spans[service]["parent_span_id"] for service, _ in seen] == parents
        assert len(h.get(f"/v1/spans?trace_id={text}")[1]["spans"]) == len(HOPS)
    assert h.get(f"/v1/traces/{'0' * 33}")[0] == 400
