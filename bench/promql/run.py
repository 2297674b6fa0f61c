#!/usr/bin/env python3
"""Homeostat and Prometheus on the same data, the same queries, in one run: ./dev bench promql [--help].

Prometheus is built from its Go module (go.mod here, checked by go.sum); its data are blocks written by its own TSDB
module, Homeostat's the same samples through remote write. Every query is asked of both, each after the other, until
both were asked often enough for their CPU time to be seen; the answers are compared.

CPU is that of the processes (Homeostat: serve and engine), user and system, background work included. Memory is the
high-water mark of the resident set while the query was asked.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "apptest"))
from harness import Homeostat, free_ports, wait_for  # noqa: E402

CPUCLOCK_SCHED = 2  # clock ids of other processes, as Linux makes them from a pid
SECONDS_TO_START = 300  # on a machine that is busy with other work
SECONDS_TO_PACK = 3600
TOLERANCE = 1e-9    # of values: the order of a sum is nobody's promise


def cpu_s(pid):
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


class Server:
    """One of the two: where it is asked, and what its processes use."""

    def __init__(self, name, url, pids):
        self.name, self.url, self.pids = name, url, pids

    def cpu(self):
        return sum(cpu_s(pid) for pid in self.pids())

    def forget_peak(self):
        for pid in self.pids():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_bytes(self):
        def of(pid):
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
        return sum(of(pid) for pid in self.pids())

    def ask(self, query, start_s, end_s, step_s, timeout_s=300):
        """-> (seconds, answer's bytes)."""
        if step_s:
            path, more = "/api/v1/query_range", {"start": start_s, "end": end_s, "step": step_s}
        else:
            path, more = "/api/v1/query", {"time": end_s}
        body = urllib.parse.urlencode({"query": query, **more}).encode()
        begin = time.monotonic()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body), timeout=timeout_s) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
        return time.monotonic() - begin, text


def samples(result):
    """-> {labels: [(time, value)]}"""
    out = {}
    for one in result["data"]["result"]:
        if not isinstance(one, dict):  # a scalar
            return {"": [tuple(result["data"]["result"])]}
        points = one.get("values") or one.get("histograms") or [one.get("value") or one.get("histogram")]
        out[json.dumps(one["metric"], sort_keys=True)] = [tuple(p) if not isinstance(p[1], dict) else
                                                          (p[0], p[1]["sum"]) for p in points]
    return out


def same(a, b):
    """None, or what differs first."""
    if a.get("status") != "success" or b.get("status") != "success":
        return f"{a.get('error')} / {b.get('error')}"
    left, right = samples(a), samples(b)
    if left.keys() != right.keys():
        return f"{len(left)} and {len(right)} series"
    for labels, points in left.items():
        others = right[labels]
        if len(points) != len(others):
            return f"{labels}: {len(points)} and {len(others)} points"
        for (t, x), (u, y) in zip(points, others):
            x, y = float(x), float(y)
            equal = math.isclose(x, y, rel_tol=TOLERANCE) or (math.isnan(x) and math.isnan(y))
            if float(t) != float(u) or not equal:
                return f"{labels} at {t}: {x} and {y}"
    return None


def measure(servers, query, args):
    """Asks both in turn; -> row of the table."""
    start_s, end_s, step_s = args.start, args.end, args.step if query["kind"] == "range" else 0
    first = {s.name: json.loads(s.ask(query["query"], start_s, end_s, step_s)[1]) for s in servers}
    row = {**query, "differs": same(*first.values())}
    for s in servers:
        s.forget_peak()
        latencies, used, begin = [], 0.0, time.monotonic()
        while len(latencies) < args.repeat or (used < args.cpu_min and time.monotonic() - begin < args.seconds_max):
            before = s.cpu()
            latencies.append(s.ask(query["query"], start_s, end_s, step_s)[0])
            used += s.cpu() - before
        row[s.name] = {"cpu_ms": 1000 * used / len(latencies), "latency_ms": 1000 * statistics.median(latencies),
                       "peak_mb": s.peak_bytes() / 2**20, "asked": len(latencies)}
    row["cpu_ratio"] = row["homeostat"]["cpu_ms"] / row["prometheus"]["cpu_ms"]
    row["latency_ratio"] = row["homeostat"]["latency_ms"] / row["prometheus"]["latency_ms"]
    return row


def table(rows, head):
    out = [head, "", "| query | kind | CPU ms: Homeostat | Prometheus | ratio | latency ms: Homeostat | Prometheus | ratio |"
           " peak MB: Homeostat | Prometheus |", "|" + "---|" * 10]
    for r in rows:
        h, p = r["homeostat"], r["prometheus"]
        text = r["query"].replace("|", "\\|") + (f" **differs: {r['differs']}**" if r["differs"] else "")
        out.append(f"| `{text}` | {r['kind']} | {h['cpu_ms']:.1f} | {p['cpu_ms']:.1f} | {r['cpu_ratio']:.2f} |"
                   f" {h['latency_ms']:.1f} | {p['latency_ms']:.1f} | {r['latency_ratio']:.2f} |"
                   f" {h['peak_mb']:.0f} | {p['peak_mb']:.0f} |")
    median = {k: statistics.median(r[k] for r in rows) for k in ("cpu_ratio", "latency_ratio")}
    worst = {k: max(r[k] for r in rows) for k in median}
    out.append(f"\nRatio of Homeostat to Prometheus, median of {len(rows)} queries: CPU {median['cpu_ratio']:.2f}, latency"
               f" {median['latency_ratio']:.2f}; worst: CPU {worst['cpu_ratio']:.2f}, latency"
               f" {worst['latency_ratio']:.2f}.")
    return "\n".join(out)


def run_prometheus(program, directory):
    (port,) = free_ports(1)
    config = directory / "prometheus.yml"
    config.write_text("global: {}\n")
    log = open(directory / "prometheus.log", "wb")
    process = subprocess.Popen([str(program), f"--config.file={config}", f"--storage.tsdb.path={directory / 'blocks'}",
                                "--storage.tsdb.retention.time=30d", f"--web.listen-address=127.0.0.1:{port}",
                                "--enable-feature=promql-experimental-functions"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def ready():
        assert process.poll() is None, (directory / "prometheus.log").read_text()
        try:
            return urllib.request.urlopen(url + "/-/ready", timeout=5).status == 200
        except OSError:
            return False
    wait_for("Prometheus", ready, SECONDS_TO_START)
    return process, Server("prometheus", url, lambda: [process.pid])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--steps", type=int, default=240, help="of a range query, over the whole time")
    parser.add_argument("--interval", type=int, default=15, help="seconds between samples")
    parser.add_argument("--repeat", type=int, default=5, help="ask each query at least so often")
    parser.add_argument("--cpu-min", type=float, default=0.4, help="and until it used so many seconds of CPU")
    parser.add_argument("--seconds-max", type=float, default=20, help="but no longer than this")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Homeostat")
    parser.add_argument("--only", default="", help="queries that contain this text")
    parser.add_argument("--data", type=pathlib.Path, help="keep the data here, and use what is there already")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--prometheus", type=pathlib.Path, required=True, help="the program (./dev bench builds it)")
    parser.add_argument("--writer", type=pathlib.Path, required=True, help="the program that makes the data")
    return parser.parse_args()


def load(args, homeostat, directory):
    """Writes the data that are not there yet: blocks for Prometheus, remote write to Homeostat."""
    window = directory / "window.json"
    shape = {"series": args.series, "hours": args.hours, "interval": args.interval}
    known = json.loads(window.read_text()) if window.exists() else None
    assert known is None or known["shape"] == shape, f"{directory} holds other data: {known}"
    args.end = known["end"] if known else int(time.time()) // args.interval * args.interval
    args.start = args.end - int(args.hours * 3600)
    args.step = max(args.interval, (args.end - args.start) // args.steps)
    if known:
        return
    flags = [f"-series={args.series}", f"-start={args.start * 1000}", f"-end={args.end * 1000}",
             f"-step={args.interval * 1000}"]
    print(f"writing {args.series} series over {args.hours:g} h, {args.end - args.start} s", file=sys.stderr)
    subprocess.run([str(args.writer), f"-blocks={directory / 'blocks'}", *flags], check=True)
    subprocess.run([str(args.writer), f"-write={homeostat.url('http', '/api/v1/write')}", *flags], check=True)
    homeostat.flush()
    begin = time.monotonic()

    def packed():  # all but what is not over yet
        lines = homeostat.get("/metrics")[1].splitlines()
        waiting = next(line for line in lines if line.startswith("homeostat_packed_slots_waiting "))
        return int(waiting.split()[1]) <= 1
    wait_for("samples are packed", packed, SECONDS_TO_PACK)
    print(f"packed after {time.monotonic() - begin:.0f} s more", file=sys.stderr)
    window.write_text(json.dumps({"shape": shape, "end": args.end}))


def main():
    args = arguments()
    directory = (args.data or pathlib.Path(tempfile.mkdtemp(prefix="homeostat-bench-"))).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    queries = [q for q in json.loads((HERE / "queries.json").read_text()) if args.only in q["query"]]
    settings = {"retention.max_age": "0", "prometheus.timeout": "5m", "prometheus.pack_after": "10s",
                **dict(s.split("=", 1) for s in args.set)}
    prometheus = None
    h = Homeostat(settings=settings, data=directory / "homeostat")
    try:
        h.start(timeout_s=SECONDS_TO_START)
        load(args, h, directory)
        prometheus, other = run_prometheus(args.prometheus, directory)
        servers = [Server("homeostat", h.url("http"), lambda: [h.process.pid, h.engine_pid()]), other]
        rows = []
        for query in queries:
            rows.append(measure(servers, query, args))
            r = rows[-1]
            print(f"{r['cpu_ratio']:6.2f} {r['homeostat']['cpu_ms']:8.1f} {r['prometheus']['cpu_ms']:8.1f} ms CPU  "
                  f"{r['query']}" + (f"  DIFFERS: {r['differs']}" if r["differs"] else ""), file=sys.stderr)
    finally:
        h.__exit__()
        if prometheus:
            prometheus.terminate()
            prometheus.wait(60)
        if not args.data:
            shutil.rmtree(directory, ignore_errors=True)
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    head = (f"{args.series} series, {args.hours:g} h at {args.interval} s, {args.step} s between steps of a range query;"
            f" {today}, {os.cpu_count()} cores")
    print(table(rows, head))
    if args.json:
        args.json.write_text(json.dumps({"head": head, "rows": rows}, indent=1))
    return 1 if any(r["differs"] for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
