"""What the judge knows and nobody else: how each fault is made, what is truly broken, which knobs may repair it."""

PRICES, RIDES, STATUS = "POST /estimate", "POST /rides", "POST /status"
GEO = ("service:geo", "operation:geo/POST /route", "edge:pricing->geo", "instance:geo/", "peer:geo")
PRICING = ("service:pricing", "operation:pricing/POST /price", "instance:pricing")
DISPATCH = ("service:dispatch", "operation:dispatch/POST /match", "instance:dispatch")


def fault(about, inject, operations, knobs, causes, **more):
    """`inject`: instance -> its faults. `knobs`: what may repair it, none: nothing does. `causes`: entities, any of which
    first is right."""
    return {"about": about, "inject": inject, "operations": operations, "knobs": knobs, "causes": causes, **more}


FAULTS = {
    "replica-fails": fault(
        "one of two replicas of geo fails six times in ten", {"geo-2": {"fails": 0.6}}, [PRICES, RIDES],
        ["pricing.geo_replica", "pricing.eta"], [*GEO]),
    "replica-slow": fault(
        "one of two replicas of geo is 600 ms slower", {"geo-1": {"slow_ms": 600}}, [PRICES, RIDES],
        ["pricing.geo_replica", "pricing.eta"], [*GEO]),
    "some-rides-fail": fault(
        "15 % of rides fail in the code for shared cars", {"dispatch": {"pool_fails": 0.15}}, [RIDES],
        ["dispatch.pooling"], [*DISPATCH, "edge:rider-api->dispatch"]),
    "creeping": fault(
        "reading the history takes 12 ms longer each second", {"pricing": {"leak_ms": 12}}, [PRICES, RIDES],
        ["pricing.history_depth"], [*PRICING, "edge:rider-api->pricing"]),
    "consumer-lags": fault(
        "messages take 300 ms to draw, and the queue grows", {"courier": {"render_ms": 300}}, ["messages"],
        ["courier.message"], ["service:courier", "operation:courier/deliver", "instance:courier"]),
    "hangs": fault(
        "the drivers' database takes requests and never answers", {"driver-db": {"hang": 1}}, [RIDES],
        ["dispatch.driver_source"], ["peer:driver-db", "edge:dispatch->driver-db", *DISPATCH]),
    "comes-and-goes": fault(
        "the traffic feed fails for 5 s of each 10", {"traffic-feed": {"fails": 0.9, "every_s": 10}}, [PRICES, RIDES],
        ["pricing.traffic"], ["peer:traffic-feed", "edge:pricing->traffic-feed"]),
    "bad-base": fault(
        "the operator sets the drivers' radius to 500 m", {}, [RIDES], ["dispatch.radius_km"],
        [*DISPATCH, "edge:rider-api->dispatch", "change:knob dispatch.radius_km"],
        config=("base: 2.0\n    min: 0.5", "base: 0.5\n    min: 0.5")),
    "beneath-timeouts": fault(
        "both replicas of geo answer 900 ms later; pricing waits 800 ms",
        {"geo-1": {"slow_ms": 900}, "geo-2": {"slow_ms": 900}}, [PRICES, RIDES], ["pricing.eta"], [*GEO]),
    "two-at-once": fault(
        "40 % of rides fail in the code for shared cars, and the traffic feed answers 500 ms later",
        {"dispatch": {"pool_fails": 0.4}, "traffic-feed": {"slow_ms": 500}}, [PRICES, RIDES],
        ["dispatch.pooling", "pricing.traffic"],
        [*DISPATCH, "edge:rider-api->dispatch", "peer:traffic-feed", "edge:pricing->traffic-feed"], all_knobs=True),
    "some-riders": fault(
        "the histories of one rider in ten make their prices fail", {"pricing": {"lost_histories": "7"}}, [PRICES, RIDES],
        ["pricing.history_depth"], [*PRICING, "edge:rider-api->pricing"]),
    "locked": fault(
        "shared cars are sought one ride at a time, for 100 ms each: ten a second of twelve",
        {"dispatch": {"pool_locks_ms": 100}}, [RIDES], ["dispatch.pooling"], [*DISPATCH, "edge:rider-api->dispatch"]),
    "limited-peer": fault(
        "the traffic feed answers 10 requests a second and refuses the others (429)", {"traffic-feed": {"a_second_max": 10}},
        [PRICES, RIDES], ["pricing.traffic"], ["peer:traffic-feed", "edge:pricing->traffic-feed"]),
    "resets": fault(
        "the drivers' database ends every connection without an answer", {"driver-db": {"resets": 1}}, [RIDES],
        ["dispatch.driver_source"], ["peer:driver-db", "edge:dispatch->driver-db", *DISPATCH]),
    "hangs-at-times": fault(
        "three in ten requests of the drivers' database are never answered", {"driver-db": {"hang": 0.3}}, [RIDES],
        ["dispatch.driver_source"], ["peer:driver-db", "edge:dispatch->driver-db", *DISPATCH]),
    "precise": fault(
        "each digit of a way's precision costs geo 60 ms", {"geo-1": {"digit_ms": 60}, "geo-2": {"digit_ms": 60}},
        [PRICES, RIDES], ["geo.precision", "pricing.eta"], [*GEO]),
    "impatient": fault(
        "the operator lets pricing wait for geo 200 ms, which then needs 200 ms more",
        {"geo-1": {"slow_ms": 200}, "geo-2": {"slow_ms": 200}}, [PRICES, RIDES], ["pricing.geo_timeout_ms", "pricing.eta"],
        [*GEO, *PRICING, "edge:rider-api->pricing", "change:knob pricing.geo_timeout_ms"],
        config=("base: 800\n    min: 200", "base: 200\n    min: 200")),
    "worse-and-worse": fault(
        "shared cars fail one in a hundred more often each second", {"dispatch": {"pool_fails_more": 0.01}}, [RIDES],
        ["dispatch.pooling"], [*DISPATCH, "edge:rider-api->dispatch"]),
    "lost-rides": fault(
        "half of the rides' records cannot be read", {"rider-api": {"lost_rides": 0.5}}, [STATUS], [],
        ["service:rider-api", "operation:rider-api/POST /status", "instance:rider-api"]),
}
