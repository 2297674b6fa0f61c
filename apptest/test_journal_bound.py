"""The engine is away and the journal is full: senders are told to retry, nothing that was acknowledged is lost, and it goes
on by itself when the engine is back."""
import os
import signal
import urllib.error
import urllib.request

from harness import Homeostat, wait_for
from kill_load import Sender, stored_counts

TEXT = "x" * 20_000  # so that few requests fill the journal


def post(h, body):
    request = urllib.request.Request(h.url("otlp_http", "/v1/logs"), body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def test_a_full_journal_refuses_and_recovers():
    settings = {"batch.max_age": "100ms", "retention.max_age": "0", "journal.max_bytes": "16MiB", "ingest.body_max": "1MiB"}
    with Homeostat(settings=settings) as h:
        sender, acknowledged, answers = Sender(h, 0, 1), [], []
        os.kill(h.engine_pid(), signal.SIGSTOP)

        def send():
            _, record, body = sender.next_request("logs", records=1)
            answers.append(post(h, body.replace(b"kill test", TEXT.encode())))
            if answers[-1][0] == 200:
                acknowledged.extend(record)
            return answers[-1]

        wait_for("a refusal", lambda: any(send()[0] != 200 for _ in range(50)))
        status, headers = answers[-1]
        assert status in (429, 503) and int(headers["Retry-After"]) > 0, answers[-1]
        assert len(acknowledged) > 100 and h.status()["ingest"]["journal_bytes"] <= 16 << 20
        assert h.get("/healthz")[0] == 200
        os.kill(h.engine_pid(), signal.SIGCONT)
        wait_for("it takes requests again", lambda: send()[0] == 200)
        h.flush()
        assert stored_counts(h) == dict.fromkeys(acknowledged, 1)
