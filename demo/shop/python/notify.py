"""The asynchronous hop: reads orders from a Redis stream and tells the customer (a log line). No port but /healthz."""
import os
import threading
import time

import redis
from opentelemetry import propagate
from opentelemetry.trace import SpanKind

from kit import INSTANCE, knobs, named, serve, telemetry

STREAM, GROUP = "orders", "notify"
store = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=5, decode_responses=True)


def handle(entry_id, fields):
    context = propagate.extract({"traceparent": fields.get("traceparent", ""),
                                 "tracestate": fields.get("tracestate", "")})
    attributes = {"messaging.system": "redis", "messaging.destination.name": STREAM}
    with telemetry.tracer.start_as_current_span(named("operation", "orders process"), context=context,
                                                kind=SpanKind.CONSUMER, attributes=attributes) as span:
        knobs.record_instance(span)
        telemetry.debug("customer told", **{"order.id": fields.get("order", "")})
        store.xack(STREAM, GROUP, entry_id)


def consume():
    while True:
        try:
            read = store.xreadgroup(GROUP, INSTANCE, {STREAM: ">"}, count=16, block=2000)
            for _, entries in read or []:
                for entry_id, fields in entries:
                    handle(entry_id, fields)
        except redis.ResponseError:  # no group yet
            store.xgroup_create(STREAM, GROUP, id="$", mkstream=True)
        except redis.RedisError as problem:
            telemetry.warn(f"order stream: {type(problem).__name__}")
            time.sleep(1)


threading.Thread(target=consume, daemon=True).start()
serve({})
