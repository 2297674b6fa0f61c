"""Log-ins: each password check occupies one of a few hashing slots for 40 ms (a memory-hard hash on hardware of its own:
a sleep stands for it, so that the demo fits on two cores). Failed log-ins are limited per client address."""
import collections
import hashlib
import os
import threading
import time

import redis
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from kit import Slots, knobs, named, serve, telemetry

WINDOW_SECONDS = 60
ADDRESSES_MAX = 20_000  # remembered addresses; the oldest is forgotten first
hashing = Slots(count=4, seconds=0.04, waiting_max=400, wait_seconds_max=2.0, what="password hashing")
store = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=1)


class FailureLimit:
    """At most `limit` failed log-ins a minute and address; more are refused before the password is looked at."""

    def __init__(self):
        self.limit = 0  # 0: no limit, the code default
        self._failures, self._lock = collections.OrderedDict(), threading.Lock()

    def apply(self, limit):
        self.limit = limit

    def exceeded(self, address):
        with self._lock:
            times = self._failures.get(address)
            while times and times[0] < time.monotonic() - WINDOW_SECONDS:
                times.popleft()
            return bool(self.limit and times and len(times) >= self.limit)

    def note(self, address):
        with self._lock:
            self._failures.setdefault(address, collections.deque(maxlen=1000)).append(time.monotonic())
            while len(self._failures) > ADDRESSES_MAX:
                self._failures.popitem(last=False)

    def forget(self):
        with self._lock:
            self._failures.clear()


limit = FailureLimit()


def password_of(user):
    return hashlib.sha256(f"shop:{user}".encode()).hexdigest()[:12]


def remember(user):
    session = hashlib.sha256(f"{user}:{time.time_ns()}".encode()).hexdigest()[:24]
    attributes = {"db.system.name": "redis", "peer.service": named("service", "redis"),
                  "server.address": named("service", "redis")}
    with telemetry.tracer.start_as_current_span(named("operation", "SET session"), kind=SpanKind.CLIENT,
                                                attributes=attributes):
        store.set(f"session:{session}", user, ex=3600)
    return session


def log_in(body, _query, headers):
    user, address = body.get("user", ""), headers.get("X-Forwarded-For", "unknown")
    about = {"user.id": user, "client.address": address, "event.name": "login"}
    trace.get_current_span().set_attributes({"client.address": address, "user.id": user})
    if limit.exceeded(address):
        telemetry.warn(f"login refused for {user} from {address}: too many failures", **about)
        return 429, {"error": "too many failed log-ins from this address"}
    hashing.use()
    if body.get("password") != password_of(user):
        limit.note(address)
        telemetry.warn(f"login failed for {user} from {address}: wrong password", **about)
        return 401, {"error": "wrong user or password"}
    telemetry.debug("login succeeded", **about)
    return 200, {"session": remember(user)}


def fault(body):
    if body.get("forget"):
        limit.forget()


knobs.watch("login.rate_limit", 0, limit.apply)
serve({"POST /sessions": log_in}, fault)
