"""Every query of every panel, variable and annotation of deploy/grafana's dashboards, asked of a real Homeostat that saw a
fault, an incident, a change and a verdict: each must return data, or stand in NO_DATA with its reason."""
import concurrent.futures
import json
import re
import time

import requests

from harness import PATIENCE_S, ROOT, Homeostat, free_ports, wait_for
from small_app import CONFIG, SmallApp

BOARDS = {p.stem: json.loads(p.read_text()) for p in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))}
MORE = """
  - {key: pay.retries, type: integer, base: 2, min: 0, max: 5, services: [pay], scope: request, effect: isolated}
kpis:
  - {name: charges, kind: counter, service: pay, operation: POST /charge, target: 60}
  - {name: answered, kind: ratio, service: front, operation: POST /order}
chaos.enabled: true
chaos.proxies:
  - {name: nobody, listen: "127.0.0.1:PORT", upstream: "127.0.0.1:9"}
"""
# Asked in a panel and right to be empty in a healthy small set-up; the query itself must still be taken.
NO_DATA = {
    "homeostat_ingest_refused_total": "nothing was refused",
    "homeostat_incident_time_between_failures_seconds": "needs a second failure, more than a minute after the first",
}


def expressions(board):
    """-> (where, expression, is it instant)."""
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target.get("instant", False)
    for one in board["annotations"]["list"]:
        yield "annotation " + one["name"], one["expr"], False


def resolved(expr, span_s):
    """As Grafana does it for this range and all values of the variables."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", f"{span_s}s"), ("$service", ".*"), ("$injected", ".*")):
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def ask(h, path, **form):
    answer = requests.post(h.url("http", "/prometheus/api/v1/" + path), data=form, timeout=60)
    assert answer.ok, (form, answer.text)
    return answer.json()["data"]


def rows_of(h, expr, instant, start):
    if instant:
        return ask(h, "query", query=expr)["result"]
    return ask(h, "query_range", query=expr, start=start, end=time.time(), step=5)["result"]


def label_values(h, text, start):
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", text).groups()
    answer = requests.get(h.url("http", f"/prometheus/api/v1/label/{label}/values"),
                          params={"match[]": selector, "start": start, "end": time.time()}, timeout=60)
    assert answer.ok, answer.text
    return answer.json()["data"]


def questions():
    """-> (dashboard, where, text, how it is asked)."""
    for name, board in BOARDS.items():
        for where, expr, instant in expressions(board):
            if not any(metric in expr for metric in NO_DATA):
                yield name, where, expr, "instant" if instant else "range"
        for variable in board.get("templating", {}).get("list", ()):
            yield name, variable["name"], variable["query"], "variable"


def answered(h, question, start):
    _, _, text, how = question
    if how == "variable":
        return bool(label_values(h, text, start))
    return bool(rows_of(h, resolved(text, int(time.time() - start)), how == "instant", start))


def test_every_query_of_every_dashboard_returns_data(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG.rstrip() + MORE.replace("PORT", str(free_ports(1)[0])))
    start = time.time()
    settings = {"metrics.own_interval": "1s", "metrics.spans_interval": "1s"}
    with Homeostat(config=config, settings=settings) as h, SmallApp(h) as app:
        app.wait_exported(500)
        fault = {"proxy": "nobody", "kind": "latency", "latency_ms": 1, "lease_ms": 60000}
        status, told = h.post("/v1/chaos/faults", fault)
        assert status in (200, 201), told
        app.error_share["primary"] = 0.6
        wait_for("a promoted change", lambda: any(c["state"] == "promoted" for c in h.get("/v1/changes")[1]["changes"]))
        h.request("DELETE", "/v1/chaos/faults")
        wait_for("a restored incident", lambda: any(i["restored"] for i in h.get("/v1/incidents")[1]["incidents"]))
        assert silent(h, start) == []
        for metric in NO_DATA:  # taken, all the same
            rows_of(h, f"rate({metric}[1m])", False, start)


def silent(h, start, timeout_s=PATIENCE_S):
    """The questions that have no data in time. A reader waits for what was written, so many are asked at once."""
    left, end = list(questions()), time.monotonic() + timeout_s
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        while left and time.monotonic() < end:
            found = pool.map(lambda question: answered(h, question, start), left)
            left = [question for question, has_data in zip(left, found) if not has_data]
    return left


def test_the_dashboards_are_well_formed():
    """What Grafana needs to show one at all: ids and uids are unique, every panel has its place, meaning and source."""
    uids = [board["uid"] for board in BOARDS.values()]
    assert sorted(uids) == sorted(set(uids)) and len(uids) == 5
    source = {"type": "prometheus", "uid": "homeostat"}
    for name, board in BOARDS.items():
        assert board["title"] and board["schemaVersion"] >= 36 and board["tags"] == ["homeostat"], name
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids)), name
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            assert place["x"] + place["w"] <= 24 and not cells & taken, (name, panel["title"], place)
            taken |= cells
            if panel["type"] == "row":
                continue
            assert panel["title"] and panel["description"] and panel["datasource"] == source, (name, panel["title"])
            refs = [target["refId"] for target in panel["targets"]]
            assert refs and len(refs) == len(set(refs)), (name, panel["title"])
            assert all(target["datasource"] == source and target["expr"] for target in panel["targets"])
        assert {one["name"] for one in board["annotations"]["list"]} == {"Faults", "Incidents", "Changes", "Verdicts"}
        for one in board["annotations"]["list"]:
            assert one["titleFormat"] and one["datasource"] == source
