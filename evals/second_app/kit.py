"""What the services of the second application share: telemetry by the official SDK, knobs by hand as docs/knobs.md
describes them, a small HTTP server and client on asyncio. Several services may live in one process."""
import asyncio
import contextlib
import json
import logging
import time
import urllib.parse

from opentelemetry import propagate
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

from manners import Manner

EVALUATION_SECONDS_MAX = 0.1
EXPORT_MS = 1000
HEAD_BYTES_MAX, BODY_BYTES_MAX = 16 * 1024, 1024 * 1024

logging.getLogger("opentelemetry").setLevel(logging.ERROR)


class Failure(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Telemetry:
    """Spans, metrics and logs of one instance of one service."""

    def __init__(self, endpoint, service, instance, token="", manner=Manner()):
        head = {"Authorization": f"Bearer {token}"} if token else {}
        self.service, self.instance = service, instance
        resource = Resource({"service.name": service, **manner.instance(instance)})  # create() makes up an instance id
        self._spans = TracerProvider(resource=resource, sampler=manner.sampler())
        delay_ms = manner.export_ms(EXPORT_MS)
        if manner.sends(service, "spans"):
            self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces", headers=head),
                                                              schedule_delay_millis=delay_ms))
        self._logs = LoggerProvider(resource=resource)
        if manner.sends(service, "logs"):
            self._logs.add_log_record_processor(BatchLogRecordProcessor(
                OTLPLogExporter(f"{endpoint}/v1/logs", headers=head), schedule_delay_millis=delay_ms))
        readers = [PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics", headers=head),
                                                 export_interval_millis=manner.metrics_ms(EXPORT_MS))]
        self._metrics = MeterProvider(resource=resource,
                                      metric_readers=readers if manner.sends(service, "metrics") else [])
        self.tracer = self._spans.get_tracer("rides")
        self.meter = self._metrics.get_meter("rides")
        self._logger = self._logs.get_logger("rides")

    def log(self, severity, text):
        self._logger.emit(timestamp=time.time_ns(), severity_number=severity, severity_text=severity.name, body=text)

    def event(self, name, attributes):
        """On the current span's trace."""
        self._logger.emit(timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, event_name=name,
                          attributes=attributes)

    def stop(self):
        for provider in (self._spans, self._logs, self._metrics):
            provider.shutdown()


async def read_message(reader):
    """-> (first line, headers, body) of one HTTP/1.1 message, or None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    length = int(headers.get("content-length", 0))
    if length > BODY_BYTES_MAX:
        return None
    return head[0], headers, await reader.readexactly(length) if length else b""


class Client:
    """Keep-alive connections to one host; a call that is cut short costs its connection."""

    def __init__(self, url):
        self._host, self._port = urllib.parse.urlparse(url).netloc.split(":")
        self._free = []

    async def _exchange(self, method, path, body, headers):
        while self._free:
            reader, writer = self._free.pop()
            if not writer.is_closing() and not reader.at_eof():
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self._host, int(self._port), limit=HEAD_BYTES_MAX)
        try:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}",
                     "Content-Type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            message = await read_message(reader)
            if message is None:
                raise ConnectionResetError("the connection ended before the answer")
        except BaseException:
            writer.close()
            raise
        self._free.append((reader, writer))
        return int(message[0].split(" ")[1]), message[2]

    async def call(self, method, path, body=None, headers=None, timeout=None):
        data = b"" if body is None else json.dumps(body).encode()
        return await asyncio.wait_for(self._exchange(method, path, data, headers or {}), timeout)


class Service:
    """One instance: its routes, its faults, its knobs."""

    def __init__(self, endpoints, name, instance):
        self.name, self.instance = name, instance
        self._manner = Manner(endpoints.get("as", ()))
        self.telemetry = Telemetry(endpoints["otlp"], name, instance, endpoints.get(f"token of {name}", ""), self._manner)
        self._answered_ms = self.telemetry.meter.create_histogram("http.server.request.duration", "ms")
        self.routes, self.faults = {}, {}
        self._values = Client(endpoints["values"])

    def fault(self, name, otherwise=0):
        return self.faults.get(name, otherwise)

    async def knob(self, key, code_default, rider=""):
        """A rider's own value, or without a rider this instance's; told on the current span."""
        context = {"service.name": self.name, **self._manner.instance(self.instance)}
        rider = "" if "keyless" in self._manner else rider
        if rider:
            context["targetingKey"] = rider
        value, variant, version = code_default, "", ""
        with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError, KeyError):
            status, body = await self._values.call("POST", f"/ofrep/v1/evaluate/flags/{key}", {"context": context},
                                                   timeout=EVALUATION_SECONDS_MAX)
            if status == 200:
                answer = json.loads(body)
                value, variant, version = answer["value"], answer["variant"], answer["metadata"]["version"]
        told = str(value).lower() if isinstance(value, bool) else str(value)
        self._manner.evaluated(self.telemetry, key, told, variant, version, rider)
        return value

    async def call(self, client, peer, method, path, body=None, timeout=None):
        """One call of another service or peer, under a client span. -> its answer; Failure when there is none."""
        name, told = self._manner.span(SpanKind.CLIENT, method, path, peer)
        with self.telemetry.tracer.start_as_current_span(name, kind=SpanKind.CLIENT, record_exception=False,
                                                         set_status_on_exception=False, attributes=told) as span:
            headers = {}
            propagate.inject(headers)
            try:
                status, answer = await client.call(method, path, body, headers, timeout)
            except (OSError, asyncio.TimeoutError) as problem:
                self._manner.ended(span, 0, True)
                raise Failure(504, f"{peer} does not answer: {type(problem).__name__}") from problem
            self._manner.ended(span, status, status >= 400)
            if status >= 400:
                raise Failure(502, f"{peer} answers {status}")
            return json.loads(answer or b"{}")

    async def handle(self, method, path, body, headers):
        if path == "/fault":
            self.faults = body
            return 200, {}
        function = self.routes.get(f"{method} {path}")
        if function is None:
            return 404, {"error": "no such route"}
        name, told = self._manner.span(SpanKind.SERVER, method, path)
        start = time.monotonic()
        with self.telemetry.tracer.start_as_current_span(name, context=propagate.extract(headers), kind=SpanKind.SERVER,
                                                         record_exception=False, attributes=told) as span:
            try:
                status, answer = 200, await function(body)
            except Failure as failure:
                status, answer = failure.status, {"error": str(failure)}
                self.telemetry.log(SeverityNumber.ERROR, f"{method} {path} failed: {failure}")
            self._manner.ended(span, status, status >= 500)
            self._answered_ms.record(1000 * (time.monotonic() - start), {"http.route": path, "http.status": status})
            return status, answer


async def listen(port, handle):
    """An HTTP server of one coroutine: (method, path, body, headers) -> (status, answer)."""
    alive = set()  # asyncio itself forgets a task whose client went away, and ends its spans as if it had answered

    async def connection(reader, writer):
        alive.add(asyncio.current_task())
        asyncio.current_task().add_done_callback(alive.discard)
        with contextlib.suppress(ConnectionError):
            while (message := await read_message(reader)) is not None:
                method, path, _ = message[0].split(" ")
                status, answer = await handle(method, path, json.loads(message[2] or b"{}"), message[1])
                data = json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        writer.close()
    return await asyncio.start_server(connection, "127.0.0.1", port, limit=HEAD_BYTES_MAX, backlog=512)
