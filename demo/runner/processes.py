"""Everything that is started is a process group of its own, and is stopped at the end, whatever the end is."""
import os
import pathlib
import pwd
import signal
import subprocess
import time
import urllib.error
import urllib.request

from . import places


class Stopped(Exception):
    """A process of the demo ended although it should not have."""


class Processes:
    def __init__(self, logs: pathlib.Path):
        self.logs = logs
        self._running = {}  # name -> Popen, in the order of their start
        logs.mkdir(parents=True, exist_ok=True)
        for old in logs.glob("*.log"):
            old.unlink()

    def start(self, name, arguments, environment=None, user=None, directory=None, stop=signal.SIGTERM):
        log = open(self.logs / f"{name}.log", "ab")  # noqa: SIM115: handed to the child
        env = {**os.environ, **{k: str(v) for k, v in (environment or {}).items()}}
        switch = {}
        if user and places.is_root():
            entry = pwd.getpwnam(user)
            switch = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            env["HOME"] = entry.pw_dir
        # PDEATHSIG: nothing outlives the demo, even when it is killed.
        arguments = ["setpriv", "--pdeathsig", "KILL", "--", *arguments]
        process = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env=env, cwd=directory, start_new_session=True, **switch)
        log.close()
        process.stop_signal = stop
        self._running[name] = process
        return process

    def pid(self, name):
        return self._running[name].pid

    def check(self):
        for name, process in self._running.items():
            if process.poll() is not None:
                raise Stopped(f"{name} ended with {process.returncode}; see {self.logs / (name + '.log')}")

    def stop(self, name, seconds=10):
        process = self._running.pop(name, None)
        if process is None:
            return
        if process.poll() is None:
            self._signal(process, process.stop_signal)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self._signal(process, signal.SIGKILL)  # the rest of its group, if any
        process.wait()

    def stop_all(self):
        """The last started first; all are asked at once, so that none waits for another's patience."""
        for process in reversed(self._running.values()):
            if process.poll() is None:
                self._signal(process, process.stop_signal)
        end = time.monotonic() + 5
        for name in reversed(list(self._running)):
            self.stop(name, seconds=max(0.1, end - time.monotonic()))

    @staticmethod
    def _signal(process, which):
        try:
            os.killpg(process.pid, which)
        except (ProcessLookupError, PermissionError):
            pass

    def tail(self, name, lines=15):
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def cpu_seconds(self):
        """CPU used so far by each group's leader and its threads, from /proc."""
        tick = os.sysconf("SC_CLK_TCK")
        used = {}
        for name, process in self._running.items():
            try:
                fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
                used[name] = (int(fields[11]) + int(fields[12])) / tick
            except (OSError, IndexError):
                continue
        return used

    def memory_mib(self):
        found = {}
        for name, process in self._running.items():
            try:
                for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS"):
                        found[name] = int(line.split()[1]) // 1024
            except OSError:
                continue
        return found


def wait_http(url, seconds, processes, name):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        processes.check()
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.HTTPError):
            pass
        time.sleep(0.1)
    raise Stopped(f"{name} does not answer at {url} after {seconds} s:\n{processes.tail(name)}")
