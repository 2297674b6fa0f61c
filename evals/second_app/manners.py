"""Other manners of telling the same: what applications in the field do, and the one that was written here does not.

    python run.py --as sampled --as old-names --only replica-fails
"""
import random
import re

from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, Status, StatusCode, TraceState

MANNERS = {
    "sampled": "one trace in ten is recorded, and nothing says so",
    "sampled-th": "one trace in ten is recorded, and the tracestate says so (ot=th)",
    "export-5s": "the SDKs' own delays: spans and logs every 5 s, metrics every minute",
    "export-10s": "spans and logs every 10 s, metrics every minute",
    "low-traffic": "a third of the load: 4 rides a second",
    "geo-metrics": "geo sends metrics only",
    "geo-logs": "geo sends logs only",
    "no-routes": "each span has a name of its own: the path with the rider's id; objectives are per service",
    "old-names": "conventions of 2022: http.method, http.status_code, net.peer.name",
    "no-instance": "services tell no service.instance.id",
    "flags-old": "evaluations are told by the span event feature_flag with key, provider_name and variant alone",
    "flags-log": "evaluations are told by the log event feature_flag.evaluation",
    "flags-span": "evaluations are told by a span of their own, with attributes",
    "grpc": "spans are told as gRPC: rpc.system, rpc.grpc.status_code",
    "grpc-names": "spans are told as gRPC by the newest conventions: rpc.response.status_code with a name",
    "codes-only": "failed spans have a status code and no span status",
    "exceptions-only": "failed spans have an exception event, no code and no span status",
    "keyless": "evaluations have no targeting key",
    "bare": "no objectives, no KPIs, and nothing said of the knobs' effects",
}
EXPORT_MS = {"export-5s": 5000, "export-10s": 10_000}
METRICS_MS = 60_000
KEPT = 0.1  # of the traces
LOW = 1 / 3
GRPC = {200: (0, "OK"), 404: (5, "NOT_FOUND"), 500: (13, "INTERNAL"), 502: (14, "UNAVAILABLE"), 503: (14, "UNAVAILABLE"),
        504: (4, "DEADLINE_EXCEEDED")}
THRESHOLD = round((1 - KEPT) * (1 << 56))


class Tenth(Sampler):
    """Keeps a trace by the last 56 bits of its id, as OpenTelemetry's consistent sampling does."""

    def __init__(self, says_so):
        self._state = TraceState([("ot", f"th:{THRESHOLD:014x}".rstrip("0"))]) if says_so else None

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        kept = trace_id & ((1 << 56) - 1) >= THRESHOLD
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kept else Decision.DROP, attributes if kept else None,
                              self._state)

    def get_description(self):
        return "Tenth"


class Manner:
    def __init__(self, names=()):
        self.names = set(names)

    def __contains__(self, name):
        return name in self.names

    def export_ms(self, usual):
        return max((ms for name, ms in EXPORT_MS.items() if name in self), default=usual)

    def metrics_ms(self, usual):
        return METRICS_MS if self.export_ms(0) else usual

    def sampler(self):
        says_so = "sampled-th" in self
        return ParentBased(Tenth(says_so)) if says_so or "sampled" in self else None

    def sends(self, service, signal):
        return service != "geo" or not any(f"geo-{only}" in self and only != signal for only in ("metrics", "logs"))

    def instance(self, instance):
        return {} if "no-instance" in self else {"service.instance.id": instance}

    def span(self, kind, method, path, peer=""):
        """-> name and attributes of a span when it begins."""
        name = f"{method} {path}"
        if "grpc" in self or "grpc-names" in self:
            told = {"rpc.system": "grpc", "rpc.method": path.strip("/")}
        elif "exceptions-only" in self:
            told = {}
        else:
            told = {"http.method" if "old-names" in self else "http.request.method": method}
            if kind == SpanKind.SERVER and "no-routes" not in self:
                told["http.route"] = path
        if "no-routes" in self:
            name = f"{method} {path}/{random.getrandbits(48):x}"
        if peer:
            told["net.peer.name" if "old-names" in self else "server.address"] = peer
        return name, told

    def ended(self, span, status, failed):
        """Tells how a call or an answer ended; status 0: there was none."""
        if "exceptions-only" in self:
            if failed:
                span.record_exception(RuntimeError(f"it ended with {status}"))
            return
        code, name = GRPC.get(status or 504, (2, "UNKNOWN"))
        if status == 0 and "grpc" not in self and "grpc-names" not in self:
            span.set_attribute("error.type", "TimeoutError")
        elif "grpc" in self:
            span.set_attribute("rpc.grpc.status_code", code)
        elif "grpc-names" in self:
            span.set_attribute("rpc.response.status_code", name)
        else:
            span.set_attribute("http.status_code" if "old-names" in self else "http.response.status_code", status)
        if failed and "codes-only" not in self:
            span.set_status(Status(StatusCode.ERROR))

    def evaluated(self, telemetry, key, value, variant, version, rider):
        """Tells what a knob was."""
        told = {"feature_flag.key": key, "feature_flag.result.variant": variant, "feature_flag.result.value": value,
                "feature_flag.version": version, "feature_flag.context.id": rider, "feature_flag.set.id": "homeostat"}
        if "flags-old" in self:
            trace.get_current_span().add_event("feature_flag", {
                "feature_flag.key": key, "feature_flag.provider_name": "homeostat", "feature_flag.variant": variant})
        elif "flags-log" in self:
            telemetry.event("feature_flag.evaluation", told)
        elif "flags-span" in self:
            with telemetry.tracer.start_as_current_span("feature_flag", attributes=told):
                pass
        else:
            trace.get_current_span().add_event("feature_flag.evaluation", told)

    def declared(self, text):
        """The declarations that go with it."""
        if "no-routes" in self:
            text = per_service(text)
        if "bare" in self:
            text = without_expectations(text[text.index("knobs:"):])
        return text


def per_service(text):
    """Objectives and expectations without operations; of several objectives of one kind the most lenient."""
    lines, seen = [], {}
    for line in text.splitlines():
        bare = re.sub(r' operation: ("[^"]*"|\w+),', "", line)
        objective = "{service" in bare and "target:" in bare
        kind = (re.search(r"service: [\w-]+", bare)[0], "latency" in bare) if objective else None
        if kind and kind in seen:
            threshold = re.search(r"threshold_ms: (\d+)", bare)
            before = re.search(r"threshold_ms: (\d+)", lines[seen[kind]])
            if threshold and int(threshold[1]) > int(before[1]):
                lines[seen[kind]] = bare
            continue
        if kind:
            seen[kind] = len(lines)
        lines.append(bare)
    return "\n".join(lines) + "\n"


def without_expectations(text):
    """The declarations less `expect:` and what belongs to it."""
    out, inside = [], False
    for line in text.splitlines():
        inside = line == "    expect:" or (inside and line.startswith("      "))
        if not inside:
            out.append(line)
    return "\n".join(out) + "\n"
