"""Targets for scraping: HTTP servers whose answers a test decides, and one of the official client library."""
import gzip
import json

from http_double import Answering, Double

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


class Target(Double):
    """Answers every GET with `body`; remembers what it was asked."""

    def __init__(self, body="", content_type=TEXT, status=200):
        self.body, self.content_type, self.status = body, content_type, status
        self.asked = []
        self.required = None  # an Authorization header
        outer = self

        class Handler(Answering):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                refused = outer.required and self.headers.get("Authorization") != outer.required
                body = outer.body.encode() if isinstance(outer.body, str) else outer.body
                zipped = "gzip" in self.headers.get("Accept-Encoding", "")
                body = gzip.compress(body) if zipped else body
                self.answer(401 if refused else outer.status, body, outer.content_type,
                            {"Content-Encoding": "gzip"} if zipped else None)

        super().__init__(Handler)
        self.port = self.server.server_port


def sd(*groups):
    """A document of file or HTTP service discovery: (addresses, labels) ..."""
    return json.dumps([{"targets": list(addresses), "labels": labels} for addresses, labels in groups])
