"""The telemetry of apptest/sdk_scenario.py, sent by the official Python SDK; prints the ids that it gave."""
import json
import os

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

T = int(os.environ["SDK_START_MS"]) * 10**6
MS = 10**6
resource = Resource.create({"service.name": os.environ["SDK_SERVICE"], "service.version": "1.2.3", "sdk.replicas": 3})

traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = traces.get_tracer("sdk.scope", "0.1")
metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=60000)],
                        resource=resource)
meter = metrics.get_meter("sdk.scope", "0.1")
logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logger = logs.get_logger("sdk.scope", "0.1")


def log(span, at_ms, severity, text, body):
    logger.emit(LogRecord(timestamp=T + at_ms * MS, severity_number=severity, severity_text=text, body=body,
                          attributes={"order.id": "o-77"}, context=trace.set_span_in_context(span)))


def child(parent, name, kind, at_ms, links=()):
    return tracer.start_span(name, trace.set_span_in_context(parent), kind, links=links, start_time=T + at_ms * MS)


before = tracer.start_span("before", start_time=T)
before.end(T + MS)
checkout = tracer.start_span("checkout", kind=SpanKind.SERVER, start_time=T, attributes={
    "sdk.string": "h\u00e9llo", "sdk.empty": "", "sdk.int": 42, "sdk.bool": True, "sdk.double": 2.5,
    "sdk.strings": ["a", "b"], "sdk.ints": [1, 2]})
log(checkout, 50, SeverityNumber.INFO, "INFO", "order placed")
charge = child(checkout, "charge-card", SpanKind.CLIENT, 100)
charge.add_event("exception", {"exception.type": "CardDeclined", "exception.message": "declined"}, T + 200 * MS)
charge.set_status(Status(StatusCode.ERROR, "declined"))
log(charge, 200, SeverityNumber.ERROR, "ERROR", "card declined")
charge.end(T + 300 * MS)
pack = child(checkout, "pack", SpanKind.INTERNAL, 300, [Link(before.get_span_context(), {"why": "retry"})])
pack.set_status(Status(StatusCode.OK))
log(pack, 350, SeverityNumber.WARN, "WARN", {"items": [1, 2], "order": "o-77"})
pack.end(T + 400 * MS)
checkout.end(T + 500 * MS)

labels = {"code": 200, "route": "/a"}
meter.create_counter("sdk.orders", "{order}", "orders taken").add(7, labels)
latency = meter.create_histogram("sdk.latency", "s", "time to answer", explicit_bucket_boundaries_advisory=[0.15, 1.0])
for seconds in (0.1, 0.2, 3.0):
    latency.record(seconds, labels)
meter.create_up_down_counter("sdk.queue").add(-3, labels)
meter.create_gauge("sdk.temperature", "Cel").set(21.5, labels)

flushed = traces.force_flush() and metrics.force_flush() and logs.force_flush()
for provider in (traces, metrics, logs):
    provider.shutdown()
ids = {s.name: [format(s.get_span_context().trace_id, "032x"), format(s.get_span_context().span_id, "016x")]
       for s in (before, checkout, charge, pack)}
print(json.dumps({"flushed": bool(flushed), "ids": ids}))
