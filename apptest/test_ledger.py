"""The ledger as an operator meets it: a record that somebody edited, an incident told from start to end."""
import subprocess

from harness import Homeostat, binary, wait_for


def ledger(h, *words):
    done = subprocess.run([binary(), "ledger", words[0], "--data", str(h.data), *words[1:]], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def kinds(h):
    return {entry["kind"] for entry in h.get("/v1/ledger")[1]["entries"]}


def step_made(h):
    return h.get("/v1/status")[0] == 200


LOG = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "still recorded"}}]}]}]}


def test_a_tampered_ledger_stops_the_hands_and_nothing_else():
    with Homeostat() as h:
        assert h.post("/v1/stop", {"who": "ann", "why": "a drill"})[0] == 202
        wait_for("the order in the ledger", lambda: "operator" in kinds(h))
        assert h.post("/v1/resume", {"who": "ann"})[0] == 202
        h.stop()
        path = h.data / "ledger/entries-00000001.log"
        record = path.read_bytes()
        assert b"a drill" in record
        path.write_bytes(record.replace(b"a drill", b"a trick"))
        h.start()
        wait_for("the loop's first step", lambda: step_made(h))
        status = h.get("/v1/status")[1]
        assert status["mode"] == "watching"
        assert "tampered" in status["why"] and "ledger verify" in status["why"] and "Move the directory" in status["why"]
        code, ready = h.get("/readyz")
        assert code == 200 and ready["ready"] and ready["loop"] == status
        assert h.metric("homeostat_ledger_usable") == 0 and h.metric("homeostat_acting") == 0
        assert "nothing is changed until the ledger is good again" in h.tail(200)
        code, body = h.get("/v1/ledger")
        assert code == 503 and "tampered" in body["error"]["message"]
        assert h.post("/v1/logs", LOG, listener="otlp_http")[0] == 200
        h.flush()
        assert h.get("/v1/logs?limit=5")[0] == 200
        assert path.read_bytes() == record.replace(b"a drill", b"a trick"), "evidence was changed"
        code, told = ledger(h, "verify")
        assert code == 1 and "FOUND" in told and "NOT CONSISTENT" in told, told
        h.stop()
        (h.data / "ledger").rename(h.data / "evidence")
        h.start()
        wait_for("acting again", lambda: step_made(h) and h.get("/v1/status")[1]["mode"] == "acting")
        assert h.metric("homeostat_ledger_usable") == 1
        assert ledger(h, "verify")[0] == 0


def signed_orders(h):
    newest_first = [entry["kind"] for entry in h.get("/v1/ledger")[1]["entries"]]
    return newest_first.count("operator") if newest_first[:1] == ["head"] else 0


def without(lines, index):
    return lines[:index] + lines[index + 1:]


def swapped(lines, index):
    return lines[:index] + [lines[index + 1], lines[index]] + lines[index + 2:]


# What is done to a copy, and whether that is found without and with a head kept elsewhere.
TAMPERINGS = {
    "nothing": (lambda lines: lines, 0, 0),
    "an entry deleted": (lambda lines: without(lines, 2), 1, 1),
    "two entries in another order": (lambda lines: swapped(lines, 2), 1, 1),
    "an entry of somebody else": (lambda lines: lines[:2] + [lines[0]] + lines[2:], 1, 1),
    "the end cut off": (lambda lines: lines[:2], 0, 1),
    "the end torn": (lambda lines: lines[:-1] + [lines[-1][:40]], 0, 0),
}


def test_what_was_done_to_a_ledger_is_found_on_another_machine(tmp_path):
    with Homeostat() as h:
        for n in range(3):
            assert h.post("/v1/stop", {"who": "ann", "why": f"drill {n}"})[0] == 202
            assert h.post("/v1/resume", {"who": "ann"})[0] == 202
        wait_for("all orders in the ledger, and signed", lambda: signed_orders(h) == 6)
        status, head = h.get("/v1/ledger/head")
        assert status == 200 and h.metric("homeostat_ledger_entries") == head["size"]
        h.stop()
        (tmp_path / "head").write_text(head["note"])
        lines = (h.data / "ledger/entries-00000001.log").read_bytes().splitlines(keepends=True)
        key = (h.data / "ledger/vkey").read_text().strip()
        for what, (tamper, code_alone, code_with_head) in TAMPERINGS.items():
            copy = tmp_path / what.replace(" ", "-")
            copy.mkdir()
            (copy / "vkey").write_text(key)
            (copy / "entries-00000001.log").write_bytes(b"".join(tamper(lines)))
            code, told = ledger(h, "verify", "--ledger", str(copy))
            assert code == code_alone, (what, told)
            assert code or "completeness not proven" in told, (what, told)
            code, told = ledger(h, "verify", "--ledger", str(copy), "--key", key, "--head", str(tmp_path / "head"))
            assert code == code_with_head, (what, told)
            assert code or "completeness not proven" not in told, (what, told)
        assert "torn" in ledger(h, "verify", "--ledger", str(tmp_path / "the-end-torn"))[1]
