"""Runs the shared OTLP conformance cases; what was stored is read back through our own /v1 API.

    python otlp_cases.py RUNNER [--own URL TOKEN] ARGUMENTS_OF_THE_RUNNER
"""
import importlib.util
import json
import sys
import urllib.error
import urllib.parse
import urllib.request


class OwnSink:
    """The runner's three questions about stored content."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def ask(self, path, **params):
        headers = {"Authorization": f"Bearer {self.token}"}
        flush = urllib.request.Request(self.url + "/v1/flush", data=b"{}", headers=headers, method="POST")
        urllib.request.urlopen(flush, timeout=60).read()
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(params)}", timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (400, 404):
                return None
            raise

    def span(self, trace_id):
        answer = self.ask(f"/v1/traces/{trace_id}")
        if answer is None:
            return None
        span = answer["spans"][0]
        return {"span_id": span["span_id"], "name": span["name"], "kind": span["kind"],
                "attrs": {a["key"]: json.dumps(a["value"]) for a in span["attributes"]}}

    def log(self, marker):
        logs = self.ask("/v1/logs", service="otlp-conformance", contains=marker)["logs"]
        return {"body": logs[0]["body"]["value"]} if logs else None

    def metric(self, name):
        series = self.ask("/v1/series", name=name)["series"]
        return float(series[0]["points"][0]["value"]) if series else None


def main():
    spec = importlib.util.spec_from_file_location("otlp_runner", sys.argv[1])
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    rest = sys.argv[2:]
    if rest[0] == "--own":
        sink = OwnSink(rest[1], rest[2])
        runner.make_sink = lambda _: sink
        rest = rest[3:]
    sys.argv = [sys.argv[1], *rest]
    runner.main()


if __name__ == "__main__":
    main()
