"""From trials to numbers, and to what the demo promises."""
from .statistics import interval, median


def pairs(trials):
    """Fault -> its trials with the loop on and off, in the order in which they ran."""
    found = {}
    for t in trials:
        found.setdefault(t["fault"], {"on": [], "off": []})[t["loop"]].append(t)
    return found


def kept_change(trial):
    """The change that stayed: the last one with a PASS, else the last one."""
    passed = [c for c in trial["changes"] if str(c["verdict"]).lower() == "pass"]
    return (passed or trial["changes"] or [None])[-1]


REFUTED = ("fail", "mismatch", "no data", "no_data")


def repaired(trial):
    """Well again, with a change that the data did not speak against."""
    helped = [c for c in trial["changes"] if str(c["verdict"]).lower() not in REFUTED]
    return trial["restored_after"] is not None and bool(helped)


def declared_unrepairable(trial):
    """Homeostat itself said at the end that it changes nothing, and why."""
    return is_final(trial["decision"])


def is_final(decision):
    """Not "nothing yet", which waits for something, nor a departure that costs nobody anything as yet."""
    unhurt = decision.endswith("every objective that rests on it holds")
    return decision.startswith(("nothing:", "needs a human")) and not unhurt


def bad_seconds(trial):
    """Seconds in which the objective was missed within the first 40 s after the injection: comparable over all trials."""
    start = int(trial["injected"])
    seen = [s for s in trial["series"] if start <= s["t"] < start + 40 and s["n"]]
    return sum(1 for s in seen if s["fast"] < 0.9)


def summarise(results):
    on = [t for t in results["trials"] if t["loop"] == "on"]
    faults = pairs(results["trials"])
    repairable = [t for t in on if t["repairable"]]
    detected = [t["detected_after"] for t in on if t["detected_after"] is not None]
    restored = [t["restored_after"] for t in repairable if repaired(t)]
    healthy = results["healthy"] or {}
    return {
        "faults": len(faults), "trials": len(results["trials"]),
        "detected": len(detected), "of_on": len(on),
        "true_cause_first": sum(1 for t in on if t["rank"] == 1),
        "repaired": sum(1 for t in repairable if repaired(t)), "repairable": len(repairable),
        "detect_median": median(detected), "detect_worst": max(detected, default=None),
        "restore_median": median(restored), "restore_worst": max(restored, default=None),
        "restore_interval": interval(restored),
        "healthy_changes": len(healthy.get("changes", [])), "healthy_incidents": len(healthy.get("incidents", [])),
        "paired": {name: paired(pair) for name, pair in faults.items()},
    }


def paired(pair):
    """How many bad seconds (of the first 40) the loop saved, pair by pair."""
    differences = [bad_seconds(off) - bad_seconds(on) for off, on in zip(pair["off"], pair["on"])]
    return {"saved_bad_seconds": differences, "median": median(differences), "interval": interval(differences)}


def broken_promises(results):
    """Why the exit code is not zero."""
    found = list(results["failures"])
    for t in results["trials"]:
        if t["broken_after"] is None:
            found.append(f"{t['fault']} (loop {t['loop']}) did not break {t['operation']}: the trial says nothing")
        elif t["loop"] == "on" and t["repairable"] and not repaired(t):
            found.append(f"{t['fault']} was not repaired within {t['window']} s")
        if t["loop"] == "off" and t["changes"]:
            found.append(f"{t['fault']}: knobs were changed with the loop off")
        if t["left"]:
            found.append(f"{t['fault']} left knobs changed: {', '.join(map(str, t['left']))}")
        kept = [c for c in t["changes"] if str(c["verdict"]).lower() == "pass"]
        if t["loop"] == "on" and not t["repairable"] and kept:
            found.append(f"{t['fault']} cannot be repaired, but {kept[-1]['knob']} was kept")
        share = (t["legitimate"] or {}).get("good", 1)
        if t["loop"] == "on" and t["legitimate"] and share < 0.99:
            found.append(f"{t['fault']}: only {share:.1%} of legitimate log-ins succeeded after the change")
    healthy = results["healthy"]
    if healthy and healthy["changes"]:
        found.append(f"the healthy period saw changes: {', '.join(map(str, healthy['changes']))}")
    left = results["left"]
    if left["faults"]:
        found.append(f"{left['faults']} faults are still injected")
    if left["knobs"] or (healthy and healthy["left"]):
        found.append(f"knobs are still changed: {left['knobs']}")
    return found
