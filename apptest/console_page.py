"""The console in a real Chromium: against a stand-in for the API with canned answers, or against a real Homeostat."""
import html.parser
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading

from harness import ROOT

PARTS = ROOT / "src/api/console"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--hide-scrollbars"]


def page():
    """The page as the binary puts it together."""
    text = (PARTS / "console.html").read_text()
    text = text.replace("{{style}}", (PARTS / "console.css").read_text(), 1)
    return text.replace("{{script}}", (PARTS / "console.js").read_text(), 1)


class StandIn:
    """Serves the page and answers the paths of `answers` (path without query -> object). Remembers what was asked."""

    def __init__(self, answers, headers=None):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.split("?")[0]
                asked.append(self.path)
                found = path == "/" or path in answers
                body = page().encode() if path == "/" else json.dumps(answers.get(path, {})).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8" if path == "/" else "application/json")
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def chromium(url, *flags, timeout_s=60):
    profile = tempfile.mkdtemp(prefix="homeostat-chromium-")
    try:
        done = subprocess.run([CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, url], capture_output=True, text=True,
                              timeout=timeout_s)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    return done.stdout


def dom(url, virtual_ms=4000):
    """The page's HTML after its scripts ran for `virtual_ms` of the browser's own time."""
    return chromium(url, f"--virtual-time-budget={virtual_ms}", "--dump-dom")


def screenshot(url, path, width=1440, height=1600, virtual_ms=6000, *flags):
    chromium(url, f"--virtual-time-budget={virtual_ms}", f"--window-size={width},{height}",
             f"--screenshot={pathlib.Path(path)}", *flags)


class _Words(html.parser.HTMLParser):
    VOID = {"br", "input", "meta", "link", "img"}

    def __init__(self, element_id):
        super().__init__()
        self.element_id, self.depth, self.found = element_id, 0, []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID and (self.depth or ("id", self.element_id) in attributes):
            self.depth += 1

    def handle_endtag(self, tag):
        if self.depth and tag not in self.VOID:
            self.depth -= 1

    def handle_data(self, data):
        if self.depth:
            self.found.append(data)


def words(page, element_id):
    """The text inside the element of this id, as a reader sees it."""
    reader = _Words(element_id)
    reader.feed(page)
    assert reader.found or f'id="{element_id}"' in page, f"no element {element_id}"
    return " ".join(" ".join(reader.found).split())
