"""Load whose every record can be told from all others, for tests that kill: log records and spans, points of all five kinds
of metrics, samples of remote write. Afterwards each must be stored as often as it was acknowledged."""
import collections
import http.client
import json
import random
import threading
import time

import remote_write
from engine_process import Engine

OTLP = ("logs", "traces", "metrics")
ALL = (*OTLP, "remote_write")
METRICS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
# Some are old: rows of one request then fall into several partitions, hence several blocks.
AGES_S = [0, 0, 0, 7 * 3600, 50 * 3600]
SERIES = "(SELECT DISTINCT series_id, service, metric FROM homeostat.series) AS s USING series_id"
POINT = "concat(service, '/', metric, '/',"
# How often each record is there: raw, so that nothing but the engine's own reader stands between. A point's value (of a
# distribution: its count) is its number; service and metric name the rest.
COUNTS = [
    "SELECT attrs['test.id'] AS id, count() FROM homeostat.logs GROUP BY id",
    "SELECT attrs['test.id'] AS id, count() FROM homeostat.spans GROUP BY id",
    f"SELECT {POINT} toString(toUInt64(value))) AS id, count() FROM homeostat.samples JOIN {SERIES} GROUP BY id",
    f"SELECT {POINT} toString(count)) AS id, count() FROM homeostat.distributions JOIN {SERIES} GROUP BY id",
]
FACTS = ("logs", "spans", "trace_parts", "samples", "distributions")


class Sender(threading.Thread):
    """Sends requests of one to twenty records; repeats one whose answer it did not get, as exporters do, but not always."""

    def __init__(self, target, number, seed, signals=ALL):
        super().__init__(daemon=True)
        self.target, self.signals, self.random = target, signals, random.Random(seed)
        self.name = f"sender-{number}"
        self.stopping = threading.Event()
        self.acknowledged, self.unanswered = set(), set()
        self.refused = self.repeated = 0
        self.odd = []  # answers that no sender should get
        self.connections = {}
        self.serial = 0

    def run(self):
        while not self.stopping.is_set():
            self.deliver(*self.next_request())
            time.sleep(self.random.expovariate(60))

    def next_request(self, signal=None, records=None):
        """-> (signal, ids of its records, body)"""
        signal = signal or self.random.choice(self.signals)
        numbers = [self.serial + i for i in range(records or self.random.randint(1, 20))]
        self.serial += len(numbers)
        return (signal, *getattr(self, signal)([(n, time.time_ns() - self.random.choice(AGES_S) * 10**9) for n in numbers]))

    def resource(self):
        return {"attributes": [{"key": "service.name", "value": {"stringValue": self.name}}]}

    def logs(self, records):
        ids = [f"{self.name}/log/{n}" for n, _ in records]
        rows = [{"timeUnixNano": str(at), "body": {"stringValue": "kill test"}, "severityNumber": 9, "attributes": named(i)}
                for i, (_, at) in zip(ids, records)]
        body = {"resourceLogs": [{"resource": self.resource(), "scopeLogs": [{"logRecords": rows}]}]}
        return ids, json.dumps(body).encode()

    def traces(self, records):
        ids = [f"{self.name}/span/{n}" for n, _ in records]
        trace = f"{self.random.getrandbits(128):032x}"
        rows = [{"traceId": trace, "spanId": f"{n + 1:016x}", "name": "kill test", "kind": 2, "startTimeUnixNano": str(at),
                 "endTimeUnixNano": str(at + 1000), "attributes": named(i)} for i, (n, at) in zip(ids, records)]
        body = {"resourceSpans": [{"resource": self.resource(), "scopeSpans": [{"spans": rows}]}]}
        return ids, json.dumps(body).encode()

    def metrics(self, records):
        ids, points = [], {kind: [] for kind in METRICS}
        for n, at in records:
            kind = METRICS[n % len(METRICS)]
            ids.append(f"{self.name}/kill.{kind}/{n}")
            points[kind].append({"timeUnixNano": str(at), "startTimeUnixNano": str(at - 10**9), **POINTS[kind](n)})
        named_kinds = [{"name": f"kill.{kind}", kind: {"dataPoints": points[kind], **MORE.get(kind, {})}}
                       for kind in METRICS if points[kind]]
        body = {"resourceMetrics": [{"resource": self.resource(), "scopeMetrics": [{"metrics": named_kinds}]}]}
        return ids, json.dumps(body).encode()

    def remote_write(self, records):
        ids = [f"{self.name}/kill_remote/{n}" for n, _ in records]
        samples = [remote_write.sample(n, at // 10**6 + i) for i, (n, at) in enumerate(records)]
        return ids, remote_write.body(remote_write.series({"__name__": "kill_remote", "job": self.name}, *samples))

    def deliver(self, signal, ids, body):
        for attempt in range(40):
            status = self.post(signal, body)
            if status in (200, 204):
                self.acknowledged.update(ids)
                return
            if status in (429, 503):
                self.refused += 1
            elif status is not None:
                self.odd.append(status)
                break
            if self.random.random() < 0.1:
                break  # this one gives up
            self.repeated += attempt > 0
            time.sleep(0.05 * min(attempt + 1, 10))
        self.unanswered.update(ids)

    def post(self, signal, body):
        """-> the answer's status; None: there was no answer."""
        remote = signal == "remote_write"
        port = self.target.ports["http" if remote else "otlp_http"]
        head = remote_write.HEADERS if remote else {"Content-Type": "application/json"}
        connection = self.connections.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        try:
            connection.request("POST", "/api/v1/write" if remote else f"/v1/{signal}", body, head)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.connections.pop(port).close()
            return None


def named(record):
    return [{"key": "test.id", "value": {"stringValue": record}}]


POINTS = {
    "gauge": lambda n: {"asInt": str(n)},
    "sum": lambda n: {"asDouble": float(n)},
    "histogram": lambda n: {"count": str(n), "sum": 1.0, "bucketCounts": [str(n), "0"], "explicitBounds": [5.0]},
    "exponentialHistogram": lambda n: {"count": str(n), "sum": 1.0, "scale": 0, "zeroCount": str(n)},
    "summary": lambda n: {"count": str(n), "sum": 1.0, "quantileValues": [{"quantile": 0.5, "value": 1.0}]},
}
MORE = {"sum": {"aggregationTemporality": 2, "isMonotonic": True}, "histogram": {"aggregationTemporality": 1},
        "exponentialHistogram": {"aggregationTemporality": 1}}


def stored_counts(homeostat):
    """-> {id: how often it is stored}"""
    engine, found = Engine(data=homeostat.data, start=False), collections.Counter()
    for query in COUNTS:
        for line in engine.query(query + " FORMAT TSV").decode().splitlines():
            record, times = line.split("\t")
            found[record] += int(times)
    return dict(found)


def merge_all(homeostat):
    """Asks the engine to merge the parts of every table of facts; -> threads, as it may be killed meanwhile."""
    def merge(table):
        try:
            Engine(data=homeostat.data, start=False).query(f"OPTIMIZE TABLE homeostat.{table} FINAL")
        except Exception:
            pass  # it was killed, or is not there
    threads = [threading.Thread(target=merge, args=(table,), daemon=True) for table in FACTS]
    for thread in threads:
        thread.start()
    return threads


def start_all(senders):
    for sender in senders:
        sender.start()


def stop_all(senders):
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(60)


def summary(seed, kills, senders, stored, **more):
    acknowledged = set().union(*(s.acknowledged for s in senders))
    unanswered = set().union(*(s.unanswered for s in senders))
    by_kind = collections.Counter(record.split("/")[1] for record in acknowledged)
    return {"seed": seed, "kills": dict(kills), "acknowledged": len(acknowledged), "of_kinds": dict(sorted(by_kind.items())),
            "unanswered": len(unanswered), "unanswered_but_stored": sum(i in stored for i in unanswered),
            "repeated_requests": sum(s.repeated for s in senders), "refused_requests": sum(s.refused for s in senders),
            "odd_answers": [status for s in senders for status in s.odd],
            "lost": sorted(i for i in acknowledged if stored.get(i, 0) == 0)[:20],
            "twice": sorted(i for i, times in stored.items() if times > 1)[:20],
            "unknown": sorted(set(stored) - acknowledged - unanswered)[:20], **more}


def holds(result, *zeros, signals=ALL):
    """Whether every acknowledged record is there once, every other at most once; of each kind there were some."""
    kinds = {"logs": {"log"}, "traces": {"span"}, "metrics": {f"kill.{kind}" for kind in METRICS},
             "remote_write": {"kill_remote"}}
    wanted = set().union(*(kinds[signal] for signal in signals))
    found = [zero for zero in ("odd_answers", "lost", "twice", "unknown", *zeros) if result[zero]]
    return not found and wanted <= set(result["of_kinds"])
