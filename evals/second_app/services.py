"""A ride-hailing back end in five services and three peers without telemetry. Run by run.py as a few processes:

    python services.py ENDPOINTS.json rider-api
    python services.py ENDPOINTS.json pricing dispatch

    riders -> rider-api -+-> pricing -+-> geo-1, geo-2 (two replicas of geo)
                         |            +-> traffic-feed *
                         +-> dispatch -+-> driver-db *
                                       +-> (queue) -> courier -> sms-gateway *
"""
import asyncio
import json
import pathlib
import random
import signal
import sys
import time

from opentelemetry import propagate
from opentelemetry.metrics import Observation
from opentelemetry.trace import SpanKind

import kit
from kit import Client, Failure

QUEUE_MAX = 5000  # rides that wait for the courier; more are dropped


def about(mean_s):
    """How long work takes: around the mean, sometimes twice that."""
    return mean_s * random.lognormvariate(-0.03, 0.25)


class RiderApi(kit.Service):
    def __init__(self, endpoints, name, instance):
        super().__init__(endpoints, name, instance)
        self._pricing, self._dispatch = Client(endpoints["pricing"]), Client(endpoints["dispatch"])
        self.routes = {"POST /estimate": self.estimate, "POST /rides": self.ride, "POST /status": self.status}

    async def _check(self, rider):
        if await self.knob("rider.strict_checks", False, rider) and random.random() < 0.12:
            raise Failure(503, "the fraud check is not available")

    async def estimate(self, body):
        await self.knob("rider.map_style", "vector", body["rider"])
        return await self.call(self._pricing, "pricing", "POST", "/price", body)

    async def ride(self, body):
        await self._check(body["rider"])
        price = await self.call(self._pricing, "pricing", "POST", "/price", body)
        return {**price, **await self.call(self._dispatch, "dispatch", "POST", "/match", body)}

    async def status(self, body):
        await self.knob("rider.map_style", "vector", body["rider"])
        await asyncio.sleep(about(0.01))
        if random.random() < self.fault("lost_rides"):
            raise Failure(500, "the ride's record cannot be read")
        return {"state": "driving"}


class Pricing(kit.Service):
    def __init__(self, endpoints, name, instance):
        super().__init__(endpoints, name, instance)
        self._geo = [("first", Client(endpoints["geo-1"])), ("second", Client(endpoints["geo-2"]))]
        self._traffic = Client(endpoints["traffic-feed"])
        self._leaking_since = None
        self.routes = {"POST /price": self.price}

    def _leak_s(self):
        """Grows by so much each second while the fault is on."""
        if not self.fault("leak_ms"):
            self._leaking_since = None
            return 0
        self._leaking_since = self._leaking_since or time.monotonic()
        return min(2.0, (time.monotonic() - self._leaking_since) * self.fault("leak_ms") / 1000)

    async def price(self, body):
        rider = body["rider"]
        depth = await self.knob("pricing.history_depth", 100, rider)
        await asyncio.sleep(about(0.008) + depth / 100 * (0.01 + self._leak_s()))
        if depth > 0 and rider.endswith(self.fault("lost_histories", "-")):
            raise Failure(500, "a past ride has no end")
        traffic = await self.knob("pricing.traffic", "live", rider)
        if traffic == "live":
            await self.call(self._traffic, "traffic-feed", "POST", "/segments", {}, 1.0)
        if await self.knob("pricing.eta", "road", rider) == "road":
            await self._route(body)
        return {"price": 17}

    async def _route(self, body):
        which = await self.knob("pricing.geo_replica", "both", body["rider"])
        timeout_ms = await self.knob("pricing.geo_timeout_ms", 800, body["rider"])
        able = [client for name, client in self._geo if which in ("both", name)]
        await self.call(random.choice(able), "geo", "POST", "/route", body, timeout_ms / 1000)


class Geo(kit.Service):
    def __init__(self, endpoints, name, instance):
        super().__init__(endpoints, name, instance)
        self.routes = {"POST /route": self.route}

    async def route(self, body):
        precision = await self.knob("geo.precision", 5)
        await asyncio.sleep(about(0.003 * precision) + (self.fault("slow_ms") + precision * self.fault("digit_ms")) / 1000)
        if random.random() < self.fault("fails"):
            raise Failure(500, "the road graph is damaged")
        return {"km": 7}


class Dispatch(kit.Service):
    def __init__(self, endpoints, name, instance):
        super().__init__(endpoints, name, instance)
        self._drivers, self._courier = Client(endpoints["driver-db"]), Client(endpoints["courier"])
        self.routes = {"POST /match": self.match}
        self._matched = self.telemetry.meter.create_counter("rides.matched")
        self._pool, self._failing_since = asyncio.Lock(), None

    async def _share_car(self):
        if self.fault("pool_locks_ms"):
            async with self._pool:
                await asyncio.sleep(self.fault("pool_locks_ms") / 1000)
        if random.random() < self.fault("pool_fails"):
            raise Failure(500, "pooling: index out of range")
        if not self.fault("pool_fails_more"):
            self._failing_since = None
            return
        self._failing_since = self._failing_since or time.monotonic()
        if random.random() < min(0.6, (time.monotonic() - self._failing_since) * self.fault("pool_fails_more")):
            raise Failure(500, "pooling: out of memory")

    async def match(self, body):
        rider = body["rider"]
        radius = await self.knob("dispatch.radius_km", 2.0, rider)
        if await self.knob("dispatch.driver_source", "live", rider) == "live":
            await self.call(self._drivers, "driver-db", "POST", "/near", {})
        else:
            await asyncio.sleep(about(0.03))
        await asyncio.sleep(about(0.008 * radius))
        if random.random() < 0.4 * max(0.0, 1.5 - radius):
            raise Failure(503, "no driver within the radius")
        if await self.knob("dispatch.pooling", True, rider):
            await self._share_car()
        self._matched.add(1)
        headers = {}
        propagate.inject(headers)
        await self._courier.call("POST", "/queue", {**body, "headers": headers, "at": time.time()}, timeout=1)
        return {"driver": random.randrange(900)}


class Courier(kit.Service):
    """Takes rides from a queue and sends messages; nobody waits for it."""

    def __init__(self, endpoints, name, instance):
        super().__init__(endpoints, name, instance)
        self._sms = Client(endpoints["sms-gateway"])
        self._queue, self._lag_ms, self._dropped = asyncio.Queue(QUEUE_MAX), 0.0, 0
        self.telemetry.meter.create_observable_gauge("courier.lag_ms", [lambda _: [Observation(self._lag_ms)]])

    async def handle(self, method, path, body, headers):
        if path != "/queue":
            return await super().handle(method, path, body, headers)
        if self._queue.full():
            self._dropped += 1
        else:
            self._queue.put_nowait(body)
        return 202, {}

    async def run(self):
        await asyncio.gather(*(self._worker() for _ in range(2)))

    async def _worker(self):
        while True:
            ride = await self._queue.get()
            self._lag_ms = 1000 * (time.time() - ride["at"])
            with self.telemetry.tracer.start_as_current_span("deliver", context=propagate.extract(ride["headers"]),
                                                             kind=SpanKind.CONSUMER, record_exception=False):
                try:
                    await self._deliver(ride)
                except Failure as failure:
                    self.telemetry.log(kit.SeverityNumber.ERROR, f"deliver failed: {failure}")

    async def _deliver(self, ride):
        if await self.knob("courier.message", "rich", ride["rider"]) == "rich":
            await asyncio.sleep(about(0.03) + self.fault("render_ms") / 1000)
        await self.call(self._sms, "sms-gateway", "POST", "/send", {"at": ride["at"]}, 2.0)


class Peer:
    """Somebody else's system: it has no telemetry and no knobs."""

    def __init__(self, mean_s):
        self._mean_s, self.faults, self._lag_s = mean_s, {}, 0.0
        self._second, self._asked = 0, 0

    def _on(self):
        period = self.faults.get("every_s")
        return not period or int(time.time()) % period < period / 2

    def _is_too_often(self):
        second = int(time.time())
        self._second, self._asked = second, self._asked + 1 if second == self._second else 1
        return self._asked > self.faults.get("a_second_max", self._asked)

    async def handle(self, _method, path, body, _headers):
        if path == "/fault":
            self.faults = body
            return 200, {}
        if path == "/lag":  # asked by the judge alone
            return 200, {"lag_s": self._lag_s}
        if "at" in body:
            self._lag_s = time.time() - body["at"]
        if self.faults.get("resets"):
            raise ConnectionResetError("by order")
        if self._is_too_often():
            return 429, {}
        on, hangs = self._on(), random.random() < self.faults.get("hang", 0)
        await asyncio.sleep(about(self._mean_s) + (self.faults.get("slow_ms", 0) / 1000 if on else 0))
        while hangs and self.faults.get("hang"):
            await asyncio.sleep(0.2)
        return (503 if on and random.random() < self.faults.get("fails", 0) else 200), {}


SERVICES = {"rider-api": RiderApi, "pricing": Pricing, "geo-1": Geo, "geo-2": Geo, "dispatch": Dispatch, "courier": Courier}
PEERS = {"traffic-feed": 0.012, "driver-db": 0.01, "sms-gateway": 0.02}


def make(endpoints, instance):
    if instance in PEERS:
        return Peer(PEERS[instance])
    name = "geo" if instance.startswith("geo-") else instance
    return SERVICES[instance](endpoints, name, instance if name == "geo" else f"{name}-1")


async def main(endpoints, instances):
    stop = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, stop.set)
    made = [make(endpoints, instance) for instance in instances]
    servers, work = [], []
    for instance, service in zip(instances, made):
        servers.append(await kit.listen(int(endpoints[instance].rsplit(":", 1)[1]), service.handle))
        if isinstance(service, Courier):
            work.append(asyncio.create_task(service.run()))
    await stop.wait()
    for service in made:
        if isinstance(service, kit.Service):
            service.telemetry.stop()


if __name__ == "__main__":
    asyncio.run(main(json.loads(pathlib.Path(sys.argv[1]).read_text()), sys.argv[2:]))
