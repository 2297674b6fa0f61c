"""A healthy period: ordinary load, then twice as much for a while, and a deployment that changes nothing. Homeostat may
look, but not touch."""
import time

from . import live
from .load import RATES
from .trial import Watch

DOUBLE_AT, DOUBLE_SECONDS, DEPLOY_AT = 60, 60, 150


class Healthy:
    def __init__(self, world, seconds):
        self.world, self.seconds = world, max(seconds, 180)

    def run(self):
        world = self.world
        world.live.title(f"healthy period of {self.seconds} s, with a benign doubling of load and a deployment")
        world.homeostat.act(True)
        start = time.time()
        watch = Watch(world, start)
        steps = [(DOUBLE_AT, "load doubles", lambda: world.load.rates({k: 2 * v for k, v in RATES.items()})),
                 (DOUBLE_AT + DOUBLE_SECONDS, "load is back", lambda: world.load.rates(RATES)),
                 (DEPLOY_AT, "deployment of payment 1.0.1 announced", lambda: world.faults.told(
                     {"service": "payment", "kind": "deploy", "detail": "payment 1.0.1"}))]
        try:
            while time.time() - start < self.seconds:
                while steps and time.time() - start >= steps[0][0]:
                    _, text, act = steps.pop(0)
                    world.live.say(text)
                    act()
                watch.look()
                world.tick(watch.lines(time.time()))
        finally:
            world.load.rates(RATES)
        return self._result(watch, start)

    def _result(self, watch, start):
        load, end = self.world.load, time.time()
        qualities = {}
        for operation in load.goals:
            n, good, fast, p95 = load.window(operation, int(start), int(end - start) - 1)
            qualities[operation] = {"n": n, "good": round(good, 4), "fast": round(fast, 4), "p95_ms": round(p95, 1)}
        return {
            "seconds": round(end - start), "changes": [c.get("knob") for c in watch.changes.values()],
            "incidents": [live.of_incident(i) for i in watch.incidents.values()], "operations": qualities,
            "started": start, "series": load.series("checkout", int(start), int(end) - 1),
            "left": [k.get("key") for k in self.world.homeostat.changed_knobs()],
        }
