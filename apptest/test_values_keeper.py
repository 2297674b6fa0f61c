"""What `serve` sees to for the knobs' values: a process that answers, and revisions that never come twice."""
import json
import os
import shutil
import signal
import time

from harness import Homeostat, is_stopped, wait_for
from small_app import CONFIG


def evaluate(h, key="pay.provider"):
    """-> the OFREP answer, or None when nobody answers in time."""
    try:
        status, body = h.request("POST", f"/ofrep/v1/evaluate/flags/{key}", {"context": {"targetingKey": "ann"}},
                                 listener="values", timeout_s=1)
    except OSError:
        return None
    return body if status == 200 else None


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_stopped_values_process_is_replaced(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG)
    with Homeostat(config=config) as h:
        wait_for("values", lambda: evaluate(h))
        pid = h.values_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("the stop", lambda: is_stopped(pid))
            assert evaluate(h) is None
            wait_for("another process", lambda: h.values_pid() not in (None, pid) and evaluate(h))
            assert evaluate(h)["value"] == "primary"
            wait_for("the end of the stopped one", lambda: not is_alive(pid))
        finally:
            if is_alive(pid):
                os.kill(pid, signal.SIGCONT)
        assert "does not answer; it is replaced" in h.tail()
        assert "homeostat_values_replaced_total 1" in h.get("/metrics")[1]
        time.sleep(4)  # the new one is not taken for a stuck one
        assert "homeostat_values_replaced_total 1" in h.get("/metrics")[1]


def with_base(config, base):
    text = CONFIG.replace("[primary, backup]", "[primary, backup, third]")
    config.write_text(text.replace("base: primary", f"base: {base}"))


def test_a_state_file_from_a_backup_does_not_bring_revisions_again(tmp_path):
    config = tmp_path / "homeostat.yaml"
    backup = tmp_path / "state.json"
    with_base(config, "primary")
    with Homeostat(config=config) as h:
        first = wait_for_value(h, "primary")
        shutil.copy(h.data / "values/state.json", backup)
        h.stop()
        with_base(config, "backup")
        h.start()
        second = wait_for_value(h, "backup")
        assert second > first
        h.stop()
        shutil.copy(backup, h.data / "values/state.json")
        with_base(config, "third")
        h.start()
        assert wait_for_value(h, "third") > second
        assert json.loads((h.data / "values/state.json").read_text())["revision"] > second


def wait_for_value(h, value):
    wait_for(value, lambda: (evaluate(h) or {}).get("value") == value)
    return evaluate(h)["metadata"]["revision"]
