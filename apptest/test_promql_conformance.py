"""Prometheus' own PromQL cases, through remote write and the HTTP API of the real binary: answered by the engine (their
times are those of 1970, which are not kept in memory) and, moved to this week, from memory.

The cases and their runner are shared data, not part of the repository. HOMEOSTAT_CONFORMANCE=all runs every block and
writes the tables of docs/conformance/promql.md; otherwise a fixed share of the blocks is run, because the whole takes
minutes.
"""
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from harness import ROOT, Homeostat, binary, shared, wait_for
from test_promql_memory import in_memory

EVERYTHING = os.environ.get("HOMEOSTAT_CONFORMANCE") == "all"
EVERY = 5  # of the blocks, unless all are wanted

DOCUMENT = ROOT / "docs/conformance/promql.md"
WEEK_S = 604_800  # also the most that memory keeps; a case moved by whole weeks asks for the same weekdays

# Cases, from memory? and the percent of them whose result is right, as measured; a rise is written down here.
RUNS = {("promqltest.jsonl", False): 100.0, ("promqltest.jsonl", True): 100.0, ("promql_compliance.jsonl", False): 100.0}


def cases(name, tmp_path):
    source = shared() / "conformance/data" / name
    if EVERYTHING:
        return source
    some = tmp_path / name
    some.write_text("".join(line for i, line in enumerate(open(source)) if i % EVERY == 0))
    return some


def kind(row):
    if "native_histogram" in row["tags"]:
        return "native histograms"
    return "experimental features" if "experimental" in row["tags"] else "stable PromQL, floats only"


def table(rows):
    lines = ["| cases | run | right by value | strictly right | not run |", "| --- | --- | --- | --- | --- |"]
    for name in ["all", *sorted({kind(r) for r in rows})]:
        some = [r for r in rows if name in ("all", kind(r))]
        run = [r for r in some if r["mark"] != "skip"]
        share = [100 * sum(r["mark"] in marks for r in run) / max(len(run), 1)
                 for marks in (("strict", "values"), ("strict",))]
        lines.append(f"| {name} | {len(run):,} | {share[0]:.2f} % | {share[1]:.2f} % | {len(some) - len(run)} |")
    wrong = [f"- {r['mark']}: `{r['file']}:{r['line']}` `{r['expr']}`: {r['why']}" for r in rows
             if r["mark"] in ("fail", "values")]
    return "\n".join(lines + ([""] + wrong if wrong else [])) + "\n"


def write_down(name, memory, rows):
    """Replaces what stands between the marks of this run; tests of a part write nothing."""
    begin, end = (f"<!-- {which} {name}{' memory' if memory else ''} -->" for which in ("begin", "end"))
    before, rest = DOCUMENT.read_text().split(begin)
    measured = f"\n{table(rows)}\n{datetime.date.today()}, {pathlib.Path(binary()).parent.name} build\n"
    DOCUMENT.write_text(before + begin + measured + end + rest.split(end)[1])


@pytest.mark.parametrize("name,memory", RUNS)
def test_promql_conformance(name, memory, tmp_path):
    runner = shared() / "conformance/runners/promql/run.py" if shared() else None
    if runner is None or not runner.exists():
        pytest.skip("the shared conformance cases are not here (HOMEOSTAT_SHARED)")
    out = tmp_path / "rows.json"
    epoch = int(time.time()) // WEEK_S * WEEK_S if memory else 0
    with Homeostat(settings={"retention.max_age": "0", "prometheus.memory_age": "7d"} if memory else
                   {"retention.max_age": "0"}) as h:
        if memory:
            wait_for("memory is filled", lambda: 0 < in_memory(h) <= epoch)
        done = subprocess.run([sys.executable, str(runner), "--cases", str(cases(name, tmp_path)), "--url",
                               h.url("http"), "--isolation", "tenant", "--epoch", str(epoch), "--timeout", "120",
                               "--out", str(out), "--show", "20"],
                              capture_output=True, text=True, timeout=1800)
        assert not memory or 0 < in_memory(h) <= epoch, "nothing was forgotten meanwhile"
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    rows = json.loads(out.read_text())
    run = [r for r in rows if r["mark"] != "skip"]
    right = sum(r["mark"] in ("strict", "values") for r in run)
    assert run and 100 * right / len(run) >= RUNS[name, memory], done.stdout
    if EVERYTHING:
        write_down(name, memory, rows)
