#!/usr/bin/env python3
"""What each client of the shop sees, second by second, when Homeostat is hurt in the middle of a repair: one knob is
promoted, another is a candidate, bases differ from code defaults. Not part of ./dev demo.

    HOMEOSTAT=build/release/homeostat python demo/resilience.py [CASE ...]

The faults' proxies are inside `serve`: while it is killed, what is behind them is refused. This looks at evaluations. Exit
code 1 when one took longer than it may, when a candidate was served after its lease without a live loop, when a promoted
value was lost while `values` ran, or when the incident did not go on under its id.
"""
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from runner import build, main, settings, trial  # noqa: E402

CLIENTS = {"gateway": "Node", "checkout": "Go", "catalog": "Java", "payment": "Python", "inventory": "C++"}
HURT_SECONDS, AFTER_SECONDS, EVALUATION_MS_MAX = 18, 15, 100
WARM_SECONDS = 80     # what is usual is learned from what is at least 30 s old
BETWEEN_SECONDS = 60  # well again, before the next case
SCHEDULING_MS = 150   # what a busy machine may add to a client's timeout
LEASE_SECONDS = 10 + 1  # and what the clocks of two processes may differ by
# What is hurt, how, and whether it is taken back after a while (a stopped process goes on).
CASES = {
    "serve-killed": (["serve"], signal.SIGKILL), "serve-stopped": (["serve"], signal.SIGSTOP),
    "values-killed": (["values"], signal.SIGKILL),    # a refused port until somebody starts it again
    "values-stopped": (["values"], signal.SIGSTOP),   # a silent port
    "both-killed": (["serve", "values"], signal.SIGKILL), "both-stopped": (["serve", "values"], signal.SIGSTOP),
}


class Bench:
    def __init__(self):
        self.options = main.arguments([])
        self.world = main.World(self.options)
        self.truth = settings.truth()

    def pids(self):
        h = self.world.homeostat
        return {"serve": self.world.processes.pid("homeostat"),
                "values": int((h.data / "values/pid").read_text().split()[0])}

    def wait_change(self, wanted, besides="", seconds=90):
        """Until a change of another knob is in one of the wanted states; its knob."""
        watch = trial.Watch(self.world, time.time() - 1)
        end = time.time() + seconds
        while time.time() < end:
            watch.look()
            self.world.tick(watch.lines(time.time()))
            for c in watch.changes.values():
                if c.get("state") in wanted and c["knob"] != besides:
                    return c["knob"]
        raise trial.Failed(f"no change was {' or '.join(wanted)} within {seconds} s")

    def evaluations(self):
        found = {}
        for client in CLIENTS:
            with urllib.request.urlopen(self.world.ports.url(client) + "/evaluations", timeout=5) as answer:
                found[client] = json.loads(answer.read())
        return found

    def served(self, variant):
        """Evaluations that `values` answered with this variant; None while it does not answer."""
        try:
            with urllib.request.urlopen(self.world.ports.url("values") + "/v1/served", timeout=0.3) as answer:
                counts = json.loads(answer.read())["counts"]
        except (OSError, ValueError):
            return None
        return sum(c["count"] + c["bulk"] for c in counts if c["variant"] == variant)

    def hurt(self, name):
        """-> (seconds after which a candidate was last served by a `values` that nobody renewed, or None; incidents)"""
        which, how = CASES[name]
        pids = self.pids()
        before = {i["id"] for i in self.world.homeostat.incidents() if trial.is_open(i)}
        for one in which:
            os.kill(pids[one], how)
        last = self.watch(HURT_SECONDS)
        if how == signal.SIGSTOP:
            for one in which:
                try:
                    os.kill(pids[one], signal.SIGCONT)
                except ProcessLookupError:
                    pass  # a values process that does not answer is replaced
        elif "serve" in which:
            self.world.processes.stop("homeostat")
            self.world.homeostat.start()
        self.watch(AFTER_SECONDS)
        return (last if which == ["serve"] else None), before

    def watch(self, seconds):
        """-> the second in which a candidate was served last."""
        start = time.time()
        last, known = 0.0, self.served("candidate")
        while time.time() < start + seconds:
            self.world.load.read()
            time.sleep(0.5)
            now = self.served("candidate")
            if now is not None and known is not None and now > known:
                last = time.time() - start
            known = now if now is not None else known
        return last

    def case(self, name):
        world = self.world
        world.live.title(name)
        trial.Trial(world, name, self.truth["failing-dependency"], True)._wait_well()
        self.watch(BETWEEN_SECONDS)
        world.homeostat.act(True)
        world.faults.inject(self.truth["failing-dependency"])
        promoted = self.wait_change(("promoted", "holding"))
        world.faults.inject(self.truth["slow-dependency"])
        candidate = self.wait_change(("candidate",), besides=promoted)
        start = int(time.time())
        world.live.say(f"promoted {promoted}, candidate {candidate}; now {name}")
        last, before = self.hurt(name)
        seen = self.evaluations()
        incidents = self.world.homeostat.incidents()
        world.faults.undo()
        world.homeostat.act(False)
        world.homeostat.reset_knobs()
        result = self.tell(name, start, seen, (promoted, candidate))
        result["wrong"] = self.wrong(result, seen, start, last, before, incidents)
        for words in result["wrong"]:
            print(f"  WRONG: {words}", flush=True)
        return result

    def wrong(self, result, seen, start, last, before, incidents):
        """What a law forbids and what was seen all the same."""
        found = []
        slow = {client: ms for client, ms in result["longest_ms"].items() if ms > EVALUATION_MS_MAX + SCHEDULING_MS}
        if slow:
            found.append(f"evaluations took {slow} ms")
        if last is not None and last > LEASE_SECONDS:
            found.append(f"a candidate was served {last:.1f} s after the loop had gone")
        lost = {client for client, seconds in seen.items() for second, keys in seconds.items()
                if start < int(second) < start + HURT_SECONDS and keys.get(result["knobs"][0], {}).get("variant") == "base"}
        if lost and result["case"].startswith("serve"):
            found.append(f"the promoted value was lost for {sorted(lost)}")
        gone = before - {i["id"] for i in incidents}
        if gone:
            found.append(f"incidents were forgotten: {sorted(gone)}")
        return found

    def tell(self, name, start, seen, knobs):
        longest = {}
        for client, seconds in seen.items():
            longest[client] = max((k["ms_max"] for t, keys in seconds.items() if int(t) >= start
                                   for k in keys.values()), default=0)
            told = []
            for offset in range(HURT_SECONDS + AFTER_SECONDS):
                keys = seconds.get(str(start + offset), {})
                told.append("/".join((keys[k]["variant"] or "default")[0] if k in keys else "." for k in knobs))
            print(f"  {client:10s} {CLIENTS[client]:7s} {' '.join(told)}  longest {longest[client]:.0f} ms", flush=True)
        return {"case": name, "knobs": knobs, "longest_ms": longest}

    def run(self, wanted):
        self.world.start()
        self.world.warm(WARM_SECONDS)
        print("per second: variant of the promoted / of the candidate knob: b(ase), c(andidate), p(romoted), "
              "d(efault of the code); '.' not evaluated")
        results = [self.case(name) for name in wanted]
        worst = max(ms for r in results for ms in r["longest_ms"].values())
        print(f"longest evaluation: {worst:.0f} ms (the limit is {EVALUATION_MS_MAX} ms plus scheduling)")
        (self.world.directory.parent / "resilience.json").write_text(json.dumps(results, indent=1))
        return not any(r["wrong"] for r in results)


def run():
    main.end_on_signals()
    wanted = sys.argv[1:] or list(CASES)
    build.build(print)
    bench = Bench()
    try:
        good = bench.run(wanted)
    finally:
        bench.world.stop()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(run())
