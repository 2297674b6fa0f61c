"""Ingest as fast as it will take it, for minutes; part of ./dev soak. Prints what happened as JSON; exit code 1 when
something was lost or doubled, or a bound did not hold.

    HOMEOSTAT=build/release/homeostat python apptest/soak_ingest.py [--minutes 5] [--retention BYTES] [--senders 2]

--retention: the store's bound (retention.max_bytes). The records are then spread over the past days, so that there are
partitions to drop, and the store must come back below the bound; without it every acknowledged record must be there once.
"""
import argparse
import http.client
import json
import os
import sys
import threading
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from engine_process import Engine
from harness import Homeostat, memory_bytes

RECORDS = 500
DAYS = 6


def body_of(number, spread):
    """One request of RECORDS log records, different from all others (a repeated one would be recognised)."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", "soak"
    scope = resource.scope_logs.add()
    noise = os.urandom(16 * RECORDS).hex()  # without it a record takes four bytes on disk, and no bound is met
    now = time.time_ns() - (number % DAYS * 86_400 * 10**9 if spread else 0)
    for i in range(RECORDS):
        record = scope.log_records.add()
        record.time_unix_nano = now + i
        record.severity_number = 9
        record.body.string_value = f"request {number} line {i} took {i * 7919 % 1000} ms, token {noise[32 * i:32 * i + 32]}"
    return request.SerializeToString()


class Sender(threading.Thread):
    def __init__(self, h, number, senders, end, spread):
        super().__init__(daemon=True)
        self.h, self.number, self.step, self.end, self.spread = h, number, senders, end, spread
        self.acknowledged = self.refused = self.failed = 0
        self.answer_ms = []

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.h.ports["otlp_http"], timeout=60)
        number = self.number
        while time.monotonic() < self.end:
            body = body_of(number, self.spread)
            number += self.step
            while time.monotonic() < self.end:
                start = time.monotonic()
                connection.request("POST", "/v1/logs", body, {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                self.answer_ms.append((time.monotonic() - start) * 1000)
                if answer.status == 200:
                    self.acknowledged += 1
                    break
                self.refused += answer.status in (429, 503)
                self.failed += answer.status not in (429, 503)
                time.sleep(float(answer.headers.get("Retry-After", 0.1)))


def size_mib(folder):
    total = 0
    for place, _, names in os.walk(folder):  # what is merged away meanwhile is passed over
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                pass
    return total // (1 << 20)


def run(minutes, retention, senders):
    settings = {"retention.max_age": "0"} | ({"retention.max_bytes": str(retention)} if retention else {})
    with Homeostat(settings=settings) as h:
        end = time.monotonic() + minutes * 60
        threads = [Sender(h, i, senders, end, bool(retention)) for i in range(senders)]
        for thread in threads:
            thread.start()
        most = {"serve_mib": 0, "engine_mib": 0, "journal_mib": 0, "data_mib": 0}
        while time.monotonic() < end:
            time.sleep(2)
            status = h.status()
            now = {"serve_mib": memory_bytes(h.process.pid) >> 20,
                   "engine_mib": memory_bytes(h.engine_pid() or h.process.pid) >> 20,
                   "journal_mib": (status or {}).get("ingest", {}).get("journal_bytes", 0) >> 20,
                   "data_mib": size_mib(h.data)}
            most = {key: max(most[key], now[key]) for key in most}
        for thread in threads:
            thread.join(90)
        h.flush()
        count = Engine(data=h.data, start=False).number
        stored = count("SELECT count() FROM homeostat.logs")
        kept = bound = count("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'homeostat'")
        while retention and bound > retention and time.monotonic() < end + 600:
            time.sleep(5)
            bound = count("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'homeostat'")
        seconds_to_stop = h.stop()
    answers = sorted(ms for t in threads for ms in t.answer_ms)
    acknowledged = sum(t.acknowledged for t in threads) * RECORDS
    return {"minutes": minutes, "retention_bytes": retention, "acknowledged_records": acknowledged, "stored_records": stored,
            "records_per_s": round(acknowledged / minutes / 60), "refused_requests": sum(t.refused for t in threads),
            "failed_requests": sum(t.failed for t in threads), "answer_p50_ms": round(answers[len(answers) // 2], 1),
            "answer_p99_ms": round(answers[len(answers) * 99 // 100], 1), "most": most, "bytes_at_the_end": kept,
            "bytes_after_retention": bound, "seconds_to_stop": round(seconds_to_stop, 2)}


def is_good(result):
    right = result["stored_records"] <= result["acknowledged_records"] if result["retention_bytes"] else \
        result["stored_records"] == result["acknowledged_records"]
    bounded = not result["retention_bytes"] or result["bytes_after_retention"] <= result["retention_bytes"]
    return right and bounded and result["failed_requests"] == 0 and result["acknowledged_records"] > 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--retention", type=int, default=0)
    parser.add_argument("--senders", type=int, default=2)
    wanted = parser.parse_args()
    found = run(wanted.minutes, wanted.retention, wanted.senders)
    print(json.dumps(found, indent=1))
    sys.exit(0 if is_good(found) else 1)
