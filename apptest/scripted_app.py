"""A scripted application for black-box tests of the loop. Users call operations of a front service, each of which calls one
service behind it, and that one reads a knob over OFREP for each request (docs/knobs.md). What a request then comes to is
a function of the knob's value, the `work` of its Route: a test breaks the application by what that function sees.

Its spans are OTLP/JSON. Load, users and ids come from a seed; time is real, but nobody waits for the milliseconds that a
request takes: its spans are sent when it would have ended."""
import dataclasses
import heapq
import http.client
import itertools
import json
import random
import threading
import time
import typing
import urllib.request

from harness import PATIENCE_S, wait_for

EVALUATION_TIMEOUT_S = 20  # what clients do at their 100 ms is test_ofrep.py's; here a busy machine is no fault
USERS = 500
HEALTHY_REQUESTS = 500  # before a fault: enough to see it
LEARNED_REQUESTS = 2000  # what is usual is learned after half a minute: only then is it known who is slower than that
MS = 1_000_000  # of nanoseconds


@dataclasses.dataclass
class Route:
    operation: str  # of the front, as users call it
    service: str  # behind it
    knob: str
    default: object  # the code's own value
    work: typing.Callable  # (value, dice) -> (milliseconds, ok)
    inner: str = "POST /work"
    good_ms: float = float("inf")  # later answers are not good


class Outcome(typing.NamedTuple):
    asked: float  # monotonic, before the evaluation
    knob: str
    user: str
    value: object
    variant: str  # "": nobody answered, the code's default holds
    good: bool


def usual_ms(dice):
    return dice.lognormvariate(3, 0.4)  # about 20


class ScriptedApp:
    """Tests wait for numbers of its requests, not for seconds: a busy machine only makes it slower."""

    def __init__(self, homeostat, routes, rate_per_s=40, seed=1, tokens=None, front="front", export_s=1.0):
        self.h, self.routes, self.rate, self.front, self.export_s = homeostat, routes, rate_per_s, front, export_s
        self.random = random.Random(seed)
        self.tokens = tokens or {}  # by service: two senders corroborate each other, one does not
        self.stop_now = threading.Event()
        self.lock = threading.Lock()
        self.under_way, self.serial = [], itertools.count()  # heap: (end, serial, spans by service)
        self.outcomes = []
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

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.h.ports["values"], timeout=EVALUATION_TIMEOUT_S)
        due = time.time()
        while not self.stop_now.is_set():
            due += self.random.expovariate(self.rate)
            self.stop_now.wait(max(0.0, due - time.time()))
            self.request(connection, self.random.choice(self.routes))

    def request(self, connection, route):
        user = f"user-{self.random.randrange(USERS)}"
        start, asked = time.time_ns(), time.monotonic()
        instance = self.instance_of(route)
        value, variant, revision = self.evaluate(connection, route, user, instance)
        took_ms, ok = route.work(value, self.random)
        flag = {"feature_flag.key": route.knob, "feature_flag.result.variant": variant,
                "feature_flag.result.value": value if isinstance(value, str) else json.dumps(value),
                "feature_flag.version": revision,
                "feature_flag.context.id": self.context(route, user, instance).get("targetingKey", "")}
        end = start + int(took_ms * MS)
        spans = self.spans(route, instance, start, end, ok, {k: v for k, v in flag.items() if v})
        with self.lock:
            heapq.heappush(self.under_way, (end, next(self.serial), spans))
            self.outcomes.append(Outcome(asked, route.knob, user, value, variant, ok and took_ms <= route.good_ms))
            self.muted = self.mute_at is not None and (self.muted or variant == self.mute_at)

    def instance_of(self, route):
        """Which instance of the service behind the front works on the next request."""
        return f"{route.service}-1"

    def context(self, route, user, _instance):
        """Of an evaluation."""
        return {"targetingKey": user, "service.name": route.service}

    def evaluate(self, connection, route, user, instance):
        """-> (value, variant, revision); the code's default when nobody answers."""
        body = json.dumps({"context": self.context(route, user, instance)})
        try:
            connection.request("POST", f"/ofrep/v1/evaluate/flags/{route.knob}", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            return answer["value"], answer["variant"], str(answer["metadata"]["revision"])
        except (OSError, KeyError, ValueError, http.client.HTTPException):
            connection.close()
            return route.default, "", ""

    def spans(self, route, instance, start, end, ok, flag):
        """-> {instance: its spans of the request}"""
        trace, ids = f"{self.random.getrandbits(128):032x}", [f"{self.random.getrandbits(64):016x}" for _ in range(3)]

        def span(i, name, kind, **more):
            return {"traceId": trace, "spanId": ids[i], "parentSpanId": ids[i - 1] if i else "", "name": name, "kind": kind,
                    "startTimeUnixNano": str(start + i * 1000), "endTimeUnixNano": str(end - i * 1000),
                    "status": {"code": 0 if ok else 2}, **more}
        event = {"name": "feature_flag.evaluation", "timeUnixNano": str(start), "attributes": attributes(flag)}
        call = span(1, "POST", 3, attributes=attributes({"server.address": route.service}))
        return {f"{self.front}-1": [span(0, route.operation, 2), call], instance: [span(2, route.inner, 2, events=[event])]}

    def export(self):
        while not self.stop_now.wait(self.export_s):
            ended = []
            with self.lock:
                while self.under_way and not self.muted and self.under_way[0][0] <= time.time_ns():
                    ended.append(heapq.heappop(self.under_way)[2])
            by_instance = {}
            for instance, spans in (item for one in ended for item in one.items()):
                by_instance.setdefault(instance, []).extend(spans)
            taken = [self.send(instance, spans) for instance, spans in by_instance.items()]
            self.exported += len(ended) if all(taken) else 0

    def send(self, instance, spans):
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

    def since(self, asked, requests, knob=None):
        """The first outcomes of requests that evaluated at `asked` (monotonic) or later; waits for them."""
        def found():
            with self.lock:
                return [o for o in self.outcomes if o.asked >= asked and o.knob == (knob or o.knob)]
        wait_for(f"{requests} requests", lambda: len(found()) >= requests, PATIENCE_S)
        return found()[:requests]

    def values_since(self, asked, requests=40, knob=None):
        """What `values` answered to the next evaluations; one that got no answer counts as "no answer"."""
        return {o.value if o.variant else "no answer" for o in self.since(asked, requests, knob)}

    def values_now(self, requests=40, knob=None):
        return self.values_since(time.monotonic(), requests, knob)

    def good_share(self, requests, knob=None):
        """Of the last requests."""
        with self.lock:
            recent = [o.good for o in self.outcomes if o.knob == (knob or o.knob)][-requests:]
        return sum(recent) / max(len(recent), 1)


def attributes(pairs):
    return [{"key": k, "value": {"stringValue": v}} for k, v in pairs.items()]
