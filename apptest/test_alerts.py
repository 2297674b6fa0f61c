"""Alerts on their way out: Debian's Alertmanager, and a webhook that fails first."""
import pytest

import alertmanager_process
from alertmanager_process import Alertmanager, Webhook
from harness import wait_for
from rules_world import ask, send, states, with_rules

RULES = """- name: alerts
  interval: 1s
  rules:
  - alert: Overload
    expr: load > 5
    labels: {severity: page}
    annotations: {summary: '{{ $labels.instance }} in {{ $externalLabels.cluster }} has {{ $value }}'}
"""


@pytest.mark.skipif(not alertmanager_process.available(), reason="prometheus-alertmanager is not installed")
def test_an_alertmanager_is_told_and_told_again_after_it_was_away(tmp_path):
    with Alertmanager(tmp_path / "am") as am:
        h = with_rules(tmp_path, RULES, settings={"alerts.alertmanagers": am.url, "alerts.resend_delay": "1s",
                                                  "rules.external_labels": "cluster=eu"})
        with h:
            assert ask(h, "alertmanagers")["activeAlertmanagers"] == [{"url": am.url + "/api/v2/alerts"}]
            send(h, "load", 9, instance="a")
            wait_for("it is told", lambda: len(am.alerts()) == 1)
            alert = am.alerts()[0]
            assert alert["labels"] == {"alertname": "Overload", "cluster": "eu", "instance": "a", "severity": "page"}
            assert alert["annotations"] == {"summary": "a in eu has 9"}
            assert "load%20%3E%205" in alert["generatorURL"]
            am.stop()
            wait_for("it is missed", lambda: h.metric("prometheus_notifications_errors_total") > 0)
            am.start()  # it keeps nothing that it did not save: what still fires must be told again
            wait_for("it is told again", lambda: len(am.alerts()) == 1, 60)
            send(h, "load", 1, instance="a")
            wait_for("it is over", lambda: am.alerts() == [])
            assert states(h) == []
            assert h.metric("prometheus_notifications_sent_total") >= 2


def test_a_webhook_gets_groups_once_retried_and_resolved(tmp_path):
    with Webhook(statuses=(503, 200)) as hook:
        h = with_rules(tmp_path, RULES, settings={"alerts.webhooks": hook.url, "alerts.group_wait": "2s",
                                                  "alerts.group_interval": "1s"})
        with h:
            send(h, "load", 9, instance="a")
            send(h, "load", 8, instance="b")
            wait_for("it is told, twice", lambda: len(hook.told) == 2)
            (first, payload), (second, again) = hook.told
            assert (first, second) == (503, 200) and payload == again
            assert payload["status"] == "firing" and len(payload["alerts"]) == 2
            assert payload["commonLabels"] == {"alertname": "Overload", "severity": "page"}
            send(h, "load", 1, instance="a")
            send(h, "load", 1, instance="b")

            def told_over():
                ended = {alert["labels"]["instance"] for _, body in hook.told for alert in body["alerts"]
                         if alert["status"] == "resolved"}
                return ended == {"a", "b"}
            wait_for("it is over", told_over)
            count = len(hook.told)
            assert count <= 4 and hook.told[-1][1]["status"] == "resolved"


def test_a_receiver_that_cannot_be_one_is_refused(tmp_path):
    h = with_rules(tmp_path, RULES, settings={"alerts.webhooks": "ftp://x"})
    with pytest.raises(RuntimeError, match="alerts.webhooks: 'ftp://x'"):
        with h:
            pass
