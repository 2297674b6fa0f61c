"""One fault, with the loop off or on: what was seen, by whom, and when."""
import time

from . import live
from .product import Refused, unix_seconds
from .summary import is_final

ON_SECONDS_MAX = 75
BLIND_SECONDS_MAX = 150  # nothing is known of what the knobs do: one after the other has to be tried
OFF_SECONDS = 40
UNREPAIRABLE_SECONDS_MAX = 240  # until Homeostat has tried what it may, and says that nothing helps
SETTLE_SECONDS_MAX = 150
LEFT_SECONDS_MAX = 5


class Failed(Exception):
    """The trial could not be made: the shop was not well before it, or the fault did not take."""


def rank_of(causes, accepted):
    """1 for the first cause that is a true one; None when none is."""
    for rank, cause in enumerate(causes, 1):
        entity = cause.get("entity", "")
        if any(entity == a or entity.startswith(a + " ") or entity.startswith(a + "/") or
               (a.startswith("instance:") and entity.startswith(a)) for a in accepted):
            return rank
    return None


def detections(incident):
    """When its symptoms were detected: an incident that comes back has more than one."""
    return [unix_seconds(s.get("detected")) for s in incident.get("symptoms") or []]


def is_open(incident):
    return incident.get("state") not in ("restored", "closed")


class Watch:
    """Follows incidents and changes through the API, and says what is new."""

    def __init__(self, world, since):
        self.world, self.since = world, since
        self.incidents, self.changes = {}, {}
        self._said = set()

    def look(self):
        try:
            incidents, changes = self.world.homeostat.incidents(), self.world.homeostat.changes()
        except (OSError, Refused, ValueError):
            return
        for incident in incidents:
            if max([unix_seconds(incident.get(k)) for k in ("detected", "acted", "restored")] +
                   detections(incident)) >= self.since - 1:
                self.incidents[incident["id"]] = incident
        for change in changes:
            if self._at(change) >= self.since - 1:
                self.changes[change["id"]] = change
        self._tell()

    def in_flight(self):
        """Changes without a verdict yet: not those that only keep a few at the old value while a promoted one is held."""
        return [c for c in self.changes.values() if c.get("phase") == "trial"]

    @staticmethod
    def _at(change):
        return max((unix_seconds(change.get(k)) for k in ("at", "started", "set", "time", "created")), default=0)

    def _once(self, key, text):
        if key not in self._said:
            self._said.add(key)
            self.world.live.say(self.world.names.back(text))

    def _tell(self):
        for i in self.incidents.values():
            identity, causes = i["id"], i.get("causes") or []
            self._once((identity, "detected"), f"detected  {identity}: " + "; ".join(
                s.get("evidence", "") for s in (i.get("symptoms") or [])[:1]))
            if causes:
                top = causes[0]
                self._once((identity, "cause", top.get("entity")), f"explained {top.get('entity')} "
                           f"({top.get('kind')}, {top.get('probability', 0):.0%}), of {len(causes)} causes")
            if i.get("decision"):
                self._once((identity, "decision", i["decision"]), f"decided   {i['decision']}")
            if i.get("state") in ("restored", "closed"):
                self._once((identity, i["state"]), f"{i['state']:9s} {identity}")
        for c in self.changes.values():
            self._once((c["id"], "made"), f"changed   {c.get('knob')}: {c.get('from')} -> {c.get('to')}")
            if c.get("exposure") is not None:
                self._once((c["id"], c.get("exposure")), f"exposed   {c.get('knob')} to {c['exposure']:.0%}")
            verdict = verdict_of(c)
            if verdict.get("kind"):
                self._once((c["id"], verdict["kind"]), f"verified  {c.get('knob')}: {verdict['kind']} "
                           f"({verdict.get('evidence', '')}) {verdict.get('why', '')}")

    def lines(self, now):
        found = [live.measured(self.world.load, now)]
        found += [live.of_incident(i) for i in self.incidents.values() if i.get("state") != "closed"][:3]
        found += [f"change {c.get('knob')} -> {c.get('to')} at {c.get('exposure', 0):.0%} "
                  f"{verdict_of(c).get('kind', 'in flight')}" for c in list(self.changes.values())[-3:]]
        return [self.world.names.back(line) for line in found]


def verdict_of(change):
    verdict = change.get("verdict") or {}
    return verdict if isinstance(verdict, dict) else {"kind": verdict, "evidence": change.get("evidence", "")}


class Trial:
    def __init__(self, world, name, fault, loop_on):
        self.world, self.name, self.fault, self.loop_on = world, name, fault, loop_on
        self.operation = fault["operation"]

    def run(self):
        world = self.world
        world.live.title(f"{self.name}, loop {'on' if self.loop_on else 'off'}: {self.fault['about']}")
        self._wait_well()
        world.homeostat.act(self.loop_on)
        start = time.time()
        watch = Watch(world, start)
        try:
            world.faults.inject(self.fault)
            world.live.say(f"injected  {self.name}")
            broken, restored = self._follow(watch, start)
        finally:
            world.faults.undo()
        result = self._result(watch, start, broken, restored)
        self._clean_up(watch)
        result["left"] = self._left()
        return result

    # The objectives must hold before a fault goes in.
    def _wait_well(self):
        if not self.world.wait_calm(SETTLE_SECONDS_MAX):
            raise Failed(f"the shop was not well within {SETTLE_SECONDS_MAX} s before {self.name}")

    def _length(self):
        if not self.loop_on:
            return OFF_SECONDS
        if not self.fault["repairable"]:
            return UNREPAIRABLE_SECONDS_MAX
        return BLIND_SECONDS_MAX if self.world.options.blind else ON_SECONDS_MAX

    def _follow(self, watch, start):
        broken = restored = None
        load = self.world.load
        while time.time() - start < self._length():
            watch.look()
            self.world.tick(watch.lines(time.time()))
            now = time.time()
            if broken is None:
                broken = load.broken(self.operation, int(start), int(now) - 2)
                if broken is not None:
                    self.world.live.say(f"broken    {self.operation}, {broken - int(start)} s after the injection")
            if broken is not None and restored is None:
                restored = load.restored(self.operation, broken, now)
                if restored is not None:
                    self.world.live.say(f"restored  {self.operation}, {restored - start:.0f} s after the injection")
            if restored is not None and self.loop_on and not watch.in_flight():
                break
            if self.loop_on and not self.fault["repairable"] and self._is_declared(watch, start):
                break
        return broken, restored

    def _is_declared(self, watch, start):
        fresh = [i for i in watch.incidents.values() if self._detected([i], start) is not None]
        return bool(fresh) and not watch.in_flight() and all(is_final(i.get("decision") or "") for i in fresh if is_open(i))

    def _result(self, watch, start, broken, restored):
        watch.look()
        incidents = sorted(watch.incidents.values(), key=lambda i: unix_seconds(i.get("detected")))
        fresh = [i for i in incidents if self._detected([i], start) is not None]
        names = self.world.names
        for i in fresh:
            for cause in i.get("causes") or []:
                cause["entity"] = names.back(cause.get("entity", ""))
        ranked = [(rank_of(i.get("causes") or [], self.fault["causes"]), i) for i in fresh]
        right = next((pair for pair in ranked if pair[0] == 1), ranked[0] if ranked else (None, None))
        end = time.time()
        good = self.world.load.window(self.operation, int(start), int(end - start))
        return {
            "fault": self.name, "about": self.fault["about"], "loop": "on" if self.loop_on else "off",
            "operation": self.operation, "repairable": self.fault["repairable"], "injected": start, "ended": end,
            "broken_after": None if broken is None else broken - int(start),
            "detected_after": self._detected(fresh, start), "rank": right[0],
            "causes": (right[1] or {}).get("causes", [])[:5], "candidates": len((right[1] or {}).get("causes", [])),
            "decision": names.back((right[1] or {}).get("decision", "") or ""), "incidents": len(fresh),
            "restored_after": None if restored is None else round(restored - start, 1), "window": self._length(),
            "bad_share": round(1 - good[2], 4), "changes": [self._change(c) for c in watch.changes.values()],
            "legitimate": self._legitimate(watch) if self.fault.get("security") else None,
            "series": self.world.load.series(self.operation, int(start) - 10, int(end) - 1),
            "marks": self._marks(fresh, watch, start),
        }

    def _detected(self, fresh, start):
        times = [t for i in fresh for t in detections(i) if t >= start - 1]
        return round(min(times) - start, 1) if times else None

    def _change(self, c):
        verdict = verdict_of(c)
        return {"knob": self.world.names.back(str(c.get("knob"))), "from": c.get("from"), "to": c.get("to"),
                "exposure": c.get("exposure"), "state": c.get("state"), "verdict": verdict.get("kind"),
                "evidence": verdict.get("evidence"), "why": verdict.get("why"), "at": Watch._at(c)}

    # Of the log-ins of real customers, under the change that was made last: what was taken back before it is told apart.
    def _legitimate(self, watch):
        times = [Watch._at(c) for c in watch.changes.values()]
        if not times:
            return None
        n, good, _, _ = self.world.load.window("login", int(max(times)) + 3, int(time.time() - max(times)) - 4)
        return {"n": n, "good": round(good, 4)}

    @staticmethod
    def _marks(fresh, watch, start):
        marks = []
        for i in fresh:
            for what in ("detected", "explained", "acted", "verified", "restored"):
                at = unix_seconds(i.get(what))
                if at >= start - 1:
                    marks.append({"what": what, "after": round(at - start, 1)})
        return marks

    # What is changed still when the API has had the time to tell.
    def _left(self):
        end = time.monotonic() + LEFT_SECONDS_MAX
        while (left := [k.get("key") for k in self.world.homeostat.changed_knobs()]) and time.monotonic() < end:
            time.sleep(0.5)
        return left

    # Knobs back to the base, then wait until the shop is well and Homeostat agrees that nothing is open.
    def _clean_up(self, watch):
        world = self.world
        world.homeostat.act(False)
        world.homeostat.reset_knobs()
        world.live.say("mended    the fault is gone, knobs are at their base")
        if not world.wait_calm(SETTLE_SECONDS_MAX, watch):
            world.live.say(f"warning   not calm {SETTLE_SECONDS_MAX} s after {self.name}")
