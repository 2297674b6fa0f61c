#!/usr/bin/env python3
"""What each client of the shop sees, second by second, when Homeostat is hurt in the middle of a repair: one knob is
promoted, another is a candidate, bases differ from code defaults. Not part of ./dev demo.

    HOMEOSTAT=build/release/homeostat python demo/resilience.py [CASE ...]
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

    def wait_change(self, wanted, seconds=60):
        """Until a change is in one of the wanted states; its knob."""
        watch = trial.Watch(self.world, time.time() - 1)
        end = time.time() + seconds
        while time.time() < end:
            watch.look()
            self.world.tick(watch.lines(time.time()))
            for c in watch.changes.values():
                if c.get("state") in wanted:
                    return c["knob"]
        raise trial.Failed(f"no change was {' or '.join(wanted)} within {seconds} s")

    def evaluations(self):
        found = {}
        for client in CLIENTS:
            with urllib.request.urlopen(self.world.ports.url(client) + "/evaluations", timeout=5) as answer:
                found[client] = json.loads(answer.read())
        return found

    def hurt(self, name):
        which, how = CASES[name]
        pids = self.pids()
        for one in which:
            os.kill(pids[one], how)
        self.watch(HURT_SECONDS)
        if how == signal.SIGSTOP:
            for one in which:
                os.kill(pids[one], signal.SIGCONT)
        elif "serve" in which:
            self.world.processes.stop("homeostat")
            self.world.homeostat.start()
        self.watch(AFTER_SECONDS)

    def watch(self, seconds):
        end = time.time() + seconds
        while time.time() < end:
            self.world.load.read()
            time.sleep(0.5)

    def case(self, name):
        world = self.world
        world.live.title(name)
        trial.Trial(world, name, self.truth["failing-dependency"], True)._wait_well()
        world.homeostat.act(True)
        world.faults.inject(self.truth["failing-dependency"])
        promoted = self.wait_change(("promoted", "holding"))
        world.faults.inject(self.truth["slow-dependency"])
        candidate = self.wait_change(("candidate",))
        start = int(time.time())
        world.live.say(f"promoted {promoted}, candidate {candidate}; now {name}")
        self.hurt(name)
        seen = self.evaluations()
        world.faults.undo()
        world.homeostat.act(False)
        world.homeostat.reset_knobs()
        return self.tell(name, start, seen, (promoted, candidate))

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
        self.world.warm(20)
        print("per second: variant of the promoted / of the candidate knob: b(ase), c(andidate), p(romoted), "
              "d(efault of the code); '.' not evaluated")
        results = [self.case(name) for name in wanted]
        worst = max(ms for r in results for ms in r["longest_ms"].values())
        print(f"longest evaluation: {worst:.0f} ms (the limit is {EVALUATION_MS_MAX} ms plus scheduling)")
        (self.world.directory.parent / "resilience.json").write_text(json.dumps(results, indent=1))


def run():
    main.end_on_signals()
    wanted = sys.argv[1:] or list(CASES)
    build.build(print)
    bench = Bench()
    try:
        bench.run(wanted)
    finally:
        bench.world.stop()


if __name__ == "__main__":
    run()
