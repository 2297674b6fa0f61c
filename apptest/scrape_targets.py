"""Targets for scraping: HTTP servers whose answers a test decides, and one of the official client library."""
import contextlib
import gzip
import http.server
import json
import threading

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


class Target:
    """Answers every GET with `body`; remembers what it was asked."""

    def __init__(self, body="", content_type=TEXT, status=200):
        self.body, self.content_type, self.status = body, content_type, status
        self.asked = []
        self.required = None  # an Authorization header
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, dict(self.headers)))
                refused = outer.required and self.headers.get("Authorization") != outer.required
                body = outer.body.encode() if isinstance(outer.body, str) else outer.body
                zipped = "gzip" in self.headers.get("Accept-Encoding", "")
                body = gzip.compress(body) if zipped else body
                self.send_response(401 if refused else outer.status)
                if outer.content_type:
                    self.send_header("Content-Type", outer.content_type)
                if zipped:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def serving(*args, **more):
    target = Target(*args, **more)
    try:
        yield target
    finally:
        target.close()


def sd(*groups):
    """A document of file or HTTP service discovery: (addresses, labels) ..."""
    return json.dumps([{"targets": list(addresses), "labels": labels} for addresses, labels in groups])
