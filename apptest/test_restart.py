"""`serve` is killed in the middle of a repair: nothing stays changed unwatched, and the incident goes on as the same one."""
import json
import subprocess
import time

import pytest

from harness import Homeostat, binary, wait_for
from small_app import CONFIG, SmallApp


def incidents(h):
    status, body = h.get("/v1/incidents")
    return body["incidents"] if status == 200 else []


def changes(h):
    status, body = h.get("/v1/changes")
    return body["changes"] if status == 200 else []


def broken_until(h, app, state):
    """Breaks the application, waits until a change is in that state, and kills serve at once. -> (incident, change)"""
    time.sleep(15)
    app.error_share["primary"] = 0.6
    wait_for(f"a change that is {state}", lambda: any(c["state"] == state for c in changes(h)), 60)
    change = next(c["id"] for c in changes(h) if c["state"] == state)
    incident = incidents(h)[0]["id"]
    h.kill("serve")
    return incident, change


def ends_well(h, incident):
    wait_for("a restored incident", lambda: incidents(h) and incidents(h)[0]["restored"], 60)
    assert [i["id"] for i in incidents(h)] == [incident], "the same incident, counted once"
    assert h.get("/v1/kpis")[1]["natural"]["time_to_detect"]["n"] == 1
    h.stop()
    h.start()  # with what was learned
    time.sleep(6)
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
        killed = time.monotonic()
        wait_for("the end of the lease", lambda: time.monotonic() > killed + 11.5, 12)
        assert app.values_seen(1) == {"primary"}, "a candidate outlived its lease"
        h.start()
        wait_for("the loop", lambda: incidents(h), 20)
        wait_for("the old candidate's end", lambda: state_of(h, candidate) == "reverted", 10)
        wait_for("a promoted change", lambda: any(c["state"] == "promoted" for c in changes(h)), 60)
        assert "left from before a restart" in ends_well(h, incident)


def test_a_kill_after_a_promotion(config):
    with Homeostat(config=config) as h, SmallApp(h) as app:
        incident, promoted = broken_until(h, app, "promoted")
        killed = time.monotonic()
        wait_for("the end of the lease", lambda: time.monotonic() > killed + 11.5, 12)
        assert app.values_seen(1) == {"backup"}, "a promoted value stays while nobody runs"
        h.start()
        wait_for("the loop", lambda: incidents(h), 20)
        ends_well(h, incident)
        assert "backup" in app.values_seen(1)
        assert state_of_entry(h, promoted) == "promoted"


def state_of(h, change):
    return next((c["state"] for c in changes(h) if c["id"] == change), None)


def state_of_entry(h, change):
    """From the saved state: serve is stopped."""
    saved = json.loads((h.data / "loop/state.json").read_text())["changes"]
    return next((c["state"] for c in saved if c["change"]["id"] == change), None)
