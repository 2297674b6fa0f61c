"""The console in a real Chromium: against a stand-in for the API with canned answers, or against a real Homeostat."""
import http.server
import json
import pathlib
import re
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
    chromium(url, f"--virtual-time-budget={virtual_ms}", f"--window-size={width},{height}", f"--screenshot={pathlib.Path(path)}",
             *flags)


def words(html, element_id):
    """The text inside the element of this id, tags taken off."""
    start = html.index(f'id="{element_id}"')
    depth, at = 0, html.rindex("<", 0, start)
    for tag in re.finditer(r"<(/?)([a-z]+[0-9]?)[^>]*?(/?)>", html[at:]):
        if tag[2] in ("path", "line", "circle", "br", "input", "meta", "link") and not tag[1]:
            continue
        depth += -1 if tag[1] else 1
        if depth == 0:
            inner = html[at:at + tag.end()]
            return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", inner)).strip()
    raise AssertionError(f"{element_id} does not end")
