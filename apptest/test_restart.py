"""`serve` is killed in the middle of a repair: nothing stays changed unwatched, and the incident goes on as the same one."""
import json
import subprocess
import time

import pytest

from harness import Homeostat, binary, wait_for
from loop_view import changes, incidents, restored
from scripted_app import HEALTHY_REQUESTS
from small_app import CONFIG, SmallApp

LEASE_S = 10  # loop.lease


def broken_until(h, app, state):
    """Breaks the application, waits until a change is in that state, and kills serve at once. -> (incident, change)"""
    app.wait_exported(HEALTHY_REQUESTS)
    if state == "candidate":
        app.mute_at = "candidate"  # without data there is no verdict: it stays a candidate until the kill
    app.error_share["primary"] = 0.6
    wait_for(f"a change that is {state}", lambda: changes(h, state=state))
    change = changes(h, state=state)[0]["id"]
    incident = incidents(h)[0]["id"]
    wait_for("the saved state", lambda: state_of_entry(h, change) == state)  # it is written behind the loop's back
    h.kill("serve")
    app.mute_at, app.muted = None, False
    return incident, change


def ends_well(h, incident):
    wait_for("a restored incident", lambda: restored(h))
    assert [i["id"] for i in incidents(h)] == [incident], "the same incident, counted once"
    assert h.get("/v1/kpis")[1]["natural"]["time_to_detect"]["n"] == 1
    h.stop()
    h.start()  # with what was learned
    wait_for("the loop's steps", lambda: incidents(h))
    h.stop()
    verified = subprocess.run([binary(), "ledger", "verify", "--data", str(h.data)], capture_output=True, text=True)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    again = subprocess.run([binary(), "ledger", "replay", "--data", str(h.data)], capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout.count("run ") == 3, again.stdout + again.stderr
    told = subprocess.run([binary(), "ledger", "show", "--data", str(h.data), incident], capture_output=True, text=True)
    assert "the incident goes on" in told.stdout, told.stdout
    return told.stdout


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "homeostat.yaml"
    path.write_text(CONFIG)
    return path


def test_a_kill_while_a_candidate_is_tried(config):
    with Homeostat(config=config) as h, SmallApp(h) as app:
        incident, candidate = broken_until(h, app, "candidate")
        # The last renewal was before the kill. Whoever asks after the lease's end gets the base, however late it is.
        assert app.values_since(time.monotonic() + LEASE_S) == {"primary"}, "a candidate outlived its lease"
        assert "backup" in {o.value for o in app.outcomes}, "it was in force before"
        h.start()
        wait_for("the loop", lambda: incidents(h))
        wait_for("the old candidate's end", lambda: state_of(h, candidate) == "reverted")
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        assert "left from before a restart" in ends_well(h, incident)


def test_a_kill_after_a_promotion(config):
    with Homeostat(config=config) as h, SmallApp(h) as app:
        incident, promoted = broken_until(h, app, "promoted")
        # The share that kept the old value as a control was a candidate: its lease ends.
        assert app.values_since(time.monotonic() + LEASE_S) == {"backup"}, "a promoted value stays while nobody runs"
        h.start()
        wait_for("the loop", lambda: incidents(h))
        ends_well(h, incident)
        assert "backup" in app.values_now()
        assert state_of_entry(h, promoted) == "promoted"


def test_a_fault_that_ends_while_nobody_looks(config):
    with Homeostat(config=config) as h, SmallApp(h) as app:
        incident, candidate = broken_until(h, app, "candidate")
        app.error_share["primary"] = 0
        app.values_now()
        back = time.time()
        h.start()
        wait_for("the loop", lambda: incidents(h))
        wait_for("a restored incident", lambda: incidents(h)[0]["restored"])
        assert [i["id"] for i in incidents(h)] == [incident]
        assert incidents(h)[0]["restored_ns"] / 1e9 > back, "nobody saw it end: the first second that we know of"
        assert all(s["ended"] for s in incidents(h)[0]["symptoms"])
        assert state_of(h, candidate) == "reverted" and all(c["state"] == "reverted" for c in changes(h))
        h.stop()
        for name in ("baselines", "stream"):
            assert (h.data / "loop" / name).read_bytes().startswith(b"homeostat-%s/" % name.encode())
        for name in ("baselines", "stream", "state.json"):  # torn in the middle, as a file system may after a crash
            path = h.data / "loop" / name
            path.write_bytes(path.read_bytes()[:-20])
        h.start()
        wait_for("three complaints", lambda: h.tail(400).count("not used") + h.tail(400).count("without its memory") == 3)


def state_of(h, change):
    return next((c["state"] for c in changes(h) if c["id"] == change), None)


def state_of_entry(h, change):
    """From the saved state, which is replaced whole."""
    path = h.data / "loop/state.json"
    saved = json.loads(path.read_text())["changes"] if path.exists() else []
    return next((c["state"] for c in saved if c["change"]["id"] == change), None)
