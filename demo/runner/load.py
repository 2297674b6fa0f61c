"""Drives the load generator and judges service quality from its record of every request."""
import collections
import json
import time
import urllib.request

from .places import BIN
from .processes import wait_http  # noqa: F401

RATES = {"home": 20, "search": 31, "product": 32, "login": 32, "cart": 8, "checkout": 34, "attack": 0}
HOLD_SECONDS = 10
LATE_SECONDS = 5  # a request ends at most so long after its arrival (the generator gives up after 4 s)


class Goal:
    """What is owed on one operation, as the generator sees it: both objectives of it at once."""

    def __init__(self, operation, target, latency_target, threshold_ms):
        self.operation, self.target = operation, target
        self.latency_target, self.threshold_ms = latency_target, threshold_ms


class Second:
    __slots__ = ("n", "good", "fast", "latencies")

    def __init__(self):
        self.n = self.good = self.fast = 0
        self.latencies = []


class Load:
    def __init__(self, processes, ports, record, goals, seed):
        self.processes, self.ports, self.record, self.goals, self.seed = processes, ports, record, goals, seed
        self._file = None
        self._rest = ""
        self.seconds = collections.defaultdict(Second)  # (operation, Unix second) -> what users saw
        self.attack_seconds = collections.Counter()

    def start(self):
        self.processes.start("load", [BIN / "load", "-gateway", self.ports.url("gateway"), "-listen",
                                      f"127.0.0.1:{self.ports['load']}", "-out", self.record, "-seed", self.seed])
        for _ in range(50):
            try:
                self.rates(RATES)
                return
            except OSError:
                time.sleep(0.1)
        self.rates(RATES)

    def rates(self, rates):
        body = json.dumps(rates).encode()
        request = urllib.request.Request(self.ports.url("load") + "/rates", data=body, method="POST")
        urllib.request.urlopen(request, timeout=2).read()

    def read(self):
        """Takes in what was recorded since the last call."""
        if self._file is None:
            if not self.record.exists():
                return
            self._file = open(self.record, encoding="ascii")  # noqa: SIM115: open for the whole run
        text = self._rest + self._file.read()
        *lines, self._rest = text.split("\n")
        for line in lines:
            at, operation, kind, good, status, ms = line.split(",")
            second = int(float(at))
            if kind == "attack":
                self.attack_seconds[second] += 1
                continue
            s = self.seconds[operation, second]
            latency, good = float(ms), good == "1"
            s.n += 1
            s.good += good
            s.fast += good and latency < self.goals[operation].threshold_ms
            s.latencies.append(latency)

    def window(self, operation, start, length):
        """-> n, share good, share good and fast, p95 ms; over [start, start + length) in Unix seconds."""
        found = [self.seconds[operation, t] for t in range(start, start + length) if (operation, t) in self.seconds]
        n = sum(s.n for s in found)
        if n == 0:
            return 0, 0.0, 0.0, 0.0
        latencies = sorted(x for s in found for x in s.latencies)
        return (n, sum(s.good for s in found) / n, sum(s.fast for s in found) / n,
                latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))])

    def holds(self, operation, start, length=HOLD_SECONDS):
        """Both objectives over the window, and the window's first second is not a bad one itself."""
        goal = self.goals[operation]
        n, good, fast, _ = self.window(operation, start, length)
        first_n, first_good, first_fast, _ = self.window(operation, start, 1)
        return (n > 0 and good >= goal.target and fast >= goal.latency_target and first_n > 0
                and first_good >= min(goal.target, 0.9) and first_fast >= min(goal.latency_target, 0.8))

    def broken(self, operation, since, until):
        """The first second at which the objective does not hold for one second and the next, or None."""
        goal = self.goals[operation]
        for t in range(since, until):
            n, good, fast, _ = self.window(operation, t, 2)
            if n and (good < goal.target or fast < goal.latency_target):
                return t
        return None

    def restored(self, operation, since, now):
        """The first second from `since` on that starts HOLD_SECONDS in which the objective holds, or None."""
        for t in range(since, int(now) - HOLD_SECONDS - 1):
            if self.holds(operation, t):
                return t
        return None

    def series(self, operation, start, end):
        out = []
        for t in range(start, end):
            n, good, fast, p95 = self.window(operation, t, 1)
            out.append({"t": t, "n": n, "good": round(good, 4), "fast": round(fast, 4), "p95": round(p95, 1)})
        return out
