"""What the panels of apptest/panels look at beside Debian's node exporter and Prometheus: a JVM with Micrometer's names,
whose numbers come from a seed, and a native histogram."""
import random
import shutil
import subprocess

import requests

import remote_write as rw
from harness import free_ports, wait_for

LIMITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
URIS = {"/cart": 0.04, "/pay": 0.2, "/search": 0.09}


class Jvm:
    """A service of which a second is a call of step(); restart() begins it anew, as another instance."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.counters = {}
        self.gauges = {}

    def restart(self):
        self.counters.clear()

    def add(self, name, labels, value):
        key = name, tuple(sorted(labels.items()))
        self.counters[key] = self.counters.get(key, 0) + value

    def gauge(self, name, labels, value):
        self.gauges[name, tuple(sorted(labels.items()))] = value

    def step(self):
        app, rnd = {"application": "shop"}, self.random
        for uri, mean in URIS.items():
            worst = 0
            for _ in range(rnd.randrange(5, 40)):
                took = rnd.expovariate(1 / mean)
                bad = rnd.random() < 0.03
                labels = {**app, "uri": uri, "method": "GET", "status": "500" if bad else "200",
                          "outcome": "SERVER_ERROR" if bad else "SUCCESS"}
                name, worst = "http_server_requests_seconds", max(worst, took)
                self.add(f"{name}_count", labels, 1)
                self.add(f"{name}_sum", labels, took)
                for limit in LIMITS:
                    self.add(f"{name}_bucket", {**labels, "le": str(limit)}, float(took <= limit))
                self.add(f"{name}_bucket", {**labels, "le": "+Inf"}, 1)
            self.gauge("http_server_requests_seconds_max", {**app, "uri": uri}, worst)
        for area, part, most in (("heap", "G1 Eden Space", 3e8), ("heap", "G1 Old Gen", 2e9), ("nonheap", "Metaspace", -1)):
            self.gauge("jvm_memory_max_bytes", {"area": area, "id": part}, most)
            self.gauge("jvm_memory_used_bytes", {"area": area, "id": part}, rnd.randrange(10**7, 2 * 10**8))
        for state in ("runnable", "blocked", "waiting"):
            self.gauge("jvm_threads_states_threads", {**app, "state": state}, rnd.randrange(1, 40))
        if rnd.random() < 0.4:
            pause = rnd.uniform(0.001, 0.2)
            cause = {**app, "action": "end of minor GC", "cause": "G1 Evacuation Pause"}
            self.add("jvm_gc_pause_seconds_count", cause, 1)
            self.add("jvm_gc_pause_seconds_sum", cause, pause)
            self.gauge("jvm_gc_pause_seconds_max", cause, pause)
            self.add("jvm_gc_memory_promoted_bytes_total", app, rnd.randrange(10**6))
        for level in ("info", "warn", "error"):
            self.add("logback_events_total", {**app, "level": level}, rnd.randrange(3))
        self.gauge("process_cpu_usage", app, rnd.random())
        self.gauge("hikaricp_connections_active", {"pool": "main"}, rnd.randrange(10))
        self.gauge("hikaricp_connections_max", {"pool": "main"}, 10)

    def text(self):
        lines = []
        for (name, labels), value in sorted({**self.counters, **self.gauges}.items()):
            shown = ",".join(f'{k}="{v}"' for k, v in labels)
            lines.append(f"{name}{{{shown}}} {value!r}")
        return "\n".join(lines) + "\n"


class NativeLatency:
    """latency_seconds by uri, exponential buckets of schema 2; the sum and the counts only grow."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.buckets = {uri: [0] * 12 for uri in URIS}
        self.sums = dict.fromkeys(URIS, 0.0)

    def step(self):
        for uri in URIS:
            for _ in range(self.random.randrange(1, 30)):
                at = min(11, int(self.random.expovariate(0.4)))
                self.buckets[uri][at] += 1
                self.sums[uri] += 0.05 * 1.19 ** at

    def body(self):
        metrics = b"".join(self.metric(uri) for uri in URIS)
        family = rw.message(1, b"latency_seconds") + rw.integer(3, 4) + metrics
        return rw.varint(len(family)) + family

    def metric(self, uri):
        counts = self.buckets[uri]
        deltas = [counts[0]] + [b - a for a, b in zip(counts, counts[1:])]
        histogram = (rw.integer(1, sum(counts)) + rw.double(2, self.sums[uri]) + rw.signed(5, 2) + rw.double(6, 0.001) +
                     rw.integer(7, 0) + rw.spans(12, [(-16, len(counts))]) + b"".join(rw.signed(13, d) for d in deltas))
        label = rw.message(1, rw.message(1, b"uri") + rw.message(2, uri.encode()))
        return rw.message(4, label + rw.message(7, histogram))


class NodeExporter:
    """Debian's, on a port of its own."""

    program = shutil.which("prometheus-node-exporter")

    def __enter__(self):
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.process = subprocess.Popen([self.program, f"--web.listen-address={self.address}"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the node exporter", self.answers)
        return self

    def answers(self):
        try:
            return requests.get(f"http://{self.address}/metrics", timeout=10).ok
        except requests.RequestException:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
