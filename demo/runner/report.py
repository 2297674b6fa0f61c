"""The results: a table on the terminal, report.json, and report.html."""
import json

from . import page
from .summary import broken_promises, declared_unrepairable, kept_change, pairs, summarise


def seconds(value, none="-"):
    return none if value is None else f"{value:.0f} s"


def row(trial, off):
    change = kept_change(trial)
    restored = seconds(trial["restored_after"], "not repaired" if trial["repairable"] else "declared unrepairable"
                       if declared_unrepairable(trial) else "still trying")
    if trial["restored_after"] is not None and not trial["changes"]:
        restored += " by itself"
    without = "-" if off is None else seconds(off["restored_after"], f"not in {off['window']} s")
    return {
        "fault": trial["fault"], "detected": seconds(trial["detected_after"], "never"),
        "cause": "-" if not trial["causes"] else f"rank {trial['rank'] or 'none'}: {trial['causes'][0].get('entity')}",
        "change": "none" if change is None else f"{change['knob']} {change['from']} -> {change['to']}",
        "evidence": (change or {}).get("evidence") or "-", "verdict": (change or {}).get("verdict") or "-",
        "restored": restored, "without": without,
    }


HEADS = {"fault": "fault", "detected": "detected", "cause": "true cause at", "change": "change", "evidence": "evidence",
         "verdict": "verdict", "restored": "restored", "without": "loop off"}


def rows(results):
    found = []
    for pair in pairs(results["trials"]).values():
        for number, trial in enumerate(pair["on"]):
            found.append(row(trial, pair["off"][number] if number < len(pair["off"]) else None))
    return found


def table(lines, heads=HEADS):
    """Lines are dictionaries with the keys of `heads`."""
    columns = {key: max([len(head)] + [len(str(line[key])) for line in lines]) for key, head in heads.items()}
    out = ["  ".join(head.ljust(columns[key]) for key, head in heads.items())]
    out.append("  ".join("-" * columns[key] for key in heads))
    out += ["  ".join(str(line[key]).ljust(columns[key]) for key in heads) for line in lines]
    return "\n".join(line.rstrip() for line in out)


def sentences(s):
    def number(value, digits=1):
        return "-" if value is None else f"{value:.{digits}f} s"

    found = [
        f"detected        {s['detected']} of {s['of_on']}   (after injection: median {number(s['detect_median'])}, "
        f"worst {number(s['detect_worst'])}; n={s['detected']})",
        f"true cause      at rank 1 in {s['true_cause_first']} of {s['of_on']}",
        f"repaired        {s['repaired']} of {s['repairable']} repairable ones   (restored: median "
        f"{number(s['restore_median'])}, worst {number(s['restore_worst'])}; from injection to the first second after "
        "which the objective holds for 10 s, as the load generator saw it)",
        f"healthy period  {s['healthy_changes']} changes, {s['healthy_incidents']} incidents",
    ]
    for name, pair in s["paired"].items():
        if pair["interval"]:
            low, high = pair["interval"]
            found.append(f"  {name}: the loop saved {pair['median']:.0f} of 40 seconds (median of "
                         f"{len(pair['saved_bad_seconds'])} pairs, 95 % interval {low:.0f} to {high:.0f})")
    return found


KPI_HEADS = {"service": "service", "kind": "kind", "time_to_detect": "to detect", "time_to_repair": "to repair",
             "time_to_restore": "to restore", "time_between_failures": "between failures"}


def kpi_lines(kpis):
    """The times of incidents as Homeostat itself reports them: medians, of how many, and how many have not ended."""
    def told(time):
        if not time.get("n"):
            return f"- ({time['open']} open)" if time.get("open") else "-"
        still = f", {time['open']} open" if time.get("open") else ""
        return f"{time['p50']:.1f} s (n={time['n']}{still})"

    def row(service, kind, times):
        return {"service": service, "kind": kind,
                **{key: told(times[key]) for key in KPI_HEADS if key.startswith("time_")}}

    lines = [row(g["service"], g["kind"] + (", injected" if g.get("injected") else ""), g) for g in kpis["groups"]]
    lines += [row("all", kind, kpis[kind]) for kind in ("natural", "injected") if kpis[kind]["time_to_detect"].get("n")]
    return table(lines, KPI_HEADS).splitlines() if lines else []


def finish(results, directory, out):
    """Prints, writes, and says by the exit code whether the demo kept its promises."""
    results["summary"], results["problems"] = summarise(results), broken_promises(results)
    lines = rows(results)
    out("")
    if lines:
        out(table(lines))
    out("")
    for sentence in sentences(results["summary"]):
        out(sentence)
    known = kpi_lines(results["kpis"])
    if known:
        out("\nIncidents' times as Homeostat reports them (/v1/kpis; medians):")
        for line in known:
            out(line)
    out("")
    for problem in results["problems"]:
        out(f"NOT AS PROMISED: {problem}")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(results, indent=1))
    (directory / "report.html").write_text(page.render(results, lines, HEADS, sentences(results["summary"]), known))
    out(f"{directory / 'report.json'}\n{directory / 'report.html'}")
    return 1 if results["problems"] else 0
