"""What an incident's evidence links to, through the door: each link is followed, and gives what it promises."""
import subprocess
import urllib.parse

from harness import Homeostat, binary, wait_for
from scripted_app import HEALTHY_REQUESTS, Route, ScriptedApp, attributes, usual_ms
from small_app import CONFIG, TOKENS

SETTINGS = {"metrics.spans_interval": "1s", "metrics.own_interval": "1s"}
DECLARED = CONFIG.replace("- {service: pay, measure: errors, when: backup}",
                          "- {service: pay, operation: POST /charge, measure: errors, when: backup}")


class IllOperation(ScriptedApp):
    """`pay` has two operations, of which the fault makes one fail. Each failed charge is logged with its trace."""

    def __init__(self, homeostat):
        self.error_share, self.lines = {"primary": 0.0, "backup": 0.0}, []
        routes = [Route("POST /order", "pay", "pay.provider", "primary", self.charge, inner="POST /charge"),
                  Route("POST /return", "pay", "pay.provider", "primary", self.refund, inner="POST /refund")]
        super().__init__(homeostat, routes, tokens=TOKENS)

    def charge(self, provider, dice):
        return usual_ms(dice), dice.random() >= self.error_share[provider]

    def refund(self, _provider, dice):
        return usual_ms(dice), True

    def spans(self, route, instance, start, end, ok, flag):
        made = super().spans(route, instance, start, end, ok, flag)
        if not ok:
            with self.lock:
                self.lines.append({"timeUnixNano": str(end), "severityNumber": 17, "traceId": made[instance][0]["traceId"],
                                   "body": {"stringValue": "the provider refused the card"}})
        return made

    def send(self, instance, spans):
        if instance == "pay-1":
            with self.lock:
                lines, self.lines = self.lines, []
            resource = {"attributes": attributes({"service.name": "pay", "service.instance.id": instance})}
            body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": lines}]}]}
            self.h.post("/v1/logs", body, listener="otlp_http", headers={"Authorization": f"Bearer {self.tokens['pay']}"})
        return super().send(instance, spans)


def first(h):
    """The causes of the only incident, once it is restored: the links have their whole time then."""
    incidents = h.get("/v1/incidents")[1]["incidents"]
    assert len(incidents) == 1, incidents
    return incidents[0]


def promoted(h):
    return [c["knob"] for c in h.get("/v1/changes")[1]["changes"] if c["state"] == "promoted"]


def links(cause, kind):
    return [link for clue in cause["evidence"] for link in clue["links"] if link["kind"] == kind]


def test_an_ill_operation_is_named_and_its_evidence_can_be_looked_at(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(DECLARED)
    with Homeostat(config=config, settings=SETTINGS) as h, IllOperation(h) as app:
        app.wait_exported(HEALTHY_REQUESTS + 500)
        assert h.get("/v1/incidents")[1]["incidents"] == []
        app.error_share["primary"] = 0.6
        wait_for("an incident", lambda: h.get("/v1/incidents")[1]["incidents"])
        wait_for("a promoted change", lambda: any(promoted(h)))
        assert promoted(h) == ["pay.provider"], "the operation leads to the knob that is declared for it"
        app.error_share["primary"] = 0  # of those who are held back
        wait_for("a restored incident", lambda: first(h)["restored"])
        h.flush()
        incident = first(h)
        names = [c["entity"] for c in incident["causes"]]
        assert names[:2] == ["operation:pay/POST /charge", "service:pay"], names
        cause = incident["causes"][0]
        assert (cause["service"], cause["operation"]) == ("pay", "POST /charge")
        assert "POST /charge" in cause["evidence"][0]["says"] and "other operations are well" in cause["evidence"][0]["says"]
        traces(h, cause)
        spans(h, cause)
        logs(h, cause)
        series(h, cause)
        for other in incident["causes"][1:]:  # nothing links to what is not there
            for clue in other["evidence"]:
                for link in clue["links"]:
                    status, answer = h.get(link["url"])
                    assert status == 200, (link, answer)
        h.stop()
        told = subprocess.run([binary(), "ledger", "show", "--data", str(h.data), incident["id"]], capture_output=True,
                              text=True)
        assert "explained: operation:pay/POST /charge (errors, " in told.stdout, told.stdout + told.stderr
        assert "else service:pay" in told.stdout, told.stdout
        again = subprocess.run([binary(), "ledger", "replay", "--data", str(h.data)], capture_output=True, text=True)
        assert again.returncode == 0 and "EQUAL" in again.stdout, again.stdout + again.stderr


def traces(h, cause):
    found = links(cause, "trace")
    assert 1 <= len(found) <= 3 and len({t["what"] for t in found}) == len(found), found
    for link in found:
        assert link["url"] == f"/v1/traces/{link['what']}"
        status, trace = h.get(link["url"])
        assert status == 200 and trace["trace_id"] == link["what"]
        assert [(s["service"], s["status"]) for s in trace["spans"] if s["name"] == "POST /charge"] == [("pay", "error")]


def spans(h, cause):
    (link,) = links(cause, "spans")
    status, answer = h.get(link["url"])
    assert status == 200 and len(answer["spans"]) >= 3, answer
    assert {(s["service"], s["name"], s["status"], s["kind"]) for s in answer["spans"]} == \
        {("pay", "POST /charge", "error", "server")}
    assert {t["what"] for t in links(cause, "trace")} <= {s["trace_id"] for s in every(h, link["url"], "spans")}


def every(h, url, what):
    rows, cursor = [], ""
    while True:
        answer = h.get(url + "&limit=1000" + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else ""))[1]
        rows += answer[what]
        cursor = answer.get("next_cursor")
        if not cursor:
            return rows


def logs(h, cause):
    of_time, of_trace = links(cause, "logs")
    lines = h.get(of_time["url"])[1]["logs"]
    assert lines and {(line["service"], line["severity_number"]) for line in lines} == {("pay", 17)}
    assert all("refused the card" in line["body"]["value"] and line["trace_id"] for line in lines)
    (line,) = h.get(of_trace["url"])[1]["logs"]
    assert line["trace_id"] == of_trace["what"]


def series(h, cause):
    (link,) = links(cause, "series")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(link["url"]).query)
    assert query["query"] == [link["what"]]
    status, answer = h.get(link["url"])
    assert status == 200 and answer["status"] == "success", answer
    by_code = {s["metric"]["status_code"]: [float(v) for _, v in s["values"]] for s in answer["data"]["result"]}
    assert max(by_code["STATUS_CODE_ERROR"]) > 0.2, by_code
    assert len(by_code["STATUS_CODE_UNSET"]) > 2
