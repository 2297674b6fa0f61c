"""report.html: one file, no scripts, no fonts or pictures from elsewhere; light and dark."""
import html
import json
import time

from .summary import kept_change, pairs

STYLE = """
:root { --ink:#16202a; --soft:#5b6b7a; --line:#d9e0e6; --paper:#f5f7f9; --card:#ffffff; --on:#0b6bcb; --off:#c2410c;
  --good:#157347; --bad:#b42318; --target:#98a5b1; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6edf3; --soft:#9aa8b5; --line:#2c3742; --paper:#0f151b;
  --card:#171f27; --on:#58a6ff; --off:#f0883e; --good:#3fb950; --bad:#ff7b72; --target:#5b6b7a; } }
* { box-sizing:border-box; }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.5 system-ui,"Segoe UI",sans-serif; }
main { max-width:1180px; margin:0 auto; padding:32px 24px 64px; }
h1 { font-size:28px; margin:0 0 4px; letter-spacing:-.02em; } h2 { font-size:19px; margin:40px 0 12px; }
h3 { font-size:15px; margin:0; } p { margin:6px 0; } .soft { color:var(--soft); }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(170px,1fr)); gap:12px; margin:24px 0; }
.tile, .card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:14px 16px; }
.tile b { display:block; font-size:26px; font-weight:650; letter-spacing:-.02em; font-variant-numeric:tabular-nums; }
.tile span { color:var(--soft); font-size:13px; }
.scroll { overflow-x:auto; } table { border-collapse:collapse; width:100%; font-size:13.5px; }
th { text-align:left; color:var(--soft); font-weight:600; }
th, td { padding:7px 12px 7px 0; border-bottom:1px solid var(--line); vertical-align:top; }
tr:last-child td { border-bottom:0; }
td { font-variant-numeric:tabular-nums; } .good { color:var(--good); } .bad { color:var(--bad); }
.grid { display:grid; grid-template-columns:repeat(auto-fill,minmax(520px,1fr)); gap:14px; }
@media (max-width:600px) { .grid { grid-template-columns:1fr; } }
svg { width:100%; height:auto; display:block; margin-top:8px; }
svg text { font:11px system-ui,sans-serif; fill:var(--soft); }
.legend { font-size:12.5px; color:var(--soft); }
.legend i { display:inline-block; width:14px; height:3px; border-radius:2px; margin:0 5px 3px 12px; }
.problem { border-left:4px solid var(--bad); padding-left:12px; margin:6px 0; }
ol { margin:6px 0; padding-left:20px; font-size:13px; } pre { font-size:12.5px; overflow-x:auto; white-space:pre-wrap; }
details summary { cursor:pointer; color:var(--soft); font-size:13px; }
"""

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 560, 190, 38, 24, 26


def esc(value):
    return html.escape(str(value), quote=True)


class Plot:
    def __init__(self, first, last, height=HEIGHT):
        self.first, self.last, self.height = first, max(last, first + 1), height
        self.parts = []

    def x(self, seconds):
        return LEFT + (seconds - self.first) / (self.last - self.first) * (WIDTH - LEFT - 8)

    def y(self, share):
        return TOP + (1 - share) * (self.height - TOP - BOTTOM)

    def frame(self, target, step):
        for share in (0, 0.5, 1):
            y = self.y(share)
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
                              f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
        if target:
            y = self.y(target)
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--target)" '
                              f'stroke-dasharray="3 4"/>')
        seconds = 0
        while seconds <= self.last:
            x = self.x(seconds)
            self.parts.append(f'<text x="{x:.1f}" y="{self.height - 8}" text-anchor="middle">{seconds} s</text>')
            seconds += step

    def line(self, points, colour, label):
        if not points:
            return
        path = " ".join(f"{self.x(t):.1f},{self.y(v):.1f}" for t, v in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="var(--{colour})" stroke-width="2" '
                          f'stroke-linejoin="round"><title>{esc(label)}</title></polyline>')

    def mark(self, at, text, row, colour="soft"):
        x = self.x(at)
        anchor = "end" if x > WIDTH - 90 else "start"
        shift = -4 if anchor == "end" else 4
        y = TOP + 12 + row * 13
        self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{self.height - BOTTOM}" stroke="var(--{colour})" '
                          f'stroke-dasharray="2 3"/><text x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}" '
                          f'style="fill:var(--{colour})">{esc(text)} {at:.0f} s</text>')

    def svg(self, label):
        return (f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{esc(label)}">' + "".join(self.parts)
                + "</svg>")


def points_of(trial, start):
    return [(s["t"] - start, s["fast"]) for s in trial["series"] if s["n"] > 0]


def fault_chart(on, off):
    trials = [t for t in (on, off) if t]
    last = max((p[-1][0] for p in (points_of(t, int(t["injected"])) for t in trials) if p), default=40)
    plot = Plot(-10, min(last, 80))
    plot.frame(0.9, 10)
    plot.mark(0, "fault", 0, "bad")
    if off:
        plot.line(points_of(off, int(off["injected"])), "off", "loop off")
    if on:
        plot.line(points_of(on, int(on["injected"])), "on", "loop on")
        marks = {}
        for m in on["marks"]:
            marks.setdefault(m["what"], m["after"])
        changes = [c["at"] - on["injected"] for c in on["changes"] if c["at"]]
        shown = [("detected", marks.get("detected")), ("changed", min(changes, default=None)),
                 ("restored", on["restored_after"])]
        for number, (what, at) in enumerate(shown, 1):
            if at is not None:
                plot.mark(at, what, number, "on")
    return plot.svg("share of requests that were good and fast, second by second")


def fault_card(name, pair):
    on, off = (pair["on"] or [None])[0], (pair["off"] or [None])[0]
    any_ = on or off
    parts = [f'<div class="card"><h3>{esc(name)}</h3><p class="soft">{esc(any_["about"])}; judged on '
             f'<b>{esc(any_["operation"])}</b></p>', fault_chart(on, off)]
    if on:
        change = kept_change(on)
        said = f'{esc(change["knob"])}: {esc(change["from"])} → {esc(change["to"])}' if change else "no change"
        parts.append(f"<p>{said}. <span class=soft>{esc((change or {}).get('why') or on['decision'] or '')}</span></p>")
        if on["causes"]:
            causes = "".join(f"<li>{esc(c.get('entity'))} <span class=soft>{esc(c.get('kind'))}, "
                             f"{c.get('probability', 0):.0%}</span></li>" for c in on["causes"])
            parts.append(f"<details><summary>causes as ranked</summary><ol>{causes}</ol></details>")
        if len(on["changes"]) > 1:
            tried = "".join(f"<li>{esc(c['knob'])} → {esc(c['to'])}: {esc(c['verdict'])} <span class=soft>"
                            f"{esc(c['evidence'] or '')} {esc(c['why'] or '')}</span></li>" for c in on["changes"])
            parts.append(f"<details><summary>all changes</summary><ol>{tried}</ol></details>")
    return "".join(parts) + "</div>"


def tiles(s):
    def number(value):
        return "–" if value is None else f"{value:.1f} s"

    found = [(f"{s['detected']} / {s['of_on']}", "faults detected"),
             (f"{s['true_cause_first']} / {s['of_on']}", "true cause at rank 1"),
             (f"{s['repaired']} / {s['repairable']}", "repairable faults repaired"),
             (number(s["detect_median"]), f"median to detect, worst {number(s['detect_worst'])}"),
             (number(s["restore_median"]), f"median to restore, worst {number(s['restore_worst'])}"),
             (s["healthy_changes"], "changes while all was well")]
    return '<div class="tiles">' + "".join(f'<div class="tile"><b>{esc(a)}</b><span>{esc(b)}</span></div>'
                                           for a, b in found) + "</div>"


def result_table(lines, heads):
    head = "".join(f"<th>{esc(h)}</th>" for h in heads.values())
    body = ""
    for line in lines:
        cells = ""
        for key in heads:
            text = str(line[key])
            kind = "good" if key == "verdict" and text.lower() == "pass" else (
                "bad" if text in ("never", "not repaired") else "")
            cells += f'<td class="{kind}">{esc(text)}</td>'
        body += f"<tr>{cells}</tr>"
    return f'<div class="card scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def healthy_part(healthy):
    if not healthy:
        return ""
    start = int(healthy["started"])
    plot = Plot(0, healthy["seconds"], 150)
    plot.frame(0.9, 30)
    plot.line([(s["t"] - start, s["fast"]) for s in healthy["series"] if s["n"]], "on", "checkout")
    most = max((s["n"] for s in healthy["series"]), default=1) or 1
    plot.line([(s["t"] - start, s["n"] / most) for s in healthy["series"]], "target", "load")
    rows = "".join(f"<tr><td>{esc(name)}</td><td>{q['n']}</td><td>{q['good']:.2%}</td><td>{q['fast']:.2%}</td>"
                   f"<td>{q['p95_ms']:.0f} ms</td></tr>" for name, q in healthy["operations"].items())
    return (f'<h2>Healthy period</h2><div class="grid"><div class="card"><p>{healthy["seconds"]} s with a doubling of load '
            f'and a deployment: <b>{len(healthy["changes"])}</b> changes, <b>{len(healthy["incidents"])}</b> incidents.</p>'
            f'<p class="legend"><i style="background:var(--on)"></i>checkout, good and fast'
            f'<i style="background:var(--target)"></i>its load, of the most</p>{plot.svg("healthy period")}</div>'
            f'<div class="card scroll"><table><thead><tr><th>operation</th><th>requests</th><th>good</th>'
            f"<th>good and fast</th><th>p95</th></tr></thead><tbody>{rows}</tbody></table></div></div>")


def render(results, lines, heads, sentences, kpis):
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(results["started"]))
    problems = "".join(f'<p class="problem">{esc(p)}</p>' for p in results["problems"])
    cards = "".join(fault_card(name, pair) for name, pair in pairs(results["trials"]).items())
    notes = [f"seed {results['seed']}"]
    if results["rename"] is not None:
        notes.append(f"all names invented (seed {results['rename']})")
    if results["blind"]:
        notes.append("knobs without expectations")
    numbers = "".join(f"<p>{esc(s)}</p>" for s in sentences)
    shown = json.dumps({"cpu_seconds": results["cpu_seconds"], "memory_mib": results["memory_mib"]}, indent=1)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Homeostat: the demo's report</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body><main>
<h1>A shop that repairs itself</h1>
<p class="soft">{when} UTC, {results['seconds'] // 60} min {results['seconds'] % 60} s, {esc(', '.join(notes))}. Each fault
was injected with Homeostat's loop off and on, in random order. The load generator is the judge: every request
counts, from the moment at which it was due.</p>{problems}{tiles(results['summary'])}
<h2>Fault by fault</h2>{result_table(lines, heads) if lines else ''}
<p class="legend">Share of requests that were good and fast, second by second:
<i style="background:var(--on)"></i>loop on<i style="background:var(--off)"></i>loop off
<i style="background:var(--target)"></i>objective</p><div class="grid">{cards}</div>
{healthy_part(results['healthy'])}
<h2>What the numbers mean</h2><div class="card">{numbers}</div>
<h2>KPIs as Homeostat reports them</h2><div class="card"><pre>{esc(chr(10).join(kpis) or 'none')}</pre></div>
<h2>What it cost</h2><div class="card"><details><summary>CPU seconds and memory of each process</summary>
<pre>{esc(shown)}</pre></details></div></main></body></html>
"""
