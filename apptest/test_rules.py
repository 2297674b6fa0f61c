"""Rules in serve: what they write, what they say, and what they remember of a process that was killed."""
import os
import signal

import pytest

from harness import wait_for
from rules_world import alerts, ask, query, send, states, with_rules, write_rules

RECORD = """- name: sums
  interval: 1s
  rules:
  - {record: 'job:load:sum', expr: sum by (job) (load), labels: {kind: recorded}}
  - {record: 'load:double', expr: 'job:load:sum * 2'}
  - {record: bad, expr: 'load * on() load'}
"""
ALERT = """- name: alerts
  interval: 1s
  rules:
  - alert: Overload
    expr: load > 5
    for: %s
    keep_firing_for: %s
    labels: {severity: page}
    annotations: {summary: '{{ $labels.instance }} has {{ $value | humanize }}'}
"""


def test_a_rule_writes_a_series_that_queries_return(tmp_path):
    with with_rules(tmp_path, RECORD) as h:
        send(h, "load", 3, job="api", instance="a")
        send(h, "load", 4, job="api", instance="b")
        recorded = (("__name__", "job:load:sum"), ("job", "api"), ("kind", "recorded"))
        wait_for("the recorded series", lambda: query(h, "job:load:sum").get(recorded) == 7)
        # The rule behind it in the group sees what the one before wrote, in the same evaluation.
        wait_for("the rule on top of it", lambda: list(query(h, "load:double").values()) == [14])
        assert list(query(h, "timestamp(load:double) - timestamp(job:load:sum)").values()) == [0]
        group = ask(h, "rules")["groups"][0]
        assert (group["name"], group["interval"], group["file"]) == ("sums", 1, str(tmp_path / "rules/a.yml"))
        wait_for("evaluations", lambda: ask(h, "rules")["groups"][0]["rules"][2]["health"] == "err")
        rules = ask(h, "rules")["groups"][0]["rules"]
        assert [rule["health"] for rule in rules] == ["ok", "ok", "err"]  # a bad one does not stop the others
        assert "many-to-many" in rules[2]["lastError"] and rules[0]["query"] == "sum by (job) (load)"
        where = {"rule_group": f"{tmp_path}/rules/a.yml;sums"}
        assert h.metric("prometheus_rule_evaluation_failures_total", **where) > 0
        assert h.metric("prometheus_rule_group_rules", **where) == 3


def test_the_rules_endpoint_filters_and_pages(tmp_path):
    second = "- name: more\n  rules:\n  - {alert: Never, expr: vector(1) > 2, labels: {team: x}}\n"
    with with_rules(tmp_path, RECORD + second) as h:
        def names(**params):
            return [[rule["name"] for rule in group["rules"]] for group in ask(h, "rules", **params)["groups"]]
        sums = ["job:load:sum", "load:double", "bad"]
        assert names() == [["Never"], sums]  # groups by name
        assert names(type="record") == [sums] and names(type="alert") == [["Never"]]
        assert names(**{"rule_name[]": ["bad", "Never"]}) == [["Never"], ["bad"]]
        assert names(**{"rule_group[]": "more"}) == [["Never"]] and names(**{"file[]": "none"}) == []
        assert names(**{"match[]": ['{team="x"}', '{kind="recorded"}']}) == [["Never"], ["job:load:sum"]]
        first = ask(h, "rules", group_limit=1)
        assert [group["name"] for group in first["groups"]] == ["more"]
        rest = ask(h, "rules", group_limit=1, group_next_token=first["groupNextToken"])
        assert [group["name"] for group in rest["groups"]] == ["sums"] and "groupNextToken" not in rest
        assert "not supported value" in ask(h, "rules", 400, type="x")
        assert "group_limit" in ask(h, "rules", 400, group_next_token="x")
        assert "changed" in ask(h, "rules", 400, group_limit=1, group_next_token="x")
        answer = h.get("/api/v1/rules", headers={"X-Scope-OrgID": "another"})[1]
        assert answer["data"]["groups"] == []  # rules belong to one tenant


def test_an_alert_pends_fires_and_is_resolved(tmp_path):
    with with_rules(tmp_path, ALERT % ("2s", "0s")) as h:
        send(h, "load", 9.5, instance="a")
        wait_for("it pends", lambda: states(h) == ["pending"])
        wait_for("it fires", lambda: states(h) == ["firing"])
        alert = alerts(h)[0]
        assert alert["labels"] == {"alertname": "Overload", "instance": "a", "severity": "page"}
        assert alert["annotations"] == {"summary": "a has 9.5"} and alert["value"] == "9.5e+00"
        wait_for("its series", lambda: query(h, 'count(ALERTS{alertstate="firing"})') == {(): 1})
        assert len(query(h, "ALERTS_FOR_STATE")) == 1
        rule = ask(h, "rules", type="alert")["groups"][0]["rules"][0]
        assert (rule["state"], rule["duration"], len(rule["alerts"])) == ("firing", 2, 1)
        assert ask(h, "rules", exclude_alerts="true")["groups"][0]["rules"][0]["alerts"] == []
        send(h, "load", 1, instance="a")
        wait_for("it is over", lambda: states(h) == [])
        wait_for("its series end", lambda: query(h, "ALERTS") == {})


@pytest.mark.parametrize("held", ["pending", "firing"])
def test_kill_nine_forgets_no_alert(tmp_path, held):
    wait, keep = ("30s", "0s") if held == "pending" else ("0s", "30s")
    with with_rules(tmp_path, ALERT % (wait, keep)) as h:
        send(h, "load", 9, instance="a")
        wait_for("the alert", lambda: states(h) == [held])
        before = alerts(h)[0]
        if held == "firing":  # the condition is gone, keep_firing_for holds it
            send(h, "load", 1, instance="a")
            wait_for("it is kept", lambda: "keepFiringSince" in alerts(h)[0])
            before = alerts(h)[0]
        state = h.data / "rules/state.json"
        wanted = '"state":1' if held == "pending" else '"keep_firing_since_ms":1'
        wait_for("it is remembered", lambda: state.exists() and wanted in state.read_text())
        h.kill()
        h.start()
        wait_for("the alert is back", lambda: states(h) == [held])
        after = alerts(h)[0]
        assert after["activeAt"] == before["activeAt"]
        assert after.get("keepFiringSince") == before.get("keepFiringSince")


def test_missed_evaluations_are_made_up_for(tmp_path):
    with with_rules(tmp_path, RECORD) as h:
        send(h, "load", 3, job="api")
        wait_for("the recorded series", lambda: len(query(h, "job:load:sum")) == 1)
        wait_for("some of it", lambda: list(query(h, "count_over_time(job:load:sum[1h])").values())[0] >= 3)
        h.kill()
        h.start()
        send(h, "load", 3, job="api")
        gaps = "(timestamp(job:load:sum) - min_over_time(timestamp(job:load:sum)[10m:1s])) - " \
               "(count_over_time(job:load:sum[10m]) - 1)"
        wait_for("no slot is left out", lambda: all(abs(v) <= 1 for v in query(h, gaps).values()) and query(h, gaps))


def test_a_reload_applies_whole_or_not_at_all(tmp_path):
    with with_rules(tmp_path, RECORD) as h:
        write_rules(tmp_path, RECORD.replace("sum by (job) (load)", "sum by (job (load)"))
        os.kill(h.process.pid, signal.SIGHUP)
        wait_for("the refusal", lambda: "configuration not applied" in h.tail())
        assert 'rule 1, \\"job:load:sum\\": could not parse' in h.tail() or "could not parse expression" in h.tail()
        assert ask(h, "rules")["groups"][0]["name"] == "sums"
        write_rules(tmp_path, RECORD.replace("name: sums", "name: others"))
        os.kill(h.process.pid, signal.SIGHUP)
        wait_for("the new group", lambda: [g["name"] for g in ask(h, "rules")["groups"]] == ["others"])


def test_serve_does_not_start_with_wrong_rules(tmp_path):
    h = with_rules(tmp_path, RECORD.replace("expr", "exp"))
    with pytest.raises(RuntimeError, match="did you mean 'expr'"):
        with h:
            pass
