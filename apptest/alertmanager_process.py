"""Debian's Alertmanager on a port of its own, and a webhook that keeps what it is told."""
import json
import pathlib
import shutil
import subprocess
import urllib.error
import urllib.request

from harness import free_ports, wait_for
from http_double import Answering, Double

CONFIG = "route: {receiver: none, group_wait: 1s}\nreceivers: [{name: none}]\n"


def available():
    return shutil.which("prometheus-alertmanager") is not None


class Alertmanager:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.port = free_ports(1)[0]
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.directory.mkdir(exist_ok=True)
        (self.directory / "am.yml").write_text(CONFIG)
        with open(self.directory / "am.log", "ab") as log:
            self.process = subprocess.Popen(
                ["prometheus-alertmanager", f"--config.file={self.directory}/am.yml",
                 f"--storage.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                 "--cluster.listen-address="], stdout=log, stderr=log)
        wait_for("Alertmanager answers", lambda: self.alerts() is not None, 30)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def alerts(self):
        """What it holds: active and not yet over. None while it does not answer."""
        try:
            with urllib.request.urlopen(self.url + "/api/v2/alerts", timeout=5) as answer:
                return json.load(answer)
        except (OSError, urllib.error.URLError):
            return None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Webhook(Double):
    """Answers with each of `statuses` in turn, the last one for ever."""

    def __init__(self, statuses=(200,)):
        self.told, self.statuses = [], list(statuses)
        outer = self

        class Handler(Answering):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = outer.statuses.pop(0) if len(outer.statuses) > 1 else outer.statuses[0]
                outer.told.append((status, body))
                self.answer(status)

        super().__init__(Handler)
        self.url = f"http://{self.address}/hook"
