"""`homeostat values` alone, on a free port, and the state file that it serves (docs/formats/values_state.md)."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness import PATIENCE_S, binary, free_ports
from node_packages import node_program

BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
SERVICE = "checkout"


def knob(key, kind, base, **more):
    return {"key": key, "type": kind, "scope": "request", "services": [SERVICE],
            "base": {"value": base, "revision": 1}, **more}


def candidate(value, revision, lease_s, exposure=1.0, **more):
    return {"value": value, "revision": revision, "exposure": exposure, "salt": "00000000000000aa", "change": "chg",
            "deadline_mono_ns": time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(lease_s * 1e9), "boot_id": BOOT, **more}


class Values:
    def __init__(self, knobs, revision=100):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="homeostat-values-"))
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        (self.data / "values").mkdir()
        self.write(knobs, revision)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill(signal.SIGKILL)
        shutil.rmtree(self.data, ignore_errors=True)

    def write(self, knobs, revision):
        path = self.data / "values/state.json"
        path.with_suffix(".new").write_text(
            json.dumps({"format": "homeostat-values/1", "revision": revision, "knobs": knobs}))
        os.replace(path.with_suffix(".new"), path)

    def start(self):
        with open(self.data / "values.log", "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "values", "--data", str(self.data), "--set", f"listen.values=127.0.0.1:{self.port}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait(lambda: str(self.port) in (self.data / "values/pid").read_text())

    def kill(self, sig):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(sig)
            self.process.wait(10)

    def wait(self, condition, timeout_s=PATIENCE_S):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except (OSError, ValueError):
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError((self.data / "values.log").read_text())


class NodeClient:
    """apptest/programs/ofrep_client.mjs, with its packages as tools/deps/ofrep-node/package-lock.json pins them."""

    def __init__(self, url, timeout_ms):
        self.process = subprocess.Popen(["node", str(node_program("ofrep-node", "ofrep_client.mjs")), url, str(timeout_ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, key, kind, default, context=None):
        self.process.stdin.write(json.dumps({"key": key, "type": kind, "default": default, "context": context or {}}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
