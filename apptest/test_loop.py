"""The loop once, through the door: telemetry in, an incident, a change on a canary, a verdict, a repair."""
import re
import shutil
import subprocess
import time

from harness import Homeostat, binary, wait_for
from loop_view import changes, entries, incidents, restored
from small_app import CONFIG, SmallApp


def test_a_failing_provider_is_replaced_and_the_record_holds(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG)
    with Homeostat(config=config) as h, SmallApp(h) as app:
        app.wait_exported(500)  # healthy: nothing may be changed
        assert changes(h) == [] and incidents(h) == []
        app.error_share["primary"] = 0.6
        wait_for("an incident", lambda: incidents(h))
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        promoted = changes(h, state="promoted")[0]
        assert promoted["knob"] == "pay.provider" and promoted["to"] == "backup"
        assert promoted["verdict"]["kind"] == "PASS" and promoted["verdict"]["evidence"] == "concurrent_control"
        # The 5 % who keep the old value, as a control, still meet the fault: 3 % bad are to be expected.
        wait_for("good service", lambda: app.good_share(300) > 0.93)
        wait_for("a restored incident", lambda: restored(h))
        incident = incidents(h)[0]
        assert incident["causes"][0]["service"] == "pay", incident["causes"][:3]
        h.stop()
        verified = subprocess.run([binary(), "ledger", "verify", "--data", str(h.data)], capture_output=True, text=True)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        again = replay(h)
        assert again.returncode == 0 and "EQUAL" in again.stdout, again.stdout + again.stderr
        assert int(re.search(r"(\d+) decisions are equal", again.stdout)[1]) >= 8, again.stdout
        other = replay(h, rewritten(h, tmp_path / "other", "PASS", "FAIL"))
        assert other.returncode == 1 and "FIRST DIFFERENCE" in other.stderr and "DIFFERENT" in other.stderr, other
        told = subprocess.run([binary(), "ledger", "show", "--data", str(h.data), incident["id"]],
                              capture_output=True, text=True)
        assert told.returncode == 0, told.stdout + told.stderr
        told_in_order(told.stdout, "incident: detected", "incident: explained: service:pay",
                      "decision: decided: pay.provider",
                      "change: asks for pay.provider: primary -> backup",
                      "receipt: set: pay.provider; revision",
                      "verdict: PASS by concurrent_control", "promote: promotes pay.provider = backup",
                      "receipt: promoted: pay.provider", "incident: service is restored since")
        # The share that kept the old value as a control was a candidate: its lease ends. values outlives serve: what
        # was promoted stays.
        assert app.values_since(time.monotonic() + 10) == {"backup"}


def replay(h, ledger=None):
    more = ["--ledger", str(ledger)] if ledger else []
    return subprocess.run([binary(), "ledger", "replay", "--data", str(h.data), *more], capture_output=True, text=True)


def rewritten(h, copy, old, new):
    """A copy of the ledger in which a verdict says something else."""
    shutil.copytree(h.data / "ledger", copy)
    segment = copy / "entries-00000001.log"
    lines = segment.read_text().splitlines(keepends=True)
    segment.write_text("".join(line.replace(old, new) if '"kind":"verdict"' in line else line for line in lines))
    return copy


def told_in_order(text, *parts):
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing, or too early, in:\n{text}"
        at = found


class Forger(SmallApp):
    """Perfect fake traces of both services, all failing, under one credential; it evaluates nothing."""

    def evaluate(self, *_):
        return "primary", "base", "1"


def test_a_forger_with_one_credential_changes_nothing(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG.replace("[front=", "[forger=token-of-forger-003, front="))
    fake = {"front": "token-of-forger-003", "pay": "token-of-forger-003"}
    with Homeostat(config=config) as h, SmallApp(h) as app:
        app.wait_exported(400)
        with Forger(h, rate_per_s=40, seed=2, tokens=fake) as forger:
            forger.error_share["primary"] = 1.0
            wait_for("an incident", lambda: incidents(h))
            forger.wait_exported(600)  # a quarter of a minute of lies, at the rate of the truth
            assert changes(h) == [], changes(h)
            decisions = entries(h, "decision")
            assert any("did nothing" in e["words"] and e["incident"] for e in decisions), decisions
            assert forger.export_failures == 0 and app.export_failures == 0
            assert app.good_share(200) == 1.0
