"""small_app.py's application with a second pair of operations: `POST /refund` of `pay` never fails, whatever the fault
does to `POST /charge`. Each failed charge is logged as an error with its trace."""
import json
import urllib.request

from small_app import CONFIG, SmallApp, attributes

SETTINGS = {"metrics.spans_interval": "1s", "metrics.own_interval": "1s"}
CONFIG = CONFIG.replace("- {service: pay, measure: errors, when: backup}",
                        "- {service: pay, operation: POST /charge, measure: errors, when: backup}")
CHARGE, REFUND = ("POST /order", "POST /charge"), ("POST /return", "POST /refund")


class IllOperation(SmallApp):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.lines = []

    def record(self, user, start, took, ok, value, variant, revision, names=None):
        charged = self.random.random() < 0.6
        trace = super().record(user, start, took, ok or not charged, value, variant, revision, CHARGE if charged else REFUND)
        if charged and not ok:
            with self.lock:
                self.lines.append({"timeUnixNano": str(start + took), "severityNumber": 17, "traceId": trace,
                                   "body": {"stringValue": f"the provider refused the card of {user}"}})

    def send(self, instance, spans):
        taken = super().send(instance, spans)
        if instance != self.pay:
            return taken
        with self.lock:
            lines, self.lines = self.lines, []
        resource = attributes({"service.name": "pay", "service.instance.id": instance})
        body = {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": lines}]}]}
        head = {"Content-Type": "application/json", "Authorization": f"Bearer {self.tokens['pay']}"}
        request = urllib.request.Request(self.h.url("otlp_http", "/v1/logs"), json.dumps(body).encode(), head)
        try:
            urllib.request.urlopen(request, timeout=30).read()
            return taken
        except OSError:  # it is stopped before us
            return False
