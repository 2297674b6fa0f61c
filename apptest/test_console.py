"""The console in a real Chromium: it shows what the API says, and what telemetry says stays text."""
import json
import time

import pytest

from console_page import CHROMIUM, StandIn, dom, hrefs, words
from harness import Homeostat

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian's package is chromium")

TRACE = "0af7651916cd43dd8448eb211c80319c"
AT = "2026-01-02T03:04:05.678Z"
EVIL = [
    "<img src=x onerror=\"document.title='broken in'\">",
    "<script>document.title='broken in'</script>",
    "</span></div></body><h1>FAKE</h1>",
    "javascript:document.title='broken in'",
    "\u202egnirts desrever\u202c",
    "__proto__",
    "constructor",
    "${document.title='broken in'}",
    "x" * 5000,
    "line\nbreak\u0000\u001b[31m",
]


def answers(name="payment", other="checkout"):
    incident = {
        "id": "inc-1-1", "state": "acting", "service": name, "kind": "errors",
        "started": AT, "detected": AT, "explained": AT, "acted": None,
        "verified": None, "restored": None, "security": False, "injected": False, "changes": ["chg-1-1"],
        "decision": f"decided for {other}", "symptoms": [{"evidence": f"{name} fails in 31 % of requests"}],
        "causes": [{"entity": f"service:{name}", "kind": "errors", "probability": 0.83, "evidence": [{
            "says": f"because of {other}", "links": [
                {"kind": "trace", "what": TRACE, "url": f"/v1/traces/{TRACE}"},
                {"kind": "series", "what": f'up{{a="{other}"}}', "url": "/api/v1/query_range?query=up&start=1&end=2&step=1"},
                {"kind": "logs", "what": "", "url": f"javascript:{other}"}, {"kind": name, "what": other, "url": other}]}]},
                   {"entity": f"service:{other}", "kind": "slow", "probability": 0.17, "evidence": []}]}
    change = {
        "id": "chg-1-1", "revision": 41, "incident": "inc-1-1", "knob": f"{name}.provider", "from": "north", "to": other,
        "exposure": 0.2, "service": name, "lease_ms": 10000, "state": "candidate", "phase": "trial", "at": AT,
        "reason": f"reason {other}", "why": "",
        "verdict": {"kind": "running", "treated": 0.012, "control": 0.31, "treated_n": 61, "control_n": 238, "log_e": 5}}
    times = {"definition": f"from start to end of {name}", "n": 17, "open": 1, "p50": 3.1, "p90": 6, "p95": 8, "max": 11,
            "p50_95": {"low": 2, "high": 5}, "histogram": {"counts": [1, 3, 2]}}
    return {
        "/v1/status": {"mode": "acting", "why": ""},
        "/v1/objectives": {"objectives": [
            {"name": name, "service": name, "operation": other, "kind": "availability", "target": 0.99, "holds": False,
             "bad_share": 0.27, "since": AT, "page": "page", "burn_rate": {"5m": 27.04, "1h": 3, "6h": other}},
            {"name": other, "service": other, "operation": "", "kind": "latency", "target": 0.95, "threshold_ms": 500,
             "holds": True, "requests_per_s": 64.9}]},
        "/v1/incidents": {"incidents": [incident]}, "/v1/changes": {"changes": [change]},
        "/v1/knobs": {"knobs": [
            {"key": f"{name}.provider", "services": [name], "base": "north", "value": "north", "promoted": None,
             "candidate": {"value": other, "change": "chg-1-1", "lease_left_ms": 8400}},
            {"key": "still", "services": [other], "base": 7, "value": 7, "promoted": None, "candidate": None}]},
        "/v1/kpis": {"natural": {"time_to_detect": times}, "injected": {}},
        "/readyz": {"ready": True, "ingest": {"accepting": True, "waiting_rows": 1832, "journal_bytes": 2048},
                    "engine": {"ready": False, "reason": f"engine {other}"}},
        "/v1/ledger": {"size": 812, "entries": [
            {"index": 811, "at": AT, "kind": "decision", "words": f"chose {name}", "incident": "inc-1-1"},
            {"index": 810, "at": AT, "kind": "head", "words": "", "incident": ""}]},
    }


def test_it_shows_what_the_api_says():
    with StandIn(answers(), {"Homeostat-At": AT}) as stand_in:
        page = dom(stand_in.url)
    assert words(page, "mode") == "acting"
    tiles = words(page, "tiles")
    for part in ("hold 1 / 2", "incidents 1", "flight 1", "detect 3.1 s median of 17, 1 open",
                 "Ingest accepting 1,832 rows wait"):
        assert part in tiles, tiles
    incidents = words(page, "incidents")
    for part in ("payment · errors", "inc-1-1", "payment fails in 31 % of requests", "83 %", "service:payment",
                 "because of checkout", "trace 0af76519", "series", "17 %", "service:checkout", "decided for checkout"):
        assert part in incidents, incidents
    assert hrefs(page, "incidents") == ["/v1/incidents/inc-1-1", f"/v1/traces/{TRACE}",
                                        "/api/v1/query_range?query=up&start=1&end=2&step=1"]
    changes = words(page, "changes")
    for part in ("payment.provider", "north → checkout", "running", "revision 41 · 20 % of the units",
                 "1.2 % bad of 61 units", "31 % bad of 238 units", "lease 8 s", "reason checkout"):
        assert part in changes, changes
    assert "burns 27.0× 5m · 3.0× 1h" in words(page, "objectives")
    assert "27 % bad" in words(page, "objectives") and "holds 64.9/s" in words(page, "objectives")
    assert "payment.provider payment candidate checkout base north" in words(page, "knobs")
    assert "3.1 s [2.0 s – 5.0 s] n 17, 1 still open" in words(page, "kpis")
    assert "#811" in words(page, "ledger") and "chose payment" in words(page, "ledger")
    assert "812 entries, signed up to #810" in words(page, "ledger-note")
    assert "engine engine checkout" in words(page, "ingest") and "2.0 KiB" in words(page, "ingest")


@pytest.mark.parametrize("number", range(0, len(EVIL), 2))
def test_hostile_names_are_inert(number):
    name, other = EVIL[number:number + 2]
    with StandIn(answers(name, other), {"Homeostat-At": AT}) as stand_in:
        page = dom(stand_in.url)
        asked = {path.split("?")[0] for path in stand_in.asked}
    assert asked <= set(answers()) | {"/"}, "the page fetched something that it was told to by a name"
    assert "<title>Homeostat</title>" in page
    body = page[page.index("<body>"):]
    assert all(href.startswith(("/v1/", "/api/v1/")) for href in hrefs(page, "incidents"))
    assert "<img" not in body and "<h1>FAKE" not in body and body.count("<script>") == 1
    plain = " ".join(name.replace("\0", "\ufffd").split())
    for section in ("incidents", "changes", "objectives", "knobs", "kpis", "ledger"):
        text = " ".join(words(page, section).replace("\0", "\ufffd").split())
        assert plain in text, f"{section} does not show the name as text"


def test_it_says_when_homeostat_is_gone():
    stand_in = StandIn({})
    with stand_in:
        page = dom(stand_in.url)
    assert "could be read" in words(page, "banner") or "does not answer" in words(page, "banner")
    assert "hidden" not in page[page.index('id="banner"') - 40:page.index('id="banner"') + 60]


def test_the_real_page_against_the_real_api(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"objectives": [
        {"name": EVIL[0], "service": "checkout", "kind": "availability", "target": 0.99},
        {"name": "checkout is quick", "service": "checkout", "kind": "latency", "target": 0.95, "threshold_ms": 250}]}))
    with Homeostat(config=config) as homeostat:
        for _ in range(100):  # 503 until the loop's first step
            status, objectives = homeostat.get("/v1/objectives")
            if status == 200:
                break
            time.sleep(0.1)
        assert status == 200
        page = dom(homeostat.url("http", "/"))
        text = words(page, "objectives")
        for objective in objectives["objectives"]:
            assert objective["name"] in text
        assert f"{len(objectives['objectives'])} / {len(objectives['objectives'])}" in words(page, "tiles")
        assert "<title>Homeostat</title>" in page and "<img" not in page[page.index("<body>"):]
        knobs = homeostat.get("/v1/knobs")[1]["knobs"]
        assert "None declared" in words(page, "knobs") or knobs
