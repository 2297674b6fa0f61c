"""Breaks the shop as the judge's file says, and mends it again. Everything injected is remembered until it is undone."""
import json
import urllib.request

from .load import RATES
from .product import Refused

LEASE_SECONDS = 120  # a fault that nobody takes back ends by itself


class Faults:
    def __init__(self, homeostat, ports, load, names):
        self.homeostat, self.ports, self.load, self.names = homeostat, ports, load, names
        self._undo = []

    def _service(self, name, body):
        request = urllib.request.Request(self.ports.url(name) + "/fault", data=json.dumps(body).encode(), method="POST")
        urllib.request.urlopen(request, timeout=5).read()

    def _clear(self, identity):
        try:
            self.homeostat.request("DELETE", f"/v1/chaos/faults/{identity}")
        except Refused as problem:
            if problem.status != 404:  # 404: its lease has ended it already
                raise

    def inject(self, fault):
        for step in fault["inject"]:
            if "proxy" in step:
                body = {**step, "lease_ms": LEASE_SECONDS * 1000}
                identity = self.homeostat.post("/v1/chaos/faults", body)["id"]
                self._undo.append(lambda i=identity: self._clear(i))
            elif "service" in step:
                if step.get("undo"):
                    self._undo.append(lambda s=step: self._service(s["service"], s["undo"]))
                self._service(step["service"], step["fault"])
            elif "load" in step:
                self._undo.append(lambda s=step: self.load.rates({k: RATES[k] for k in s["load"]}))
                self.load.rates(step["load"])
            if "told" in step:
                self.told(step["told"])

    def told(self, change):
        self.homeostat.post("/v1/changes/told", {**change, "service": self.names.of("service", change["service"])})

    def undo(self):
        while self._undo:
            self._undo[-1]()
            self._undo.pop()

    def left(self):
        return len(self._undo) + len(self.homeostat.faults())
