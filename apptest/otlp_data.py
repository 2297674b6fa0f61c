"""OTLP requests in which every field is set, and what the own API must say of them (docs/api/telemetry.md)."""
import base64
import json
import secrets
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces_pb
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

REQUESTS = {"traces": traces_pb.ExportTraceServiceRequest, "metrics": metrics_pb.ExportMetricsServiceRequest,
            "logs": logs_pb.ExportLogsServiceRequest}
RESPONSES = {"traces": traces_pb.ExportTraceServiceResponse, "metrics": metrics_pb.ExportMetricsServiceResponse,
             "logs": logs_pb.ExportLogsServiceResponse}
SERVICES = {"traces": "trace.v1.TraceService", "metrics": "metrics.v1.MetricsService", "logs": "logs.v1.LogsService"}
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]
EXACT = 2**53 - 1  # larger integers are strings in JSON


def any_value(value):
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(v) for v in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
    return AnyValue(string_value=value)


def key_values(attributes):
    return [KeyValue(key=k, value=any_value(v)) for k, v in attributes.items()]


EVERYTHING = {
    "text": "caf\u00e9 \"quoted\" \\ back\ttab\nline \U0001f600 'single' {x:String}; DROP TABLE spans", "empty.text": "",
    "yes": True, "no": False, "small": -7, "large": 2**63 - 1, "least": -2**63, "real": 0.1, "whole": 3.0,
    "nan": float("nan"), "infinite": float("-inf"), "bytes": b"\x00\x01\xff", "nothing": None,
    "list": ["a", 1, 2.5, True, None, [b"z"]], "map": {"k": {"deep": [1]}, "q\"": "v"}}


def nested_json(value):
    """A value inside an array or a map, as OTLP/JSON writes it."""
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [nested_json(v) for v in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": nested_json(v)} for k, v in value.items()]}}
    return {"stringValue": value}


def integer_json(value):
    return value if abs(value) <= EXACT else str(value)


def real_json(value):
    if value != value:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, value)


def value_json(value):
    """-> {"type", "value"} of the own API."""
    if value is None:
        return {"type": "empty", "value": None}
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int", "value": integer_json(value)}
    if isinstance(value, float):
        return {"type": "double", "value": real_json(value)}
    if isinstance(value, bytes):
        return {"type": "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"type": "array", "value": nested_json(value)["arrayValue"]["values"]}
    if isinstance(value, dict):
        return {"type": "map", "value": nested_json(value)["kvlistValue"]["values"]}
    return {"type": "string", "value": value}


def attributes_json(attributes):
    return [{"key": k, **value_json(v)} for k, v in attributes.items()]


def otlp_json(message):
    """A request as OTLP/JSON: hex ids, enums as integers."""
    def fix(x):
        if isinstance(x, dict):
            return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else fix(v)
                    for k, v in x.items()}
        return [fix(i) for i in x] if isinstance(x, list) else x
    return json.dumps(fix(json.loads(json_format.MessageToJson(message, use_integers_for_enums=True)))).encode()


class Context:
    """One resource and one scope, unique by `run`."""

    def __init__(self):
        self.run = secrets.token_hex(6)
        self.service = f"svc-{self.run}"
        self.resource = {"service.name": self.service, "service.instance.id": f"{self.service}-1", "replicas": 3}
        self.scope = {"scope.attr": True}
        self.now = time.time_ns()

    def fill(self, by_resource, by_scope):
        by_resource.resource.attributes.extend(key_values(self.resource))
        by_resource.resource.dropped_attributes_count = 2
        by_resource.schema_url = "https://example.org/resource"
        by_scope.scope.name, by_scope.scope.version = "lib", "1.2"
        by_scope.scope.attributes.extend(key_values(self.scope))
        by_scope.scope.dropped_attributes_count = 3
        by_scope.schema_url = "https://example.org/scope"

    def check(self, answer, row):
        """The resource and scope that a row of an answer refers to are ours."""
        assert answer["resources"][row["resource"]] == {
            "service": self.service, "instance": f"{self.service}-1", "dropped_attributes": 2,
            "schema_url": "https://example.org/resource",
            "attributes": sorted(attributes_json(self.resource), key=lambda a: a["key"])}
        assert answer["scopes"][row["scope"]] == {
            "name": "lib", "version": "1.2", "dropped_attributes": 3, "schema_url": "https://example.org/scope",
            "attributes": attributes_json(self.scope)}


def full_trace(context):
    """-> (request, the spans that /v1/traces must show, without resource and scope)."""
    request = traces_pb.ExportTraceServiceRequest()
    by_resource = request.resource_spans.add()
    by_scope = by_resource.scope_spans.add()
    context.fill(by_resource, by_scope)
    trace, ids, want = secrets.token_bytes(16), [secrets.token_bytes(8) for _ in range(6)], []
    for kind, span_id in enumerate(ids):
        start = context.now - 10**9 + kind
        span = by_scope.spans.add(trace_id=trace, span_id=span_id, name=f"op {kind}", kind=kind, trace_state="a=b",
                                  parent_span_id=ids[0] if kind else b"", flags=0x101,
                                  start_time_unix_nano=start, end_time_unix_nano=start + 1000 * kind + 7,
                                  dropped_attributes_count=1, dropped_events_count=2, dropped_links_count=3)
        span.attributes.extend(key_values(EVERYTHING))
        span.status.code, span.status.message = kind % 3, "why" if kind % 3 == 2 else ""
        span.events.add(time_unix_nano=start + 1, name="event", attributes=key_values(EVERYTHING),
                        dropped_attributes_count=4)
        span.events.add(time_unix_nano=start + 2, name="second")
        span.links.add(trace_id=trace, span_id=ids[0], trace_state="c=d", attributes=key_values(EVERYTHING),
                       dropped_attributes_count=5, flags=0x100)
        everything = attributes_json(EVERYTHING)
        want.append({
            "trace_id": trace.hex(), "span_id": span_id.hex(), "parent_span_id": ids[0].hex() if kind else "",
            "service": context.service, "name": f"op {kind}", "kind": KINDS[kind], "status": STATUSES[kind % 3],
            "status_message": "why" if kind % 3 == 2 else "", "trace_state": "a=b", "flags": 0x101,
            "start_time_unix_nano": str(start), "duration_nano": str(1000 * kind + 7), "attributes": everything,
            "dropped_attributes": 1, "dropped_events": 2, "dropped_links": 3,
            "events": [{"time_unix_nano": str(start + 1), "name": "event", "attributes": everything,
                        "dropped_attributes": 4},
                       {"time_unix_nano": str(start + 2), "name": "second", "attributes": [], "dropped_attributes": 0}],
            "links": [{"trace_id": trace.hex(), "span_id": ids[0].hex(), "trace_state": "c=d", "flags": 0x100,
                       "attributes": everything, "dropped_attributes": 5}]})
    return request, want


def full_logs(context):
    """-> (request, the records that /v1/logs must show, newest first)."""
    request = logs_pb.ExportLogsServiceRequest()
    by_resource = request.resource_logs.add()
    by_scope = by_resource.scope_logs.add()
    context.fill(by_resource, by_scope)
    want = []
    for i, body in enumerate(EVERYTHING.values()):
        trace, span = (secrets.token_bytes(16), secrets.token_bytes(8)) if i % 2 else (b"", b"")
        at = context.now - 10**9 + i
        by_scope.log_records.add(time_unix_nano=at, observed_time_unix_nano=at + 5, severity_number=i + 1,
                                 severity_text=f"S{i}", body=any_value(body), attributes=key_values(EVERYTHING),
                                 dropped_attributes_count=i, flags=1, trace_id=trace, span_id=span,
                                 event_name=f"event.{i}" if i % 3 else "")
        want.append({"time_unix_nano": str(at), "observed_time_unix_nano": str(at + 5), "service": context.service,
                     "severity_number": i + 1, "severity_text": f"S{i}", "body": value_json(body),
                     "event_name": f"event.{i}" if i % 3 else "", "trace_id": trace.hex(), "span_id": span.hex(),
                     "flags": 1, "attributes": attributes_json(EVERYTHING), "dropped_attributes": i})
    return request, want[::-1]
