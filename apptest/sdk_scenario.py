"""What every program of apptest/programs/sdk_* and apptest/sdk/* sends with an official OpenTelemetry SDK, and what
/v1 must answer (docs/api/telemetry.md).

    A resource, one trace of three spans (`checkout` > `charge-card`, `pack`), a span `before` of another trace that `pack`
    is linked to, three log records inside the spans, four metrics. Times of spans, events and records are fixed.

A program reads SDK_SERVICE, SDK_START_MS and the OTEL_EXPORTER_OTLP_* variables, and prints
{"flushed": bool, "ids": {span's name: [trace id, span id]}}.
"""
from otlp_data import attributes_json, value_json

MS = 10**6
SAMPLED = 1
LABELS = attributes_json({"code": 200, "route": "/a"})
RESOURCE = {"service.version": "1.2.3", "sdk.replicas": 3}


def without(row, *keys):
    return {k: v for k, v in row.items() if k not in ("resource", "scope", "id", "service", *keys)}


class Scenario:
    def __init__(self, service, start_ms, ids):
        self.service, self.start, self.ids = service, start_ms * MS, ids

    def at(self, ms):
        return str(self.start + ms * MS)

    def span(self, name, parent, kind, begin_ms, end_ms, **more):
        return {"trace_id": self.ids[name][0], "span_id": self.ids[name][1],
                "parent_span_id": parent and self.ids[parent][1], "name": name, "kind": kind, "status": "unset",
                "status_message": "", "trace_state": "", "start_time_unix_nano": self.at(begin_ms),
                "duration_nano": str((end_ms - begin_ms) * MS), "attributes": [], "dropped_attributes": 0,
                "dropped_events": 0, "dropped_links": 0, "events": [], "links": [], **more}

    def spans(self):
        attributes = {"sdk.string": "h\u00e9llo", "sdk.empty": "", "sdk.int": 42, "sdk.bool": True, "sdk.double": 2.5,
                      "sdk.strings": ["a", "b"], "sdk.ints": [1, 2]}
        exception = {"time_unix_nano": self.at(200), "name": "exception", "dropped_attributes": 0, "attributes":
                     attributes_json({"exception.type": "CardDeclined", "exception.message": "declined"})}
        link = {"trace_id": self.ids["before"][0], "span_id": self.ids["before"][1], "trace_state": "",
                "attributes": attributes_json({"why": "retry"}), "dropped_attributes": 0}
        return [self.span("checkout", "", "server", 0, 500, attributes=attributes_json(attributes)),
                self.span("charge-card", "checkout", "client", 100, 300, status="error", status_message="declined",
                          events=[exception]),
                self.span("pack", "checkout", "internal", 300, 400, status="ok", links=[link])]

    def record(self, span, at_ms, number, text, body):
        return {"time_unix_nano": self.at(at_ms), "severity_number": number, "severity_text": text,
                "body": value_json(body), "event_name": "", "trace_id": self.ids[span][0],
                "span_id": self.ids[span][1], "attributes": attributes_json({"order.id": "o-77"}),
                "dropped_attributes": 0}

    def logs(self):
        """Newest first."""
        return [self.record("pack", 350, 13, "WARN", {"items": [1, 2], "order": "o-77"}),
                self.record("charge-card", 200, 17, "ERROR", "card declined"),
                self.record("checkout", 50, 9, "INFO", "order placed")]

    def metrics(self):
        """-> {name: (descriptor, newest point)}; the SDK's own clock gives the times of points."""
        def descriptor(name, unit, description, kind, temporality, monotonic):
            return {"name": name, "unit": unit, "description": description, "kind": kind, "temporality": temporality,
                    "monotonic": monotonic, "metadata": [], "attributes": LABELS, "exemplars": []}
        both = [("sdk.orders", "{order}", "orders taken", "sum", "cumulative", True),
                ("sdk.latency", "s", "time to answer", "histogram", "cumulative", False),
                ("sdk.queue", "", "", "sum", "cumulative", False),
                ("sdk.temperature", "Cel", "", "gauge", "unspecified", False)]
        points = [{"type": "int", "value": 7},
                  {"count": 3, "sum": 3.3, "min": 0.1, "max": 3.0, "bounds": [0.15, 1.0], "counts": [1, 1, 1]},
                  {"type": "int", "value": -3}, {"type": "double", "value": 21.5}]
        return {d[0]: (descriptor(*d), {"flags": 0, **p}) for d, p in zip(both, points)}
