"""The console in a real Chromium: against a stand-in for the API with canned answers, or against a real Homeostat."""
import html.parser
import json
import pathlib
import shutil
import subprocess
import tempfile

from harness import ROOT
from http_double import Answering, Double

PARTS = ROOT / "src/api/console"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--hide-scrollbars"]


def page():
    """The page as the binary puts it together."""
    text = (PARTS / "console.html").read_text()
    text = text.replace("{{style}}", (PARTS / "console.css").read_text(), 1)
    return text.replace("{{script}}", (PARTS / "console.js").read_text(), 1)


class StandIn(Double):
    """Serves the page and answers the paths of `answers` (path without query -> object). Remembers what was asked."""

    def __init__(self, answers, headers=None):
        asked = self.asked = []

        class Handler(Answering):
            def do_GET(self):
                path = self.path.split("?")[0]
                asked.append(self.path)
                found = path == "/" or path in answers
                body = page().encode() if path == "/" else json.dumps(answers.get(path, {})).encode()
                self.answer(200 if found else 404, body, "text/html; charset=utf-8" if path == "/" else "application/json",
                            headers)

        super().__init__(Handler)
        self.url = f"http://{self.address}/"


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
        self.element_id, self.depth, self.found, self.hrefs = element_id, 0, [], []

    def handle_starttag(self, tag, attributes):
        if self.depth and tag == "a":
            self.hrefs.append(dict(attributes).get("href"))
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


def hrefs(page, element_id):
    """Where the links inside the element of this id lead, in their order."""
    reader = _Words(element_id)
    reader.feed(page)
    return reader.hrefs
