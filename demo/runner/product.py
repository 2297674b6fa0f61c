"""Homeostat itself: one instance on free ports, and its own API under /v1."""
import calendar
import json
import os
import pathlib
import re
import signal
import time
import urllib.error
import urllib.request

from .processes import Stopped

LISTENERS = ("otlp_grpc", "otlp_http", "http", "values")
READY_SECONDS = 40


class Refused(Exception):
    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


def unix_seconds(value):
    """A time as the API writes it (Unix nanoseconds, or RFC 3339), as Unix seconds; 0 when there is none."""
    if not value:
        return 0.0
    if isinstance(value, (int, float)):
        return value / 1e9 if value > 1e14 else float(value)
    if value.isdigit():
        return int(value) / 1e9
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?$", value)
    if not found:
        return 0.0
    return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) + float(found[2] or 0)


def items_of(answer, key):
    """The list in an answer of the API: {key: [...]}, or the list itself."""
    if isinstance(answer, list):
        return answer
    return answer.get(key, answer.get("items", [])) if isinstance(answer, dict) else []


class Homeostat:
    def __init__(self, processes, ports, directory, config):
        self.processes, self.ports, self.data, self.config = processes, ports, directory, config
        self.binary = pathlib.Path(os.environ.get("HOMEOSTAT", "homeostat"))

    def command(self, name):
        arguments = [self.binary, name, "--data", self.data, "--config", self.config]
        for listener in LISTENERS:
            arguments += ["--set", f"listen.{listener}=127.0.0.1:{self.ports[listener]}"]
        return arguments

    def start(self):
        self.data.mkdir(parents=True, exist_ok=True)
        self.processes.start("homeostat", self.command("serve"))
        end = time.monotonic() + READY_SECONDS
        status = None
        while time.monotonic() < end:
            self.processes.check()
            try:
                status = self.get("/readyz")
                if status.get("ready"):
                    return
            except (OSError, ValueError, Refused):
                pass
            time.sleep(0.1)
        raise Stopped(f"Homeostat is not ready after {READY_SECONDS} s: {status}\n{self.processes.tail('homeostat')}")

    def stop(self):
        """serve, and values, which outlives it on purpose."""
        self.processes.stop("homeostat")
        try:
            os.kill(int((self.data / "values/pid").read_text().split()[0]), signal.SIGTERM)
        except (OSError, ValueError, IndexError):
            pass

    # ---- the API

    def request(self, method, path, body=None, seconds=5):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        token = self.data / "token"
        if method != "GET" and token.exists():
            headers["Authorization"] = f"Bearer {token.read_text().strip()}"
        request = urllib.request.Request(self.ports.url("http") + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                text = answer.read()
        except urllib.error.HTTPError as problem:
            raise Refused(f"{method} {path}: {problem.code} {problem.read()[:300]!r}", problem.code) from problem
        return json.loads(text) if text.strip() else {}

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=None):
        return self.request("POST", path, {} if body is None else body)

    def incidents(self):
        return items_of(self.get("/v1/incidents?limit=100"), "incidents")

    def changes(self):
        return items_of(self.get("/v1/changes?limit=200"), "changes")

    def knobs(self):
        return items_of(self.get("/v1/knobs"), "knobs")

    def changed_knobs(self):
        """Knobs that are not at their base: promoted, or with a candidate."""
        return [k for k in self.knobs() if k.get("promoted") or k.get("candidate")]

    def act(self, on):
        self.post("/v1/resume" if on else "/v1/stop", {"who": "demo", "why": "trial with the loop on" if on else "loop off"})

    def reset_knobs(self):
        self.post("/v1/knobs/reset", {"who": "demo", "why": "back to the base between trials"})

    def faults(self):
        return items_of(self.get("/v1/chaos/faults"), "faults")
