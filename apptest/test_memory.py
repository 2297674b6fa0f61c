"""What comes in takes no more memory than ingest.memory_max says, however fast it comes and whatever the engine does."""
import http.client
import os
import signal
import threading
import time

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from engine_process import Engine
from harness import Homeostat, memory_bytes, wait_for

MIB = 1 << 20
BUDGET = 64 * MIB
SPANS = 1500
MARK = b"run-00000000"  # differs between requests: equal ones would be taken for retries
SENDERS = 8
SENT = 4 * BUDGET       # of bodies; decoded they are three times that
# The allocator keeps pieces of what was freed, and the stream, the log and the listeners have memory of their own.
SLACK = 48 * MIB


def template():
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    for key, value in (("service.name", "flood"), ("run", MARK.decode())):
        attribute = resource.resource.attributes.add()
        attribute.key, attribute.value.string_value = key, value
    scope = resource.scope_spans.add()
    now = time.time_ns()
    for i in range(SPANS):
        span = scope.spans.add(trace_id=os.urandom(16), span_id=os.urandom(8), name=f"operation {i % 20}", kind=2,
                               start_time_unix_nano=now - i * 1000, end_time_unix_nano=now)
        for k in range(8):
            attribute = span.attributes.add()
            attribute.key, attribute.value.string_value = f"attribute.number.{k}", os.urandom(12).hex()
    body = request.SerializeToString()
    assert body.count(MARK) == 1
    return body


class Flood:
    """As fast as SENDERS connections can; -> answers by status."""

    def __init__(self, h, body, requests):
        self.h, self.body, self.left, self.lock = h, body, list(range(requests)), threading.Lock()
        self.answers, self.messages, self.acknowledged = {}, set(), 0

    def run(self):
        threads = [threading.Thread(target=self.send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def send(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.h.ports["otlp_http"], timeout=240)
        while True:
            with self.lock:
                if not self.left:
                    return
                number = self.left.pop()
            connection.request("POST", "/v1/traces", self.body.replace(MARK, b"run-%08d" % number),
                               {"Content-Type": "application/x-protobuf"})
            answer = connection.getresponse()
            text = answer.read()
            with self.lock:
                self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                self.acknowledged += answer.status == 200
                if answer.status != 200:
                    assert answer.headers["Retry-After"], text
                    self.messages.add(text)


def test_a_stopped_engine():
    body = template()
    settings = {"ingest.memory_max": str(BUDGET), "retention.max_age": "0", "journal.max_bytes": "8GiB"}
    with Homeostat(settings=settings) as h:
        Flood(h, body, 5).run()
        h.flush()
        pid, before = h.process.pid, memory_bytes(h.process.pid)
        os.kill(h.engine_pid(), signal.SIGSTOP)
        flood = Flood(h, body, SENT // len(body)).run()
        assert set(flood.answers) <= {200, 429, 503}, flood.messages
        assert flood.acknowledged > len(flood.messages), flood.answers
        taken = memory_bytes(pid, "VmHWM") - before
        print(f"{len(body) * flood.acknowledged // MIB} MiB acknowledged, {taken // MIB} MiB taken", flood.answers)
        assert taken < BUDGET + SLACK, f"{taken // MIB} MiB for a budget of {BUDGET // MIB}"
        os.kill(h.engine_pid(), signal.SIGCONT)
        wait_for("everything in the engine", lambda: h.status()["ingest"]["waiting_rows"] == 0, 600)
        count = Engine(data=h.data, start=False).number("SELECT count() FROM homeostat.spans")
        taken = memory_bytes(pid, "VmHWM") - before
        assert taken < BUDGET + SLACK, f"catching up took {taken // MIB} MiB for a budget of {BUDGET // MIB}"
        assert count >= flood.acknowledged * SPANS
