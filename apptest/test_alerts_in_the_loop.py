"""An alert with a service's label becomes a symptom of an incident: through rules, the loop, its API and its ledger."""
import json

from harness import wait_for
from rules_world import alerts, send, with_rules

RULES = """- name: saturation
  interval: 1s
  rules:
  - {alert: QueueFull, expr: queue > 5, labels: {knob: shop.retries}}
  - {alert: Informs, expr: queue > 5, labels: {severity: info}}
  - {alert: NamesNobody, expr: sum(queue) > 5}
"""
KNOB = {"key": "shop.retries", "type": "integer", "base": 3, "min": 0, "max": 10, "services": ["shop"]}


def incidents(h):
    return h.get("/v1/incidents")[1]["incidents"]


def test_an_alert_of_a_service_is_an_incident_that_changes_nothing(tmp_path):
    h = with_rules(tmp_path, RULES)
    with open(tmp_path / "homeostat.yaml", "a") as configuration:
        configuration.write(f"knobs: {json.dumps([KNOB])}\n")
    with h:
        send(h, "queue", 9, service="shop", instance="a")
        wait_for("the alerts", lambda: len(alerts(h)) == 3)
        wait_for("its incident", lambda: incidents(h))
        (incident,) = incidents(h)
        assert (incident["service"], incident["kind"], incident["open"]) == ("shop", "alert", True)
        (symptom,) = incident["symptoms"]
        assert (symptom["kind"], symptom["objective"], symptom["service"]) == ("alert", "QueueFull", "shop")
        assert "the group saturation in a.yml" in symptom["evidence"] and 'instance="a"' in symptom["evidence"]
        assert "needs a human" in incident["decision"]
        h.kill()
        h.start()
        wait_for("the alert again", lambda: [a["labels"]["alertname"] for a in alerts(h)].count("QueueFull") == 1)
        assert [(i["id"], i["state"]) for i in incidents(h)] == [(incident["id"], "detected")]  # the same one goes on
        send(h, "queue", 1, service="shop", instance="a")
        wait_for("its end", lambda: incidents(h)[0]["state"] == "restored")
        assert len(incidents(h)) == 1 and incidents(h)[0]["symptoms"][0]["ended"]
        entries = h.get("/v1/ledger?limit=100")[1]["entries"]
        kinds = {entry["kind"] for entry in entries}
        assert not kinds & {"change", "receipt", "promote"}
        assert any("QueueFull" in json.dumps(entry) for entry in entries if entry["kind"] == "incident")
        assert h.get("/v1/changes")[1]["changes"] == []
