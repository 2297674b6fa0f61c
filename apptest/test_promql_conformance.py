"""Prometheus' own PromQL cases, through remote write and the HTTP API of the real binary.

The cases and their runner are shared data, not part of the repository. HOMEOSTAT_CONFORMANCE=all runs every block;
otherwise a fixed share of the blocks is run, because the whole takes minutes.
"""
import json
import os
import subprocess
import sys

import pytest

from harness import Homeostat, shared

EVERYTHING = os.environ.get("HOMEOSTAT_CONFORMANCE") == "all"
EVERY = 5  # of the blocks, unless all are wanted

# Percent of the cases whose result is right, as measured; a rise is written down here.
FLOORS = {"promqltest.jsonl": 99.5 if EVERYTHING else 100.0, "promql_compliance.jsonl": 100.0}
FLOAT_FLOOR = 100.0  # of stable PromQL on floats: what dashboards use


def cases(name, tmp_path):
    source = shared() / "conformance/data" / name
    if EVERYTHING:
        return source
    some = tmp_path / name
    some.write_text("".join(line for i, line in enumerate(open(source)) if i % EVERY == 0))
    return some


def share(rows):
    run = [r for r in rows if r["mark"] != "skip"]
    assert run, "nothing was run"
    return 100 * sum(r["mark"] in ("strict", "values") for r in run) / len(run)


@pytest.mark.parametrize("name", list(FLOORS))
def test_promql_conformance(name, tmp_path):
    runner = shared() / "conformance/runners/promql/run.py" if shared() else None
    if runner is None or not runner.exists():
        pytest.skip("the shared conformance cases are not here (HOMEOSTAT_SHARED)")
    out = tmp_path / "rows.json"
    with Homeostat(settings={"retention.max_age": "0"}) as h:
        done = subprocess.run([sys.executable, str(runner), "--cases", str(cases(name, tmp_path)), "--url",
                               h.url("http"), "--isolation", "tenant", "--timeout", "120", "--out", str(out), "--show",
                               "20"],
                              capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    rows = json.loads(out.read_text())
    assert share(rows) >= FLOORS[name], done.stdout
    floats = [r for r in rows if not {"experimental", "native_histogram"} & set(r["tags"])]
    assert share(floats) >= FLOAT_FLOOR, done.stdout
