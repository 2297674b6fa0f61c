"""A real Homeostat on free loopback ports, for black-box tests.

    with Homeostat(settings={"batch.max_age": "100ms"}) as h:
        requests.post(h.url("otlp_http", "/v1/logs"), ...)
        h.flush()
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A limit against hanging for ever, not a measurement: on a busy machine everything takes longer, and is no less right.
PATIENCE_S = 240
HOPELESS_STARTS = 10  # of the engine in a row: some 20 s; a test that kills it comes to two or three


def binary():
    return os.environ.get("HOMEOSTAT", str(ROOT / "build/dev/homeostat"))


def shared():
    """The folder of shared test data, or None: tests that need it skip and say so."""
    path = pathlib.Path(os.environ.get("HOMEOSTAT_SHARED", ROOT.parent / "shared"))
    return path if path.is_dir() else None


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(what, condition, timeout_s=PATIENCE_S):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not in {timeout_s} s: {what}"
        time.sleep(0.2)


def samples_of(exposition):
    """What /metrics tells -> {'name{labels}': value}."""
    lines = [line.rsplit(" ", 1) for line in exposition.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def memory_bytes(pid, what="VmRSS"):
    """VmRSS: now; VmHWM: the most so far."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what + ":")).split()[1]) * 1024


def is_stopped(pid):
    """Every thread of it: a SIGSTOP takes its time to be felt, and the next question could still be answered."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all((task / "stat").read_text().rsplit(")", 1)[1].split()[0] in "Tt" for task in tasks)


class Process:
    """A long-lived command of the binary, on free loopback ports, with a data directory of its own."""
    name = ""  # the command
    listeners = ()

    def __init__(self, settings, config=None, data=None):
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix=f"homeostat-{self.name}-"))
        self.own_data = data is None
        self.ports = dict(zip(self.listeners, free_ports(len(self.listeners))))
        self.settings, self.config = settings, config
        self.tls = {}  # listener -> ssl.SSLContext of a client, for those that tls.listeners names
        self.process = None
        self.log = self.data / f"{self.name}.log"

    def __enter__(self):
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self

    def __exit__(self, kind=None, error=None, *_):
        if error is not None:
            error.add_note(f"what {self.data} held then:\n{self.testimony()}")
        try:
            self.stop()
        finally:
            self.clean_up()
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)

    def testimony(self):
        """What may explain a failure: the directory is gone afterwards."""
        return self.tail()

    def clean_up(self):
        """What outlives the process."""

    def command(self, name=None, *more):
        args = [binary(), name or self.name, "--data", str(self.data), *more]
        if self.config:
            args += ["--config", str(self.config)]
        for listener, port in self.ports.items():
            args += ["--set", f"listen.{listener}=127.0.0.1:{port}"]
        for key, value in self.settings.items():
            args += ["--set", f"{key}={value}"]
        return args

    def spawn(self):
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def ended(self):
        """-> how, or None."""
        if self.process.poll() is None:
            return None
        return f"{self.name} ended with {self.process.returncode}:\n{self.tail()}"

    def stop(self, timeout_s=PATIENCE_S):
        """SIGTERM, as an operator would; returns the seconds it took."""
        if not self.process or self.process.poll() is not None:
            return 0.0
        start = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise
        return time.monotonic() - start

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def url(self, listener, path=""):
        return f"http{'s' * (listener in self.tls)}://127.0.0.1:{self.ports[listener]}{path}"

    def token(self):
        return (self.data / "token").read_text().strip()

    def request(self, method, path, body=None, headers=None, listener="http", timeout_s=30):
        """-> (status, parsed JSON or text)."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        head = {"Authorization": f"Bearer {self.token()}"} if method != "GET" else {}
        if data is not None and not isinstance(body, bytes):
            head["Content-Type"] = "application/json"
        head.update(headers or {})
        request = urllib.request.Request(self.url(listener, path), data=data, headers=head, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s, context=self.tls.get(listener)) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, {} if body is None else body, **more)

    def status(self):
        try:
            return self.get("/readyz")[1]
        except (OSError, ValueError):
            return None

    def metrics(self):
        return samples_of(self.get("/metrics")[1])

    def metric(self, name, default=0, **labels):
        """The one sample of that name which has these labels."""
        wanted = [f'{k}="{v}"' for k, v in labels.items()]
        found = [value for sample, value in self.metrics().items()
                 if sample.partition("{")[0] == name and all(w in sample for w in wanted)]
        assert len(found) <= 1, (name, labels, found)
        return found[0] if found else default


class Homeostat(Process):
    name = "serve"
    listeners = ("otlp_grpc", "otlp_http", "http", "values")

    def __init__(self, settings=None, config=None, data=None):
        # What Homeostat records of itself would come and go in what tests count; who tests it sets the intervals.
        own = {"metrics.own_interval": "0s", "metrics.spans_interval": "0s"}
        super().__init__({**own, **(settings or {})}, config, data)

    def testimony(self):
        return f"{self.tail()}\n{self.decisions()}"

    def clean_up(self):
        self.stop_values()

    def start(self, wait_engine=True, timeout_s=PATIENCE_S):
        self.spawn()
        if wait_engine:
            self.wait_ready(timeout_s)

    def wait_ready(self, timeout_s=PATIENCE_S):
        end = time.monotonic() + timeout_s
        status = None
        while time.monotonic() < end:
            if how := self.ended():
                raise RuntimeError(how)
            status = self.status()
            engine = (status or {}).get("engine", {})
            if status and status.get("ready") and engine.get("ready"):
                return
            if engine.get("failed_starts", 0) >= HOPELESS_STARTS:
                raise RuntimeError(f"the engine does not start: {engine['reason']}")
            time.sleep(0.05)
        raise RuntimeError(f"not ready in {timeout_s} s: {status}\n{self.tail()}")

    def refused_start(self):
        """It ends by itself, with 1; -> what it said."""
        try:
            self.start(wait_engine=False)
            assert self.process.wait(60) == 1
            return self.tail()
        finally:
            self.__exit__()

    def decisions(self, lines=60, width=600):
        """The newest entries of the ledger: without them a failure of the loop on another machine tells nothing."""
        segments = sorted((self.data / "ledger").glob("entries-*.log"))
        found = segments[-1].read_text(errors="replace").splitlines()[-lines:] if segments else []
        return "\n".join(line[:width] for line in found)

    def flush(self):
        """Until everything that was acknowledged is stored. A busy engine may need longer than `serve` waits for it."""
        end = time.monotonic() + PATIENCE_S
        status, body = self.post("/v1/flush", timeout_s=PATIENCE_S)
        while status in (503, 504) and time.monotonic() < end:
            time.sleep(0.5)
            status, body = self.post("/v1/flush", timeout_s=PATIENCE_S)
        assert status == 200, (status, body)

    def engine_pid(self):
        return (self.status() or {}).get("engine", {}).get("pid")

    def values_pid(self):
        try:
            return int((self.data / "values/pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def kill(self, which="serve", sig=signal.SIGKILL):
        pid = {"serve": lambda: self.process.pid, "engine": self.engine_pid, "values": self.values_pid}[which]()
        if pid:
            os.kill(pid, sig)
        if which == "serve" and sig == signal.SIGKILL:
            self.process.wait(10)
        return pid

    def stop_values(self):
        pid = self.values_pid()
        if pid:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
