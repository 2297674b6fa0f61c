"""The engine is killed between two of its own steps: a block's token is written down, its rows are not yet published. What
comes under that token again is answered "ok" and not stored. Every record is there once all the same.

The moment is met by a kill at the system call that publishes (strace); skipped where processes may not be traced.
"""
import shutil
import subprocess
import time

import pytest

from harness import Homeostat, wait_for
from kill_load import stored_counts

ROUNDS = 3


def kill_at_rename(pid):
    """-> strace, attached: the next rename of the process is its death."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=rename", "-e", "inject=rename:signal=KILL:when=1",
                               "-p", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    status = f"/proc/{pid}/status"
    end = time.monotonic() + 20
    while tracer.poll() is None and "TracerPid:\t0\n" in open(status).read():
        assert time.monotonic() < end, "strace does not attach"
        time.sleep(0.05)
    if tracer.poll() is not None:
        pytest.skip(f"processes may not be traced here: {tracer.stderr.read()}")
    return tracer


def post(homeostat, record):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "between"}}]}
    log = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": "between"},
           "attributes": [{"key": "test.id", "value": {"stringValue": record}}]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]}
    assert homeostat.post("/v1/logs", body, listener="otlp_http")[0] == 200


def test_a_token_without_its_rows_swallows_nothing():
    with Homeostat(settings={"batch.max_age": "100ms", "retention.max_age": "0"}) as homeostat:
        post(homeostat, "before")
        homeostat.flush()
        for n in range(ROUNDS):
            pid = homeostat.engine_pid()
            tracer = kill_at_rename(pid)
            post(homeostat, f"during-{n}")
            tracer.wait(60)
            wait_for("the engine is another one", lambda: homeostat.engine_pid() not in (None, 0, pid))
            homeostat.wait_ready()
            post(homeostat, f"after-{n}")
            homeostat.flush()
        records = ["before"] + [f"{when}-{n}" for n in range(ROUNDS) for when in ("during", "after")]
        assert stored_counts(homeostat) == dict.fromkeys(records, 1)
        assert homeostat.metric("homeostat_ingest_burnt_tokens_total") > 0, "the moment was not met"
