"""The storage engine's process alone, for black-box tests: `homeostat engine` on a directory and a free port."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from harness import PATIENCE_S, binary, free_ports


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("engine", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Refused(Exception):
    def __init__(self, status, code, text):
        super().__init__(f"{status} {code} {text}")
        self.status, self.code = status, code


class Engine:
    """child=True: as `serve` starts it, bound to our life and to its standard input."""

    def __init__(self, data=None, listen=False, child=False, settings=None, start=True):
        self.own_data = data is None
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="homeostat-engine-"))
        self.port = free_ports(1)[0] if listen else None
        self.child, self.settings = child, settings or {}
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        if self.own_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def command(self):
        args = [binary(), "engine", "--data", str(self.data)]
        args += ["--child"] if self.child else []
        args += ["--listen", f"127.0.0.1:{self.port}"] if self.port else []
        for key, value in self.settings.items():
            args += ["--set", f"{key}={value}"]
        return args

    def start(self, wait_s=PATIENCE_S):
        self.data.mkdir(parents=True, exist_ok=True)
        with open(self.data / "engine.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.PIPE if self.child else subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        if wait_s:
            self.wait_ready(wait_s)
        return self

    def wait_ready(self, wait_s=PATIENCE_S):
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the engine ended with {self.process.returncode}: {self.log()}")
            if self.answers():
                return
            time.sleep(0.02)
        raise RuntimeError(f"the engine does not answer: {self.log()}")

    def wait_for_answer(self, wait_s=PATIENCE_S):
        """Of whichever engine serves the directory now."""
        end = time.monotonic() + wait_s
        while not self.answers():
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)

    def answers(self):
        try:
            return self.request("GET", "/ping", timeout_s=2)[1] == b"Ok.\n"
        except OSError:
            return False

    def log(self):
        return (self.data / "engine.log").read_text(errors="replace")

    def request(self, method, target, body=None, headers=None, timeout_s=60):
        connection = UnixConnection(self.data / "engine.sock", timeout_s)
        try:
            connection.request(method, target, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def query(self, sql, body=None, params=None, timeout_s=60, **settings):
        """-> the answer's bytes; raises Refused. `body`: rows of an INSERT."""
        arguments = {f"param_{k}": v for k, v in (params or {}).items()} | settings
        if body is not None:
            arguments["query"] = sql
        target = "/?" + urllib.parse.urlencode(arguments)
        status, text, headers = self.request("POST", target, sql.encode() if body is None else body,
                                             timeout_s=timeout_s)
        if status != 200:
            raise Refused(status, int(headers.get("X-ClickHouse-Exception-Code", 0)), text.decode(errors="replace"))
        return text

    def number(self, sql, **more):
        return int(self.query(sql, **more))

    def kill(self, sig=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(20)
        if self.process and self.process.stdin:
            self.process.stdin.close()

    def terminate(self):
        """SIGTERM; -> (exit code, seconds)."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20), time.monotonic() - start


def alive(pid):
    try:
        os.kill(pid, 0)
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(") ")[-1][0] != "Z"
    except (OSError, FileNotFoundError):
        return False


def wait_gone(pid, timeout_s):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False
