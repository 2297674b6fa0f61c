#!/usr/bin/env python3
"""Proves without Homeostat that each fault breaks the shop and which knob value repairs it: a table, fault by knob value.

    python demo/proof.py [FAULT ...]
"""
import json
import pathlib
import signal
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from runner import build, double, load, places, settings, shop  # noqa: E402
from runner.processes import Processes  # noqa: E402

TRIES = {  # fault -> knob values tried one after the other, each from the base; the first is the base
    "slow-dependency": [{}, {"payment.provider": "backup"}, {"payment.timeout_ms": 500}],
    "failing-dependency": [{}, {"checkout.shipping_rates": "flat"}, {"checkout.retries": 5}],
    "bad-configuration": [{}, {"search.mode": "simple"}, {"catalog.cache_mode": "local"}],
    "pool-exhaustion": [{}, {"checkout.pool_size": 16}, {"checkout.pool_size": 2}],
    "cache-loss": [{}, {"catalog.cache_mode": "local"}, {"catalog.cache_ttl_s": 300}],
    "retry-storm": [{}, {"checkout.retries": 0}, {"checkout.retries": 2}, {"inventory.workers": 8}],
    "overload": [{}, {"recommendation.enabled": False}, {"gateway.max_concurrency": 32}],
    "credential-stuffing": [{}, {"login.rate_limit": 5}, {"gateway.max_concurrency": 32}],
    "lost-stock-shard": [{}, {"checkout.retries": 5}, {"inventory.workers": 8}],
}


def post(url, body):
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
    return urllib.request.urlopen(request, timeout=5).read()


class Bench:
    def __init__(self):
        self.ports = places.Ports()
        self.processes = Processes(places.BUILD / "proof-logs")
        knobs = {k["key"]: k["base"] for k in settings.declared()["knobs"]}
        self.base = knobs
        self.values = double.Values(self.ports["values"], knobs)
        double.Sink(self.ports["otlp_http"])
        p = self.ports
        self.proxies = {"pay-primary": double.Proxy(p["proxy:pay-primary"], p["pay-primary"]),
                        "redis-cache": double.Proxy(p["proxy:redis-cache"], p["redis"]),
                        "shipping-rates": double.Proxy(p["proxy:shipping-rates"], p["shipping-rates"])}
        self.shop = shop.Shop(self.processes, self.ports, places.Names(), {team: "x" for team in shop.TEAMS})
        self.load = load.Load(self.processes, self.ports, places.BUILD / "proof-load.csv", settings.goals(), 1)

    def inject(self, fault, undo=False):
        for step in fault["inject"]:
            if "proxy" in step:
                self.proxies[step["proxy"]].set(None if undo else step)
            elif "service" in step:
                body = step.get("undo") if undo else step["fault"]
                if body is not None:
                    post(self.ports.url(step["service"]) + "/fault", body)
            elif "load" in step:
                self.load.rates({k: load.RATES[k] for k in step["load"]} if undo else step["load"])

    def look(self, label, operation, since, until):
        self.load.read()
        n, good, fast, p95 = self.load.window(operation, since, until - since)
        print(f"  {label:44s} n={n:5d}  bad={1 - good:7.2%}  slow or bad={1 - fast:7.2%}  p95={p95:7.0f} ms", flush=True)

    def trial(self, name, fault, change):
        operation = fault["operation"]
        if name == "credential-stuffing":
            post(self.ports.url("accounts") + "/fault", {"forget": True})
        start = int(time.time())
        self.inject(fault)
        time.sleep(9)
        for key, value in change.items():
            self.values.set(key, value)
        changed = int(time.time()) + 1
        time.sleep(26)
        self.load.read()
        back = self.load.restored(operation, changed - 1, time.time())
        self.look(f"{name}: {change or 'base'}", operation, changed + 13, changed + 21)
        print(f"      broken before the change: {self.load.broken(operation, start, changed) is not None};"
              f" restored {'never' if back is None else f'{back - changed + 1} s after the change'}", flush=True)
        for key in change:
            self.values.set(key, self.base[key])
        self.inject(fault, undo=True)
        time.sleep(10)

    def run(self, wanted):
        self.shop.start(print)
        self.load.start()
        time.sleep(12)
        before = self.processes.cpu_seconds()
        time.sleep(10)
        used = {k: v - before[k] for k, v in self.processes.cpu_seconds().items() if k in before}
        print("cores:", {k: round(v / 10, 3) for k, v in used.items()}, "sum", round(sum(used.values()) / 10, 2))
        print("MiB:", self.processes.memory_mib())
        now = int(time.time())
        for operation in ("home", "search", "product", "login", "cart", "checkout"):
            self.look(f"healthy: {operation}", operation, now - 10, now - 1)
        for name, fault in settings.truth().items():
            if not wanted or name in wanted:
                for change in TRIES[name]:
                    self.trial(name, fault, change)

    def stop(self):
        self.processes.stop_all()
        self.shop.remove()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    build.build(print)
    bench = Bench()
    try:
        bench.run(sys.argv[1:])
    finally:
        bench.stop()


main()
