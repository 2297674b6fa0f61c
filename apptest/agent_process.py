"""A real `homeostat agent` on free loopback ports, that forwards to whatever address it is given."""
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from harness import PATIENCE_S, binary, free_ports, samples_of, wait_for

LISTENERS = ("otlp_grpc", "otlp_http", "http")


class Agent:
    def __init__(self, to, settings=None, data=None):
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="homeostat-agent-"))
        self.own_data = data is None
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS))))
        self.settings = {"agent.forward.url": to, "agent.forward.backoff_max": "500ms", **(settings or {})}
        self.process = None
        self.log = self.data / "agent.log"

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, error=None, *_):
        if error:
            print(f"{error.__name__}; what {self.log} held then:\n{self.tail()}")
        try:
            self.stop()
        finally:
            if self.own_data:
                shutil.rmtree(self.data, ignore_errors=True)

    def command(self):
        args = [binary(), "agent", "--data", str(self.data)]
        for listener, port in self.ports.items():
            args += ["--set", f"listen.{listener}=127.0.0.1:{port}"]
        for key, value in self.settings.items():
            args += ["--set", f"{key}={value}"]
        return args

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE_S
        while self.status() is None:
            assert self.process.poll() is None, f"the agent ended with {self.process.returncode}:\n{self.tail()}"
            assert time.monotonic() < end, f"the agent does not answer:\n{self.tail()}"
            time.sleep(0.05)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def url(self, listener, path=""):
        return f"http://127.0.0.1:{self.ports[listener]}{path}"

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url("http", path), timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def status(self):
        try:
            return json.loads(self.get("/readyz")[1])
        except (OSError, ValueError):
            return None

    def metrics(self):
        return samples_of(self.get("/metrics")[1])

    def wait_drained(self):
        wait_for("the agent's queue is empty", lambda: (self.status() or {}).get("queue", {}).get("requests") == 0)

    def memory_kib(self, what="VmHWM"):
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(what + ":")).split()[1])

    def queue_bytes(self):
        """Everything below its data directory, as bytes: what must not be there is not there."""
        return b"".join(p.read_bytes() for p in sorted(self.data.rglob("*")) if p.is_file())
