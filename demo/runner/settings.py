"""Homeostat's configuration for this run: demo/homeostat.yaml with free ports, and if asked for with other names or
without the knobs' expectations."""
import json

from .load import Goal
from .places import DEMO, Names

OPERATIONS = {"GET /home": "home", "GET /search": "search", "GET /product/{id}": "product", "POST /login": "login",
              "POST /cart": "cart", "POST /checkout": "checkout"}


def declared():
    import yaml  # here, because --help works before it is installed
    with open(DEMO / "homeostat.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)


def truth():
    return json.loads((DEMO / "truth.json").read_text())["faults"]


def goals():
    found = {}
    for o in declared()["objectives"]:
        goal = found.setdefault(OPERATIONS[o["operation"]], Goal(OPERATIONS[o["operation"]], 0.97, 0.9, 500))
        if o["kind"] == "availability":
            goal.target = o["target"]
        else:
            goal.latency_target, goal.threshold_ms = o["target"], o["threshold_ms"]
    return found


def names(seed):
    """Everything that has a name, by kind."""
    if seed is None:
        return Names()
    configuration = declared()
    operations, services = set(), set()
    for knob in configuration["knobs"]:
        services.update(knob["services"])
        services.add(knob.get("dependency", "gateway"))
        operations.update(e["operation"] for e in knob.get("expect", []) if "operation" in e)
    operations.update(o["operation"] for o in configuration["objectives"])
    operations.update(("GET /featured", "PUT /carts/{user}", "HSET cart", "INSERT orders", "SELECT product",
                       "SELECT search", "GET product", "SET product", "SET session", "GET /rates", "POST /pay",
                       "orders publish", "orders process"))
    services.update(("redis", "pay-backup"))
    metrics = {"shop.orders", "shop.checkout.pool.in_use", "shop.inventory.waiting"}
    knobs = {k["key"] for k in configuration["knobs"]}
    return Names(seed, {"service": services, "operation": operations, "knob": knobs, "metric": metrics})


def _rename(configuration, names_):
    for o in configuration["objectives"] + configuration["kpis"]:
        for kind in ("service", "operation", "metric"):
            if kind in o:
                o[kind] = names_.of(kind, o[kind])
    for knob in configuration["knobs"]:
        knob["key"] = names_.of("knob", knob["key"])
        knob["services"] = [names_.of("service", s) for s in knob["services"]]
        if "dependency" in knob:
            knob["dependency"] = names_.of("service", knob["dependency"])
        knob.pop("description", None)
        for e in knob.get("expect", []):
            e["service"] = names_.of("service", e["service"])
            if "operation" in e:
                e["operation"] = names_.of("operation", e["operation"])
    for number, probe in enumerate(configuration["probes"]):
        probe["name"], probe["service"] = f"probe {number}", names_.of("service", probe["service"])


def write(path, ports, names_, blind, tokens):
    import yaml
    configuration = declared()
    if names_.map:
        _rename(configuration, names_)
    for knob in configuration["knobs"]:
        if blind:
            knob.pop("expect", None)
    configuration["security.ingest_tokens"] = [f"{team}={token}" for team, token in tokens.items()]
    path.write_text(ports.moved(yaml.safe_dump(configuration, sort_keys=False)))
