"""Breaks an application that the loop was not made with, and says what the loop did about it.

    HOMEOSTAT=build/release/homeostat python evals/second_app/run.py [--only FAULT] [--seed N]

Python needs what tools/deps/python.txt names. Exit code: 0 when nothing was changed in the healthy period, nothing is left
changed, every repairable fault was repaired and no other was "repaired"; 1 when not; 2 when it could not be run.
"""
import argparse
import json
import os
import pathlib
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "apptest"), str(ROOT / "demo"), str(HERE)]

import harness  # noqa: E402
from faults import FAULTS  # noqa: E402
from load import RATES, Load  # noqa: E402
from manners import LOW, MANNERS, Manner, without_expectations  # noqa: E402
from runner.product import unix_seconds  # noqa: E402
from runner.trial import detections, rank_of, verdict_of  # noqa: E402

PROCESSES = (("rider-api",), ("pricing", "dispatch"), ("geo-1", "geo-2"),
             ("courier", "sms-gateway", "traffic-feed", "driver-db"))
WARM_S, HEALTHY_S, CALM_S_MAX = 45, 120, 150
REPAIRABLE_S_MAX, UNREPAIRABLE_S = 100, 60
DOUBLED_S = 40  # of the healthy period


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="FAULT", action="append", choices=[*FAULTS, "healthy"],
                        help="this one only (may be given more than once); 'healthy' is the healthy period")
    parser.add_argument("--seed", type=int, default=1, help="of the order, the arrivals and the riders")
    parser.add_argument("--list", action="store_true", help="list the faults and the manners, and end")
    parser.add_argument("--blind", action="store_true", help="declare the knobs without what they are expected to do")
    parser.add_argument("--tokens", action="store_true", help="give each service a credential of its own: without, what "
                        "one sender tells is only believed when evaluations that were served confirm it")
    parser.add_argument("--as", metavar="MANNER", dest="manners", action="append", choices=list(MANNERS), default=[],
                        help="tell the same in another manner (may be given more than once; --list names them)")
    parser.add_argument("--report", type=pathlib.Path, default=ROOT / "build/second_app/report.json")
    parser.add_argument("--data", type=pathlib.Path, help="keep Homeostat's data directory here, to look at the ledger")
    return parser.parse_args()


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def names_of(processes):
    return [instance for process in processes for instance in process]


class World:
    """The application, its load and one Homeostat."""

    def __init__(self, options):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="homeostat-second-app-"))
        self.config = self.directory / "homeostat.yaml"
        text = Manner(options.manners).declared((HERE / "homeostat.yaml").read_text())
        self.declared = without_expectations(text) if options.blind else text
        services = ("rider-api", "pricing", "geo", "dispatch", "courier") if options.tokens else ()
        tokens = {name: secrets.token_hex(16) for name in services}
        if tokens:
            self.declared += f"security.ingest_tokens: [{', '.join(f'{k}={v}' for k, v in tokens.items())}]\n"
        self.config.write_text(self.declared)
        data = options.data or self.directory / "data"
        self.homeostat = harness.Homeostat(config=self.config, data=data)
        names = names_of(PROCESSES)
        self.endpoints = {n: f"http://127.0.0.1:{p}" for n, p in zip(names, harness.free_ports(len(names)))}
        self.endpoints |= {"otlp": self.homeostat.url("otlp_http"), "values": self.homeostat.url("values")}
        self.endpoints |= {f"token of {name}": token for name, token in tokens.items()} | {"as": options.manners}
        self.load = Load(self.endpoints, options.seed, LOW if "low-traffic" in options.manners else 1.0)
        self._running = []

    def __enter__(self):
        self.homeostat.start()
        endpoints = self.directory / "endpoints.json"
        endpoints.write_text(json.dumps(self.endpoints))
        for process in PROCESSES:
            with open(self.directory / f"{process[0]}.log", "ab") as log:
                self._running.append(subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, HERE / "services.py", endpoints, *process],
                    stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        for instance in names_of(PROCESSES):
            harness.wait_for(f"{instance} listens", lambda i=instance: self.is_up(i), 60)
        self.load.start()
        return self

    def __exit__(self, *_):
        self.load.stop()
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()  # what hangs by order may not end when told to
                process.wait()
        self.homeostat.stop()
        self.homeostat.stop_values()

    def is_up(self, instance):
        self.check()
        try:
            self.inject({instance: {}})
            return True
        except OSError:
            return False

    def check(self):
        for process in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"a service ended with {process.returncode}; its log is in {self.directory}")

    def inject(self, faults):
        for instance, body in faults.items():
            request = harness.urllib.request.Request(self.endpoints[instance] + "/fault", json.dumps(body).encode(),
                                                     {"Content-Type": "application/json"})
            harness.urllib.request.urlopen(request, timeout=10).read()

    def declare(self, text):
        self.config.write_text(text)
        self.homeostat.process.send_signal(signal.SIGHUP)

    def items(self, what):
        status, body = self.homeostat.get(f"/v1/{what}?limit=200")
        return body[what] if status == 200 else []

    def changed(self):
        return [k["key"] for k in self.items("knobs") if k.get("promoted") or k.get("candidate")]

    def act(self, on):
        self.homeostat.post("/v1/resume" if on else "/v1/stop", {"who": "eval", "why": "between trials"})

    def wait_calm(self):
        end = time.monotonic() + CALM_S_MAX
        while time.monotonic() < end:
            time.sleep(1)
            self.check()
            since = int(time.time()) - 12
            well = all(self.load.holds(operation, since) for operation in [*RATES, "messages"])
            if well and all(i["state"] == "closed" for i in self.items("incidents")):
                return True  # what comes back within a minute is the same incident
        return False


class Watch:
    """What Homeostat says and does from a moment on, line by line."""

    def __init__(self, world, since):
        self.world, self.since, self._said = world, since, set()
        self.incidents, self.changes = {}, {}

    def look(self):
        for i in self.world.items("incidents"):
            if any(t >= self.since - 1 for t in [unix_seconds(i["detected"]), *detections(i)]):
                self.incidents[i["id"]] = i
        for c in self.world.items("changes"):
            if unix_seconds(c["at"]) >= self.since - 1:
                self.changes[c["id"]] = c
        self._tell()

    def _once(self, key, text):
        if key not in self._said:
            self._said.add(key)
            say(f"  {time.time() - self.since:5.1f} s  {text}")

    def _tell(self):
        for i in self.incidents.values():
            for s in i["symptoms"]:
                self._once((i["id"], s.get("evidence", "").split(":")[0]), f"{i['id']} detected: {s.get('evidence')}")
            if i["causes"]:
                top = i["causes"][0]
                self._once((i["id"], top["entity"]), f"{i['id']} explained: {top['entity']} ({top['kind']}, "
                           f"{top['probability']:.0%})")
            self._once((i["id"], i["decision"]), f"{i['id']} decided: {i['decision']}")
        for c in self.changes.values():
            self._once((c["id"], "made"), f"changed: {c['knob']} {c['from']} -> {c['to']}")
            verdict = verdict_of(c)
            if verdict.get("kind") not in (None, "running"):
                self._once((c["id"], verdict["kind"]), f"verdict: {c['knob']} {verdict['kind']} ({verdict.get('why')})")

    def detected_after(self):
        times = [t for i in self.incidents.values() for t in detections(i) if t >= self.since - 1]
        return round(min(times) - self.since, 1) if times else None

    def in_flight(self):
        return any(c.get("phase") == "trial" for c in self.changes.values())


def trial(world, name):
    fault = FAULTS[name]
    say(f"{name}: {fault['about']}")
    if not world.wait_calm():
        return {"fault": name, "problem": f"not well {CALM_S_MAX} s before it"}
    world.act(True)
    start = time.time()
    watch = Watch(world, start)
    if "config" in fault:
        world.declare(world.declared.replace(*fault["config"]))
    world.inject(fault["inject"])
    try:
        broken, restored = follow(world, watch, fault, start)
        result = result_of(world, watch, fault, name, broken, restored)
    finally:
        world.inject(dict.fromkeys(fault["inject"], {}))
        world.declare(world.declared)
        world.act(False)
        world.homeostat.post("/v1/knobs/reset", {"who": "eval", "why": "between trials"})
    time.sleep(2)
    result["left"] = world.changed()
    return result


def follow(world, watch, fault, start):
    broken = restored = None
    while time.time() - start < (REPAIRABLE_S_MAX if fault["knobs"] else UNREPAIRABLE_S):
        time.sleep(1)
        world.check()
        watch.look()
        if broken is None:
            broken = world.load.broken(fault["operations"], int(start), int(time.time()) - 1)
        elif restored is None:
            restored = world.load.restored(fault["operations"], broken, time.time())
        # A fault that pauses, or that repairs itself while a part is treated, is not repaired by its pauses.
        if restored is not None and fault["knobs"] and not watch.in_flight():
            break
    watch.look()
    return broken, restored


def stages(changes):
    """The changes in order, less those that keep a few at the old value while a promoted one is held."""
    out = []
    for c in sorted(changes, key=lambda c: c["at"]):
        held = any(o["knob"] == c["knob"] and (o["from"], o["to"]) == (c["to"], c["from"]) and
                   verdict_of(o).get("kind") == "PASS" for o in out)
        again = out and (out[-1]["knob"], out[-1]["to"]) == (c["knob"], c["to"]) and not verdict_of(out[-1]).get("kind")
        if again:
            out.pop()  # the same change, for a greater share
        if not held:
            out.append(c)
    return out


def kept(world):
    return {k["key"]: k["value"] for k in world.items("knobs") if k.get("promoted")}


def result_of(world, watch, fault, name, broken, restored):
    start, incidents = watch.since, sorted(watch.incidents.values(), key=lambda i: i["detected"])
    ranks = [rank_of(i["causes"], fault["causes"]) for i in incidents]
    in_force = kept(world)
    changes = [{"knob": c["knob"], "from": c["from"], "to": c["to"], "verdict": verdict_of(c).get("kind"),
                "evidence": verdict_of(c).get("evidence"), "why": verdict_of(c).get("why"),
                "after": round(unix_seconds(c["at"]) - start, 1)} for c in stages(watch.changes.values())]
    right = [k for k in in_force if k in fault["knobs"]]
    if "config" in fault and fault["knobs"][0] in in_force:
        right = fault["knobs"]
    enough = len(right) == len(fault["knobs"]) if fault.get("all_knobs") else bool(right)
    result = {"fault": name, "about": fault["about"], "repairable": bool(fault["knobs"]),
              "detected_after": watch.detected_after(), "rank": min([r for r in ranks if r], default=None),
              "cause": next((i["causes"][0]["entity"] for i in incidents if i["causes"]), None),
              "incidents": len(incidents), "changes": changes, "promoted": in_force,
              "broken_after": None if broken is None else broken - int(start),
              "restored_after": None if restored is None else round(restored - start, 1),
              "decisions": [i["decision"] for i in incidents]}
    result["repaired"] = restored is not None and enough
    say(f"  => detected {result['detected_after']}, {result['cause']} (rank {result['rank']}), restored "
        f"{result['restored_after']}, in force {in_force}")
    return result


def healthy(world, seconds):
    say(f"healthy period: {seconds} s, with a doubling of load, a quiet time, and a deployment that changes nothing")
    if not world.wait_calm():
        return {"problem": f"not well {CALM_S_MAX} s before it"}
    world.act(True)
    start = time.time()
    watch = Watch(world, start)
    world.homeostat.post("/v1/changes/told", {"service": "pricing", "kind": "deploy", "detail": "pricing 1.2"})
    while (passed := time.time() - start) < seconds:
        world.load.factor = 2.0 if 20 < passed < 20 + DOUBLED_S else 0.5 if passed > 80 else 1.0
        time.sleep(1)
        watch.look()
    world.load.factor = 1.0
    world.act(False)
    changes = [(c["knob"], c["to"], verdict_of(c).get("kind")) for c in watch.changes.values()]
    return {"seconds": seconds, "minutes_with_changes": len({int(unix_seconds(c["at"]) // 60)
            for c in watch.changes.values()}), "changes": changes, "incidents": len(watch.incidents)}


def problems_of(results):
    found = []
    for r in results["trials"]:
        if r.get("problem"):
            found.append(f"{r['fault']}: {r['problem']}")
        elif r["repairable"] and not r["repaired"]:
            found.append(f"{r['fault']} was not repaired")
        elif not r["repairable"] and r["promoted"]:
            found.append(f"{r['fault']}: no knob repairs it, and {list(r['promoted'])} stayed changed")
        if r.get("left"):
            found.append(f"{r['fault']}: {r['left']} are left changed")
    well = results.get("healthy")
    if well and (well.get("problem") or well["changes"]):
        found.append(f"healthy period: {well.get('problem') or well['changes']}")
    return found


def cell(value, unit=""):
    return "-" if value is None else f"{value}{unit}"


def table(results):
    out = ["| fault | detected after | true cause's rank | changes, verdicts | restored after | repaired |",
           "|---|---|---|---|---|---|"]
    for r in results["trials"]:
        if r.get("problem"):
            out.append(f"| {r['fault']} | {r['problem']} | | | | |")
            continue
        made = "; ".join(f"{c['knob']} {c['from']} -> {c['to']} {c['verdict'] or ''}" for c in r["changes"]) or "none"
        repaired = "yes" if r["repaired"] else "no" if r["repairable"] else "no knob can; nothing stayed changed" \
            if not r["promoted"] else "changed in vain"
        out.append(f"| {r['fault']} | {cell(r['detected_after'], ' s')} | {cell(r['rank'])} | {made} | "
                   f"{cell(r['restored_after'], ' s')} | {repaired} |")
    return "\n".join(out)


def run(options):
    wanted = options.only or [*FAULTS, "healthy"]
    order = [name for name in wanted if name != "healthy"]
    random.Random(options.seed).shuffle(order)
    results = {"seed": options.seed, "blind": options.blind, "as": options.manners, "started": time.time(), "trials": []}
    with World(options) as world:
        say(f"console {world.homeostat.url('http')}/   logs and data in {world.directory}")
        world.act(False)
        say(f"warming up: {WARM_S} s")
        time.sleep(WARM_S)
        if "healthy" in wanted:
            results["healthy"] = healthy(world, HEALTHY_S)
        for number, name in enumerate(order, 1):
            say(f"[{number} of {len(order)}]")
            results["trials"].append(trial(world, name))
    return results


def main():
    options = arguments()
    if options.list:
        for name, fault in FAULTS.items():
            print(f"{name:18s} {fault['about']}{'' if fault['knobs'] else ' (no knob repairs it)'}")
        for name, about in MANNERS.items():
            print(f"--as {name:18s} {about}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    if not os.access(harness.binary(), os.X_OK):
        print(f"there is no {harness.binary()}: build it, or name it in HOMEOSTAT", file=sys.stderr)
        return 2
    try:
        results = run(options)
    except (RuntimeError, AssertionError, OSError) as problem:
        print(f"second_app: {problem}", file=sys.stderr)
        return 2
    results["problems"] = problems_of(results)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(results, indent=1))
    print("\n" + table(results))
    if results.get("healthy"):
        print(f"\nhealthy period: {results['healthy']}")
    for problem in results["problems"]:
        print(f"NOT AS IT SHOULD BE: {problem}")
    print(options.report)
    return 1 if results["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
