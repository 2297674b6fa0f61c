#!/usr/bin/env python3
"""All three signals at once, as fast as they are taken, for a long time: part `full_rate` of ./dev soak.

    python3 bench/ingest/full_rate.py --generator PROGRAM [--seconds 3600] [--store BYTES] [--set KEY=VALUE]

The store is bounded (retention.max_bytes), so the disk is too. Every few seconds it looks at the memory of the processes,
at what waits and at the parts of the tables, and prints a line; at the end what it saw as JSON. Exit code 1 when
  - memory grew: the largest of the last quarter is more than a tenth above the largest of the second quarter,
  - a process took more than its budget (ingest.memory_max, engine.memory_max) and what it has at the start,
  - a table had more parts than PARTS_MAX in a partition (the engine slows inserts down at 1000, and refuses at 3000),
  - the store did not come back below its bound, or not everything acknowledged was delivered in the end,
  - a request failed other than by being told to come again.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from run import SIGNALS, Generator
from systems import PATIENCE_S, HomeostatSystem, peak_bytes

# How much is sent at once: some ten seconds of one core, so that the end is not far behind --seconds.
SIZES = {"spans": ("-traces", "3000"), "logs": ("-logs", "60000"), "points": ("-window", "2m")}
PASSES = 4
LOOK_S = 5
PARTS_MAX = 300          # of one table and partition: some minutes of merges behind
GROWTH_MAX = 1.1
SLACK_BYTES = 192 << 20  # code, stacks, the stream's windows, and what the allocator has between pieces
MIB = 1 << 20


def resident_bytes(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


class SmallGenerator(Generator):
    def dump(self, kind):
        path = self.directory / f"{kind}.dump"
        if not path.exists():
            subprocess.run([str(self.program), "-signal", SIGNALS[kind][1], *SIZES[kind], "-dump", str(path)], check=True,
                           stdout=subprocess.DEVNULL)
        return path


class Sender(threading.Thread):
    """One signal, the generator's data again and again: each time of now, so that no two requests are equal."""

    def __init__(self, kind, generator, system, end):
        super().__init__(daemon=True)
        self.kind, self.generator, self.system, self.end = kind, generator, system, end
        self.items, self.retried, self.problem = 0, 0, None

    def run(self):
        try:
            while time.monotonic() < self.end:
                report = self.generator.send(self.kind, self.system, PASSES)
                self.items += report["items"]
                self.retried += report.get("retried", 0)
        except Exception as problem:  # told at the end: the others go on
            self.problem = str(problem)


class Watch:
    def __init__(self, system, end):
        self.system, self.end, self.lines = system, end, []

    def look(self, started):
        h, engine = self.system.h, self.system.engine
        status = (h.status() or {}).get("ingest", {})
        parts = engine.number("SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database = "
                              "'homeostat' GROUP BY table, partition)")
        line = {"s": round(time.monotonic() - started), "serve_mib": resident_bytes(h.process.pid) // MIB,
                "engine_mib": resident_bytes(h.engine_pid()) // MIB, "journal_mib": status["journal_bytes"] // MIB,
                "waiting_rows": status["waiting_rows"], "parts": parts, "store_mib": self.system.kept_bytes() // MIB}
        self.lines.append(line)
        print(json.dumps(line), flush=True)

    def run(self):
        started = time.monotonic()
        while time.monotonic() < self.end:
            time.sleep(LOOK_S)
            try:
                self.look(started)
            except (OSError, KeyError):  # too busy to answer now
                continue

    def most(self, key, first=0.0, last=1.0):
        some = self.lines[int(len(self.lines) * first):max(1, int(len(self.lines) * last))]
        return max(line[key] for line in some)


def bytes_of(text):
    """A size as settings have it: 768MiB."""
    number = text.rstrip("KMGiB")
    return int(number) << {"": 0, "K": 10, "M": 20, "G": 30}[text[len(number):].rstrip("iB")]


def problems(watch, senders, result, args, budgets):
    found = [f"{s.kind}: {s.problem}" for s in senders if s.problem]
    for process in ("serve", "engine"):
        early, late = watch.most(f"{process}_mib", 0.25, 0.5), watch.most(f"{process}_mib", 0.75)
        if late > GROWTH_MAX * early:
            found.append(f"{process} grew: {early} MiB in the second quarter, {late} MiB in the last")
        bound = budgets[process] + SLACK_BYTES
        if result["peak_mib"][process] * MIB > bound:
            found.append(f"{process} took {result['peak_mib'][process]} MiB, more than {bound // MIB}")
    if result["parts_max"] > PARTS_MAX:
        found.append(f"{result['parts_max']} parts in one partition")
    if result["store_at_the_end_mib"] * MIB > args.store:
        found.append("the store did not come back below its bound")
    return found


def come_to_rest(system, store):
    system.finish()
    end = time.monotonic() + PATIENCE_S
    while system.kept_bytes() > store and time.monotonic() < end:
        time.sleep(LOOK_S)
    return system.kept_bytes()


def run(args):
    settings = dict(s.split("=", 1) for s in args.set)
    HomeostatSystem.settings = {"retention.max_bytes": str(args.store), **settings}
    with tempfile.TemporaryDirectory(prefix="homeostat-soak-") as scratch, HomeostatSystem() as system:
        generator = SmallGenerator(args.generator, pathlib.Path(scratch))
        for kind in SIZES:
            generator.dump(kind)
        system.rest()
        pids = system.pids()
        budgets = {"serve": resident_bytes(pids["serve"]) + bytes_of(settings.get("ingest.memory_max", "768MiB")),
                   "engine": resident_bytes(pids["engine"]) + bytes_of(settings.get("engine.memory_max", "1200MiB"))}
        end = time.monotonic() + args.seconds
        senders = [Sender(kind, generator, system, end) for kind in SIZES]
        for sender in senders:
            sender.start()
        watch = Watch(system, end)
        watch.run()
        for sender in senders:
            sender.join(PATIENCE_S)
        result = {"seconds": args.seconds, "cores": os.cpu_count(),
                  "items_per_s": {SIGNALS[s.kind][0]: round(s.items / args.seconds) for s in senders},
                  "peak_mib": {name: peak_bytes(pids[name]) // MIB for name in ("serve", "engine")},
                  "budgets_mib": {name: b // MIB for name, b in budgets.items()},
                  "journal_mib_max": watch.most("journal_mib"), "parts_max": watch.most("parts"),
                  "waiting_rows_max": watch.most("waiting_rows"), "store_mib_max": watch.most("store_mib")}
        result["store_at_the_end_mib"] = come_to_rest(system, args.store) // MIB
        result["problems"] = problems(watch, senders, result, args, budgets)
        return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=pathlib.Path, required=True, help="the load generator's program")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--store", type=int, default=4 << 30, help="bytes that the store may keep")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Homeostat")
    outcome = run(parser.parse_args())
    print(json.dumps(outcome, indent=1))
    sys.exit(1 if outcome["problems"] else 0)
