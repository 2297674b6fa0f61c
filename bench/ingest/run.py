#!/usr/bin/env python3
"""What taking telemetry in costs: Homeostat and its agent beside the OpenTelemetry Collector and Prometheus, in one run.

    ./dev bench ingest [--help]

The Collector (OTLP in, thrown away) and Prometheus are built from their Go modules; the load generator makes the same
bytes for all. The agent keeps on disk and forwards what it takes, compressed, to a Collector that is not counted. For
each signal and system, on an empty store, --repeat times in turn:
  cost     everything sent as fast as it is taken; CPU of all processes of the system until it is at rest, merges
           included; the resident set's high-water mark; bytes kept on disk
  answers  half that rate, open loop: times count from when a request was due
  kill -9  right after the last acknowledgement; what is not there after a start is lost
With --tail-sampling also what spans cost when a policy decides which traces are stored (traces.tail_sampling.*).
Each system's data is in a folder of its own below $TMPDIR, deleted when it is measured: some 3 GB at --scale 1.
The medians are printed, and ratios to the other system's median. CPU is meaningful on a busy machine, latency is not.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from systems import AgentSystem, CollectorSystem, HomeostatSystem, PrometheusSystem

# signal: what an item is called, the generator's name, how often its data set is sent (about a million items or more)
SIGNALS = {"spans": ("spans", "traces", 7), "logs": ("log records", "logs", 5),
           "points": ("metric points (OTLP)", "metrics", 3), "samples": ("samples (remote write)", "metrics", 2)}
CONNECTIONS = 4
KILL_ITEMS = 200_000   # acknowledged before kill -9
ANSWER_SECONDS = 8     # at half the maximum rate
SAMPLING = {"traces.tail_sampling.enabled": "true", "traces.tail_sampling.share": "0.1"}


class Generator:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def dump(self, kind):
        path = self.directory / f"{SIGNALS[kind][1]}.dump"
        if not path.exists():
            subprocess.run([str(self.program), "-signal", SIGNALS[kind][1], "-dump", str(path)], check=True,
                           stdout=subprocess.DEVNULL)
        return path

    def send(self, kind, system, passes, *more):
        """-> the generator's report. Refused requests are sent again, as exporters do."""
        command = [str(self.program), "-in", str(self.dump(kind)), "-signal", SIGNALS[kind][1], "-json",
                   "-conns", str(CONNECTIONS), "-passes", str(passes), "-retries", "100", *system.target(kind), *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        report = json.loads(done.stdout)
        if report["failed"] or report["rejected"]:
            raise RuntimeError(f"{system.name} did not take all {kind}: {report}")
        return report


def cost(make, kind, generator, passes):
    with make() as system:
        system.rest()
        before = system.cpu()
        report = generator.send(kind, system, passes)
        system.settle()
        used = {name: s - before[name] for name, s in system.cpu().items()}
        million = report["items"] / 1e6
        row = {"items": report["items"], "items_per_s": report["items_per_s"], "peak_mb": system.peak() / 2**20,
               "cpu": sum(used.values()) / million, "client_cpu": report["client_cpu_s"] / million}
        for name, s in used.items():
            row[f"cpu_{name}"] = s / million
        if system.keeps:
            row["bytes"] = system.kept_bytes() / report["items"]
        return row


def answers(make, kind, generator, passes, rate):
    with make() as system:
        most = int(rate * ANSWER_SECONDS)
        report = generator.send(kind, system, passes, "-rate", f"{rate:.0f}", "-max-items", str(most))
        return {"p50_ms": report["sched_p50_ms"], "p99_ms": report["sched_p99_ms"]}


def lost(make, kind, generator):
    """Share of what was acknowledged that is not there after kill -9 and a start."""
    flags = ["-max-items", str(KILL_ITEMS)]
    with make() as system:  # what there is to be found: a point of OTLP may be many samples
        report = generator.send(kind, system, 1, *flags)
        whole = system.count(kind, report)
    with make() as system:
        report = generator.send(kind, system, 1, *flags, "-kill-pid", str(system.killed()))
        system.kill()
        system.again()
        found = system.count(kind, report)
    return {"lost": max(0.0, 1 - found / whole), "doubled": max(0, found - whole), "whole": whole}


def measure(makers, kind, generator, args):
    """-> {system: median of each number}"""
    rows = {make.label: [] for make in makers}
    for _ in range(args.repeat):
        for make in makers:
            row = cost(make, kind, generator, max(1, round(SIGNALS[kind][2] * args.scale)))
            if not args.cpu_only:
                passes = 1 + int(row["items_per_s"] / 2 * ANSWER_SECONDS / row["items"] * SIGNALS[kind][2] * args.scale)
                row |= answers(make, kind, generator, passes, row["items_per_s"] / 2)
                if make.loses:
                    row |= lost(make, kind, generator)
            rows[make.label].append(row)
            numbers = "  ".join(f"{k} {v:.4g}" for k, v in row.items())
            print(f"{datetime.datetime.now():%H:%M:%S} {kind:8} {make.label:10} {numbers}", file=sys.stderr)
    return {label: medians(found) for label, found in rows.items()}


def medians(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def number(row, key, form):
    return format(row[key], form) if key in row else "-"


def table(results):
    out = ["| items | system | CPU-s per million | ratio to | peak MB | bytes an item | items/s | p50 / p99 ms at half"
           " | lost after kill -9 |", "|" + "---|" * 9]
    for kind, systems in results.items():
        for label, row in systems.items():
            others = [f"{other}: {row['cpu'] / theirs['cpu']:.2f}" for other, theirs in systems.items()
                      if label.startswith("Homeostat") and not other.startswith("Homeostat")]
            cpu = f"{row['cpu']:.2f}"
            if "cpu_engine" in row:
                cpu += f" (around the engine {row['cpu'] - row['cpu_engine']:.2f}, engine {row['cpu_engine']:.2f})"
            gone = "all" if label == "Collector" else "-" if "lost" not in row else f"{100 * row['lost']:.2g} %"
            if row.get("doubled"):
                gone += f", {row['doubled']:.0f} twice"
            out.append(f"| {SIGNALS[kind][0]} | {label} | {cpu} | {', '.join(others) or '-'} | {row['peak_mb']:.0f} |"
                       f" {number(row, 'bytes', '.1f')} | {row['items_per_s']:,.0f} |"
                       f" {number(row, 'p50_ms', '.1f')} / {number(row, 'p99_ms', '.0f')} | {gone} |")
    return "\n".join(out)


def engine_alone(program, homeostat, generator, kinds):
    """engine_bench on the generator's data: our schema, the engine's process, no journal and no network."""
    for kind in kinds:
        print(f"\nThe engine alone, {SIGNALS[kind][0]}:\n", flush=True)
        command = [str(program), str(generator.dump(kind)), homeostat]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        print("\n".join("    " + line for line in done.stdout.splitlines()), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1, help="of the number of items; 1 is about a million or more")
    parser.add_argument("--only", default=",".join(SIGNALS), help="signals, with commas between: " + ", ".join(SIGNALS))
    parser.add_argument("--systems", default="Homeostat,Homeostat agent,Collector,Prometheus")
    parser.add_argument("--cpu-only", action="store_true", help="neither answer times nor kill -9")
    parser.add_argument("--tail-sampling", action="store_true",
                        help="also with it, for spans: a tenth of the ordinary traces is stored")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Homeostat")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here")
    parser.add_argument("--dumps", type=pathlib.Path, help="where the generator's data stay; default: nowhere")
    for name in ("generator", "collector", "prometheus", "engine-bench"):
        parser.add_argument(f"--{name}", type=pathlib.Path, help="the program (./dev bench builds it)")
    return parser.parse_args()


class Maker:
    """Makes a fresh system each time it is called."""

    def __init__(self, kind, *args):
        self.kind, self.args = kind, args
        self.label, self.signals, self.loses = kind.name, kind.signals, kind.keeps

    def sampling(self):
        """The same with tail sampling: only what it costs, what it drops is not lost."""
        self.args, self.label, self.signals, self.loses = (SAMPLING,), f"{self.label}, tail sampling", ("spans",), False
        return self

    def __call__(self):
        return self.kind(*self.args)


def main():
    args = arguments()
    HomeostatSystem.settings = dict(s.split("=", 1) for s in args.set)
    wanted = args.systems.split(",")
    makers = [m for m in (Maker(HomeostatSystem), Maker(AgentSystem, args.collector),
                          Maker(CollectorSystem, args.collector), Maker(PrometheusSystem, args.prometheus))
              if m.label in wanted]
    if unknown := set(wanted) - {m.label for m in makers}:
        sys.exit(f"--systems: {', '.join(unknown)} is none of them")
    if args.tail_sampling and "Homeostat" in wanted:
        makers.insert(1, Maker(HomeostatSystem).sampling())
    with tempfile.TemporaryDirectory(prefix="homeostat-bench-") as scratch:
        generator = Generator(args.generator, args.dumps or pathlib.Path(scratch))
        generator.directory.mkdir(parents=True, exist_ok=True)
        results = {kind: measure([m for m in makers if kind in m.signals], kind, generator, args)
                   for kind in args.only.split(",")}
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        print(f"{today}, {os.cpu_count()} cores, median of {args.repeat}, {CONNECTIONS} connections\n")
        print(table(results), flush=True)
        if args.json:
            args.json.write_text(json.dumps({"date": today, "cores": os.cpu_count(), "results": results}, indent=1))
        if args.engine_bench and "Homeostat" in wanted:
            engine_alone(args.engine_bench, os.environ["HOMEOSTAT"], generator,
                         [k for k in args.only.split(",") if k != "samples"])


if __name__ == "__main__":
    main()
