"""What ./dev bench ingest measures: Homeostat, the OpenTelemetry Collector and Prometheus behind one interface.

A system is started on an empty directory and answers: where does a signal go, which processes is it made of, how many
items has it, how many bytes of disk does it keep them in once its background work is done.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "apptest"))
from agent_process import Agent  # noqa: E402
from engine_process import Engine, Refused  # noqa: E402
from harness import Homeostat, free_ports, wait_for  # noqa: E402

PATIENCE_S = 600      # to start and to come to rest, on a machine that is busy with other work
QUIET_S = 2           # a look at what is used, every so often
QUIET_LOOKS = 3       # that many times nothing but what an idle system uses
QUIET_SHARE = 0.05    # of one core: an idle Homeostat takes 1 %, an idle Prometheus less
CPUCLOCK_SCHED = 2    # clock ids of other processes, as Linux makes them from a pid


def cpu_s(pid):
    """User and system time of a process with all its threads: what /proc/PID/stat tells, in nanoseconds."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def peak_bytes(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def size_of(folder):
    files = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
    return sum(p.stat().st_blocks * 512 for p in files)


class System:
    """`pids` by name; a subclass fills what differs."""
    keeps = True  # or throws away what it acknowledged

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="homeostat-bench-"))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cpu(self):
        return {name: cpu_s(pid) for name, pid in self.pids().items()}

    def peak(self):
        return sum(peak_bytes(pid) for pid in self.pids().values())

    def settle(self):
        """Until nothing is left to do."""
        self.finish()
        self.rest()

    def rest(self):
        quiet, end, before = 0, time.monotonic() + PATIENCE_S, sum(self.cpu().values())
        while quiet < QUIET_LOOKS and time.monotonic() < end:
            time.sleep(QUIET_S)
            now = sum(self.cpu().values())
            quiet = quiet + 1 if now - before < QUIET_SHARE * QUIET_S and not self.busy() else 0
            before = now

    def finish(self):
        pass

    def busy(self):
        return False

    def kill(self):
        for pid in self.pids().values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class HomeostatSystem(System):
    name = "Homeostat"
    signals = ("spans", "logs", "points", "samples")
    settings = {}  # as shipped, except what the tests' harness sets: it records nothing of itself

    def __init__(self, more=None):
        super().__init__()
        self.settings = {**self.settings, **(more or {})}

    def start(self):
        self.h = Homeostat(data=self.directory / "data", settings={"retention.max_age": "0", **self.settings})
        self.h.start(timeout_s=PATIENCE_S)
        self.engine = Engine(data=self.h.data, start=False)

    def again(self):
        self.h.start(timeout_s=PATIENCE_S)

    def stop(self):
        self.h.__exit__()

    def pids(self):
        return {"serve": self.h.process.pid, "engine": self.h.engine_pid(), "values": self.h.values_pid()}

    def killed(self):
        """The process that is sent SIGKILL in the middle; the others follow."""
        return self.h.process.pid

    def kill(self):
        self.h.process.wait(PATIENCE_S)
        self.h.stop_values()

    def target(self, kind):
        if kind == "samples":
            return ["-proto", "http", "-format", "remotewrite", "-target", self.h.url("http", "/api/v1/write")]
        return ["-target", f"127.0.0.1:{self.h.ports['otlp_grpc']}"]

    def finish(self):
        self.h.flush()

    def busy(self):
        return self.engine.number("SELECT count() FROM system.merges") > 0

    def kept_bytes(self):
        return self.engine.number("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'homeostat'")

    def count(self, kind, _report):
        self.h.flush()
        tables = {"spans": ["spans"], "logs": ["logs"]}.get(kind, ["samples", "distributions"])
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return sum(self.engine.number(f"SELECT count() FROM homeostat.{table}") for table in tables)
            except (OSError, Refused):  # the engine of a server that was just started again
                if time.monotonic() > end:
                    raise
                time.sleep(1)


class Program(System):
    """One process that is started with arguments and answers 200 at a URL when it is ready."""

    def __init__(self, program):
        super().__init__()
        self.program, self.process = program, None

    def run(self, arguments, ready):
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen([str(self.program), *arguments], stdout=log, stderr=log, cwd=self.directory)

        def answers():
            assert self.process.poll() is None, (self.directory / "log").read_text()[-4000:]
            try:
                return urllib.request.urlopen(ready, timeout=5).status in (200, 405)
            except urllib.error.HTTPError as error:
                return error.code == 405  # the Collector's receiver has no readiness of its own
            except OSError:
                return False
        wait_for(self.name, answers, PATIENCE_S)

    def pids(self):
        return {self.name: self.process.pid}

    def killed(self):
        return self.process.pid

    def kill(self):
        super().kill()
        self.process.wait(PATIENCE_S)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


class CollectorSystem(Program):
    name = "Collector"
    signals = ("spans", "logs", "points")
    keeps = False

    def start(self):
        self.grpc, self.http = free_ports(2)
        pipeline = {"receivers": ["otlp"], "exporters": ["nop"]}
        config = {"receivers": {"otlp": {"protocols": {
                      "grpc": {"endpoint": f"127.0.0.1:{self.grpc}", "max_recv_msg_size_mib": 64},
                      "http": {"endpoint": f"127.0.0.1:{self.http}"}}}},
                  "exporters": {"nop": {}},
                  "service": {"telemetry": {"metrics": {"level": "none"}},
                              "pipelines": {"traces": pipeline, "logs": pipeline, "metrics": pipeline}}}
        (self.directory / "config.yaml").write_text(json.dumps(config))
        self.run(["--config", f"file:{self.directory}/config.yaml"], f"http://127.0.0.1:{self.http}/v1/traces")

    def target(self, _kind):
        return ["-target", f"127.0.0.1:{self.grpc}"]


class AgentSystem(System):
    """`homeostat agent` before a Collector that throws everything away, whose CPU is not counted."""
    name = "Homeostat agent"
    signals = ("spans", "logs", "points")
    keeps = False

    def __init__(self, collector):
        super().__init__()
        self.receiver, self.agent = CollectorSystem(collector), None

    def start(self):
        self.receiver.__enter__()
        self.agent = Agent(f"http://127.0.0.1:{self.receiver.http}", data=self.directory / "queue")
        self.agent.start()

    def stop(self):
        if self.agent:
            self.agent.stop()
        self.receiver.__exit__()

    def pids(self):
        return {"agent": self.agent.process.pid}

    def target(self, _kind):
        return ["-target", f"127.0.0.1:{self.agent.ports['otlp_grpc']}"]

    def finish(self):
        end = time.monotonic() + PATIENCE_S
        while (self.agent.status() or {}).get("queue", {}).get("requests") != 0:
            assert time.monotonic() < end, self.agent.tail()
            time.sleep(1)


class PrometheusSystem(Program):
    """Its head is written out as a block at the end (a snapshot), so that what is kept is what would be kept; Prometheus
    itself would do that two hours later, and its CPU counts as Homeostat's merges do."""
    name = "Prometheus"
    signals = ("points", "samples")

    def start(self):
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        # Requests of different instances overtake each other by less than this.
        config = {"storage": {"tsdb": {"out_of_order_time_window": "30m"}}}
        (self.directory / "prometheus.yml").write_text(json.dumps(config))
        self.run(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=30d",
                  f"--web.listen-address=127.0.0.1:{port}", "--web.enable-otlp-receiver", "--web.enable-admin-api",
                  "--web.enable-remote-write-receiver"], self.url + "/-/ready")

    def again(self):
        self.start()

    def target(self, kind):
        if kind == "samples":
            return ["-proto", "http", "-format", "remotewrite", "-target", self.url + "/api/v1/write"]
        return ["-proto", "http", "-target", self.url + "/api/v1/otlp/v1/metrics"]

    def finish(self):
        request = urllib.request.Request(self.url + "/api/v1/admin/tsdb/snapshot", method="POST")
        urllib.request.urlopen(request, timeout=PATIENCE_S).read()

    def kept_bytes(self):
        return size_of(self.directory / "data/snapshots")

    def count(self, _kind, report):
        """Samples in the window that was sent. A name at a time: names are dropped, and series would become equal."""
        seconds, at = (report["last_ns"] - report["first_ns"]) // 10**9 + 120, report["last_ns"] / 1e9 + 60
        names = self.ask("/api/v1/label/__name__/values", {"start": at - seconds, "end": at})
        found = [self.ask("/api/v1/query", {"query": 'sum(count_over_time({__name__="%s"}[%ds]))' % (name, seconds),
                                            "time": at})["result"] for name in names]
        return sum(int(result[0]["value"][1]) for result in found if result)

    def ask(self, path, parameters):
        url = f"{self.url}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return json.load(answer)["data"]
