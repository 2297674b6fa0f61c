"""What the shop's Python services share: telemetry, knobs, a small HTTP server and client with spans.

Official SDKs throughout: OpenTelemetry (OTLP/HTTP, protobuf) and OpenFeature (OFREP). Endpoint, service name and
export delays come from the standard OTEL_* variables.
"""
import http.client
import http.server
import json
import os
import signal
import socket
import threading
import time
import urllib.parse

from openfeature import api as openfeature
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.hook import Hook
from opentelemetry import propagate, trace
from opentelemetry._logs import SeverityNumber, set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

EVALUATION_SECONDS_MAX = 0.1  # the client's own default is 5 s
INSTANCE = os.environ.get("SHOP_INSTANCE", "python-1")
LEVELS = {"debug": SeverityNumber.DEBUG, "info": SeverityNumber.INFO, "warn": SeverityNumber.WARN}


def _read_names():
    path = os.environ.get("SHOP_NAMES")
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


NAMES = _read_names()


def named(kind, name):
    """SHOP_NAMES may rename services, operations, knobs and metrics: nothing depends on what they are called."""
    return NAMES.get(f"{kind}:{name}", name)


class Telemetry:
    def __init__(self):
        resource = Resource.create()
        self._spans = TracerProvider(resource=resource)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(self._spans)
        self._logs = LoggerProvider(resource=resource)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), schedule_delay_millis=1000))
        set_logger_provider(self._logs)
        self.tracer = trace.get_tracer("shop")
        self._logger = self._logs.get_logger("shop")
        self.level = SeverityNumber.INFO

    def log(self, severity, text, **attributes):
        if severity.value >= self.level.value:
            self._logger.emit(timestamp=time.time_ns(), severity_number=severity, severity_text=severity.name,
                              body=text, attributes=attributes)

    def info(self, text, **attributes):
        self.log(SeverityNumber.INFO, text, **attributes)

    def warn(self, text, **attributes):
        self.log(SeverityNumber.WARN, text, **attributes)

    def error(self, text, **attributes):
        self.log(SeverityNumber.ERROR, text, **attributes)

    def debug(self, text, **attributes):
        self.log(SeverityNumber.DEBUG, text, **attributes)

    def set_level(self, name):
        self.level = LEVELS.get(name, SeverityNumber.INFO)

    def stop(self):
        self._spans.shutdown()
        self._logs.shutdown()


telemetry = Telemetry()


def event_of(key, context_id, details):
    attributes = {
        "feature_flag.key": key,
        "feature_flag.result.variant": details.variant or "",
        "feature_flag.result.value": str(details.value).lower() if isinstance(details.value, bool) else
                                     str(details.value),
        "feature_flag.result.reason": str(details.reason or "").rsplit(".", 1)[-1].lower(),
        "feature_flag.version": str(details.flag_metadata.get("version", "")),
        "feature_flag.context.id": context_id,
        "feature_flag.set.id": "homeostat",
        "feature_flag.provider.name": "ofrep",
    }
    if details.error_code:
        attributes["error.type"] = details.error_code.value
    return attributes


class RecordEvaluation(Hook):
    """Each evaluation becomes an event of the span that asked for it."""

    def finally_after(self, hook_context, details, hints):
        span = trace.get_current_span()
        if span.is_recording():
            key = hook_context.evaluation_context.targeting_key or ""
            span.add_event("feature_flag.evaluation", event_of(details.flag_key, key, details))


class Evaluations:
    """What this client saw of each knob, second by second: for /evaluations, to look at when the values server is ill."""

    KEPT_SECONDS = 180

    def __init__(self):
        self._seen, self._lock = {}, threading.Lock()

    def note(self, details, seconds):
        with self._lock:
            second = int(time.time())
            seen = self._seen.setdefault(second, {}).setdefault(details.flag_key, {"n": 0, "ms_max": 0.0})
            value = str(details.value).lower() if isinstance(details.value, bool) else str(details.value)
            seen.update(n=seen["n"] + 1, ms_max=max(seen["ms_max"], round(seconds * 1000, 1)), value=value,
                        variant=details.variant or "")
            self._seen.pop(second - self.KEPT_SECONDS, None)

    def copy(self):
        with self._lock:
            return {str(second): {k: dict(v) for k, v in keys.items()} for second, keys in self._seen.items()}


class Knobs:
    """Values for one user (in the request), or for this instance (once a second, in force for every request)."""

    def __init__(self):
        provider = OFREPProvider(os.environ["OFREP_ENDPOINT"], timeout=EVALUATION_SECONDS_MAX)
        openfeature.set_provider(provider)
        self._client = openfeature.get_client()
        self._client.add_hooks([RecordEvaluation()])
        self._watched, self._latest = [], {}
        self.evaluations = Evaluations()

    def _details(self, key, fallback, at):
        kind = {bool: "boolean", int: "integer", float: "float", str: "string"}[type(fallback)]
        start = time.monotonic()
        details = getattr(self._client, f"get_{kind}_details")(key, fallback, EvaluationContext(targeting_key=at))
        self.evaluations.note(details, time.monotonic() - start)
        return details

    def value_for(self, key, fallback, user):
        return self._details(named("knob", key), fallback, user).value

    def watch(self, key, fallback, apply):
        self._watched.append((named("knob", key), fallback, apply))

    def start(self):
        self._poll()
        threading.Thread(target=self._forever, daemon=True).start()

    def _forever(self):
        while True:
            time.sleep(1)
            self._poll()

    def _poll(self):
        for key, fallback, apply in self._watched:
            details = self._details(key, fallback, INSTANCE)
            self._latest[key] = event_of(key, INSTANCE, details)
            apply(details.value)

    def record_instance(self, span):
        for event in list(self._latest.values()):
            span.add_event("feature_flag.evaluation", event)


knobs = Knobs()


class Failure(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Peer:
    """One HTTP connection a thread to one peer; each call under a client span."""

    def __init__(self, name, url):
        self.name, self._url, self._local = name, urllib.parse.urlparse(url), threading.local()

    def _connection(self, timeout):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self._url.hostname, self._url.port)
        connection.timeout = timeout
        if connection.sock is None:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock.settimeout(timeout)
        return connection

    def _exchange(self, method, path, body, headers, timeout):
        try:
            connection = self._connection(timeout)
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except Exception:
            if getattr(self._local, "connection", None):
                self._local.connection.close()
            raise

    def call(self, method, path, body=None, timeout=1.0):
        name, peer = named("operation", f"{method} {path}"), named("service", self.name)
        attributes = {"http.request.method": method, "peer.service": peer, "server.address": peer}
        with telemetry.tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes,
                                                    record_exception=False) as span:
            headers = {"Content-Type": "application/json"}
            propagate.inject(headers)
            try:
                status, answer = self._exchange(method, path, json.dumps(body or {}), headers, timeout)
            except (OSError, http.client.HTTPException) as problem:
                span.set_attribute("error.type", type(problem).__name__)
                raise Failure(504 if isinstance(problem, TimeoutError) else 502,
                              f"{self.name} does not answer: {type(problem).__name__}") from problem
            span.set_attribute("http.response.status_code", status)
            if status >= 400:
                raise Failure(502, f"{self.name} answers {status}")
            return json.loads(answer or b"{}")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def _handler(routes, faults):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body leave in one write

        def log_message(self, *_):
            pass

        def _answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def _body(self):
            length = int(self.headers.get("Content-Length") or 0)
            return json.loads(self.rfile.read(length) or b"{}") if length else {}

        def _handle(self):
            url = urllib.parse.urlparse(self.path)
            body = self._body()
            query = dict(urllib.parse.parse_qsl(url.query))
            if url.path == "/healthz":
                return self._answer(200, {"ok": True})
            if url.path == "/evaluations":
                return self._answer(200, knobs.evaluations.copy())
            if url.path == "/fault" and self.command == "POST":
                faults(body)
                return self._answer(200, body)
            route = f"{self.command} {url.path}"
            if route not in routes:
                return self._answer(404, {"error": f"no route {route}"})
            return self._answer(*_traced(route, routes[route], body, query, self.headers))

        do_GET = do_POST = do_PUT = _handle

    return Handler


def _traced(route, function, body, query, headers):
    context = propagate.extract({k.lower(): v for k, v in headers.items()})
    name = named("operation", route)
    attributes = {"http.request.method": route.split(" ")[0], "http.route": name}
    with telemetry.tracer.start_as_current_span(name, context=context, kind=SpanKind.SERVER, attributes=attributes,
                                                record_exception=False, set_status_on_exception=False) as span:
        knobs.record_instance(span)
        try:
            status, answer = function(body, query, headers)
        except Failure as failure:
            status, answer = failure.status, {"error": str(failure)}
            telemetry.error(f"{named('operation', route)} failed: {failure}")
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute("error.type", str(status))
        return status, answer


def serve(routes, faults=lambda body: None):
    """Runs until SIGTERM."""
    knobs.watch("log.level", "info", telemetry.set_level)
    knobs.start()
    server = Server(("127.0.0.1", int(os.environ["SHOP_PORT"])), _handler(routes, faults))
    stop = lambda *_: threading.Thread(target=server.shutdown, daemon=True).start()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.2)
    telemetry.stop()


class Slots:
    """A capacity: so many at once, so long each, so many waiting at most."""

    def __init__(self, count, seconds, waiting_max, wait_seconds_max, what):
        self._free = threading.BoundedSemaphore(count)
        self._seconds, self._waiting_max, self._wait = seconds, waiting_max, wait_seconds_max
        self._waiting, self._lock, self._what = 0, threading.Lock(), what

    def use(self):
        with self._lock:
            if self._waiting >= self._waiting_max:
                raise Failure(503, f"{self._what}: too many are waiting")
            self._waiting += 1
        try:
            taken = self._free.acquire(timeout=self._wait)
        finally:
            with self._lock:
                self._waiting -= 1
        if not taken:
            raise Failure(503, f"{self._what}: no free slot within {self._wait} s")
        try:
            time.sleep(self._seconds)
        finally:
            self._free.release()
