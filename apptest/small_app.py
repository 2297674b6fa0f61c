"""A small application of two services in one process: `front` calls `pay`, which reads the knob `pay.provider` over OFREP
for each request and fails for a share of them while a fault is on. Its telemetry is OTLP/JSON, once a second."""
import http.client
import json
import random
import secrets
import threading
import time
import urllib.request

from harness import PATIENCE_S, wait_for


EVALUATION_TIMEOUT_S = 20  # what clients do at their 100 ms is test_ofrep.py's; here a busy machine is no fault


class SmallApp:
    """Tests wait for numbers of its requests, not for seconds: a busy machine only makes it slower."""

    def __init__(self, homeostat, rate_per_s=40, seed=1, tokens=None):
        self.h, self.rate, self.random = homeostat, rate_per_s, random.Random(seed)
        self.error_share = {"primary": 0.0, "backup": 0.0}  # by the knob's value; the fault changes it
        self.pay = "pay-1"  # the instance that serves the request
        self.tokens = TOKENS if tokens is None else tokens
        self.stop_now = threading.Event()
        self.lock = threading.Lock()
        self.spans, self.outcomes = [], []  # outcomes: (time of the evaluation, ok, value, variant)
        self.export_failures = self.exported = 0  # exports that failed; requests whose spans were taken
        self.mute_at = None  # from the first answer of this variant on nothing is exported, until it is None again
        self.muted = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.run, self.export)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop_now.set()
        for t in self.threads:
            t.join(5)

    def context(self, user):
        return {"targetingKey": user, "service.name": "pay"}

    def evaluate(self, connection, user):
        """-> (value, variant, revision); the code default when nobody answers."""
        body = json.dumps({"context": self.context(user)})
        try:
            connection.request("POST", "/ofrep/v1/evaluate/flags/pay.provider", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            return answer["value"], answer["variant"], str(answer["metadata"]["revision"])
        except (OSError, KeyError, ValueError, http.client.HTTPException):
            connection.close()
            return "primary", "default", ""

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.h.ports["values"], timeout=EVALUATION_TIMEOUT_S)
        due = time.time()
        while not self.stop_now.is_set():
            due += self.random.expovariate(self.rate)
            self.stop_now.wait(max(0.0, due - time.time()))
            self.request(connection)

    def request(self, connection):
        user = f"user-{self.random.randrange(500)}"
        start = time.time_ns()
        asked = time.monotonic()
        value, variant, revision = self.evaluate(connection, user)
        ok = self.random.random() >= self.error_share[value]
        took = int(self.random.lognormvariate(3, 0.4) * 1e6)  # about 20 ms
        self.record(user, start, took, ok, value, variant, revision)
        with self.lock:
            self.outcomes.append((asked, ok, value, variant))
            self.muted = self.mute_at is not None and (self.muted or variant == self.mute_at)

    def record(self, user, start, took, ok, value, variant, revision):
        trace, ids = secrets.token_hex(16), [secrets.token_hex(8) for _ in range(3)]
        status = {"code": 0 if ok else 2}
        flag = attributes({"feature_flag.key": "pay.provider", "feature_flag.result.variant": variant,
                           "feature_flag.result.value": value, "feature_flag.version": revision,
                           "feature_flag.context.id": self.context(user).get("targetingKey", "")})

        def span(i, parent, name, kind, **more):
            return {"traceId": trace, "spanId": ids[i], "parentSpanId": parent, "name": name, "kind": kind,
                    "startTimeUnixNano": str(start + i * 1000), "endTimeUnixNano": str(start + took - i * 1000),
                    "status": status, **more}
        event = {"name": "feature_flag.evaluation", "timeUnixNano": str(start), "attributes": flag}
        with self.lock:
            self.spans.append(("front-1", span(0, "", "POST /order", 2)))
            self.spans.append(("front-1", span(1, ids[0], "POST", 3, attributes=attributes({"server.address": "pay"}))))
            self.spans.append((self.pay, span(2, ids[1], "POST /charge", 2, events=[event])))

    def export(self):
        while not self.stop_now.wait(1.0):
            with self.lock:
                if self.muted:
                    continue
                spans, self.spans = self.spans, []
            by_instance = {}
            for instance, span in spans:
                by_instance.setdefault(instance, []).append(span)
            taken = [self.send(instance, one) for instance, one in by_instance.items()]
            self.exported += len(by_instance.get("front-1", [])) // 2 if all(taken) else 0

    def send(self, instance, spans):
        """Each service with a credential of its own: two senders corroborate each other, one does not."""
        service = instance.rpartition("-")[0]
        resource = attributes({"service.name": service, "service.instance.id": instance})
        body = {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": spans}]}]}
        head = {"Content-Type": "application/json"}
        if service in self.tokens:
            head["Authorization"] = f"Bearer {self.tokens[service]}"
        request = urllib.request.Request(self.h.url("otlp_http", "/v1/traces"), json.dumps(body).encode(), head)
        try:
            urllib.request.urlopen(request, timeout=30).read()
            return True
        except OSError:
            self.export_failures += 1
            return False

    def wait_exported(self, requests):
        """Until so many more requests have been reported, and taken."""
        goal = self.exported + requests
        wait_for(f"{requests} requests reported", lambda: self.exported >= goal, PATIENCE_S)

    def since(self, asked, requests):
        """The first outcomes of requests that evaluated at `asked` (monotonic) or later; waits for them."""
        def found():
            with self.lock:
                return [o for o in self.outcomes if o[0] >= asked]
        wait_for(f"{requests} requests", lambda: len(found()) >= requests, PATIENCE_S)
        return found()[:requests]

    def values_since(self, asked, requests=40):
        """What `values` answered to the next evaluations; one that got no answer counts as "no answer"."""
        return {"no answer" if variant == "default" else value for _, _, value, variant in self.since(asked, requests)}

    def values_now(self):
        return self.values_since(time.monotonic())

    def good_share(self, requests):
        """Of the last requests."""
        with self.lock:
            recent = [ok for _, ok, _, _ in self.outcomes[-requests:]]
        return sum(recent) / max(len(recent), 1)


def attributes(pairs):
    return [{"key": k, "value": {"stringValue": v}} for k, v in pairs.items()]


TOKENS = {"front": "token-of-front-0001", "pay": "token-of-pay-000002"}
CONFIG = """
security.ingest_tokens: [front=token-of-front-0001, pay=token-of-pay-000002]
objectives:
  - {service: front, operation: POST /order, target: 0.97}
knobs:
  - key: pay.provider
    type: string
    base: primary
    variants: [primary, backup]
    services: [pay]
    dependency: provider
    scope: request
    effect: isolated
    expect:
      - {service: pay, measure: errors, when: backup}
"""
