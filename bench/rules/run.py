#!/usr/bin/env python3
"""What rules cost: ./dev bench rules [--help].

Many recording rules over a few series each, and a few over all of them, while the series are written. The CPU time of
Homeostat's processes is measured without rules and then with them, in the same run: the difference is theirs. Also told
are evaluations that were missed or failed; either of them, or a recorded series that is not there, fails the run.
"""
import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "apptest"))
import remote_write as rw  # noqa: E402
from harness import wait_for  # noqa: E402
from rules_world import metric, query, with_rules, write_rules  # noqa: E402

CPUCLOCK_SCHED = 2  # clock ids of other processes, as Linux makes them from a pid
METRICS_PER_REQUEST = 100


def cpu_s(pid):
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def groups(a):
    """a.rules small ones in groups of fifty, and a.large over all series."""
    out = ""
    for first in range(0, a.rules, 50):
        out += f"- name: small-{first}\n  interval: {a.interval}s\n  rules:\n"
        out += "".join(f"  - {{record: 'small:{n}', expr: 'sum by (i) (rate(m{n}[1m]))'}}\n"
                       for n in range(first, min(first + 50, a.rules)))
    out += f"- name: large\n  interval: {a.interval}s\n  rules:\n"
    out += "".join(f"  - {{record: 'large:{n}', expr: 'sum by (i) (rate({{__name__=~\"m.+\"}}[1m])) * {n + 1}'}}\n"
                   for n in range(a.large))
    return out


def labels(a, n, i, number):
    """With churn, every series is replaced by another one now and then, at different times."""
    life = int((number * a.churn + (n * a.series + i) * 7919 % 1000 / 10) // 100)
    return {"__name__": f"m{n}", "i": str(i), "job": "bench", "pod": f"pod-{life}"}


def push(h, a, number):
    now = int(time.time() * 1000)
    for first in range(0, a.rules, METRICS_PER_REQUEST):
        body = rw.body(*[rw.series(labels(a, n, i, number), rw.sample(number * 15 + n + i, now))
                         for n in range(first, min(first + METRICS_PER_REQUEST, a.rules)) for i in range(a.series)])
        answer = requests.post(h.url("http", "/api/v1/write"), data=body, headers=rw.HEADERS, timeout=60)
        assert answer.status_code == 204, answer.text


def measure(h, a, what, rounds, number):
    """Feeds for so many intervals, and tells the share of a core that each process used."""
    pids = {"serve": h.process.pid, "engine": h.engine_pid()}
    before, begin = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    counts = {n: metric(h, f"homeostat_ingest_{n}_total") or 0 for n in ("blocks", "delivered_rows")}
    for at in range(rounds):
        push(h, a, number + at)
        time.sleep(max(0, begin + (at + 1) * a.interval - time.monotonic()))
    took = time.monotonic() - begin
    out = {name: 100 * (cpu_s(pid) - before[name]) / took for name, pid in pids.items()}
    more = ", ".join(f"{(metric(h, f'homeostat_ingest_{n}_total') - was) / took:.1f} {n}/s" for n, was in counts.items())
    print(f"| {what} | {out['serve']:.1f} | {out['engine']:.1f} | {sum(out.values()):.1f} | {more} |", flush=True)
    return sum(out.values())


def missed(h):
    lines = h.get("/metrics")[1].splitlines()
    return {kind: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"prometheus_rule_{kind}_total{{"))
            for kind in ("group_iterations_missed", "evaluation_failures")}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rules", type=int, default=1000, help="rules over --series series each")
    p.add_argument("--series", type=int, default=10)
    p.add_argument("--large", type=int, default=10, help="rules over all series")
    p.add_argument("--interval", type=int, default=15)
    p.add_argument("--churn", type=float, default=0, help="percent of the series that are others after each interval")
    p.add_argument("--rounds", type=int, default=8, help="intervals that are measured, without rules and with them")
    a = p.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="homeostat-bench-rules-"))
    with with_rules(directory, "- {name: none, rules: []}\n") as h:
        wait_for("memory is filled", lambda: metric(h, "homeostat_recent_samples_from_s"))
        print(f"{a.rules} rules over {a.series} series each and {a.large} over all, every {a.interval} s; "
              f"{a.rules * a.series} series written every {a.interval} s, {a.churn} % of them new; percent of one core")
        print("| | serve | engine | together | |\n|---|---|---|---|---|")
        for number in range(4):
            push(h, a, number)
            time.sleep(a.interval / 4)
        idle = measure(h, a, "without rules", a.rounds, 4)
        write_rules(directory, groups(a))
        os.kill(h.process.pid, signal.SIGHUP)
        for number in range(2):  # the first evaluations describe the series that they make
            push(h, a, 4 + a.rounds + number)
            time.sleep(a.interval)
        busy = measure(h, a, "with rules", a.rounds, 6 + a.rounds)
        print(f"| rules | | | {busy - idle:.1f} | |")
        recorded = {name: query(h, f'count({{__name__=~"{name}:.+"}})') for name in ("small", "large")}
        wrong = missed(h)
        print(json.dumps({"recorded": {k: list(v.values()) for k, v in recorded.items()}, **wrong}))
        good = list(recorded["small"].values()) == [a.rules * a.series] and \
            list(recorded["large"].values()) == [a.large * a.series] and not any(wrong.values())
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
