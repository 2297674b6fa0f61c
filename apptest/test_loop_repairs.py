"""The loop's ways through the door: kinds of objectives, of effects and of ends. test_loop.py has the plainest one whole,
sim/ has them by the thousand; here the real binary meets a scripted application."""
import time
import types

from harness import Homeostat, wait_for
from loop_view import changes, entries, first_causes, incidents, knob, restored, tokens_of, verify, write_config
from scripted_app import HEALTHY_REQUESTS, LEARNED_REQUESTS, Route, ScriptedApp, usual_ms
from side_by_side import outcomes, scenario  # noqa: F401 (a fixture)
from small_app import CONFIG, SmallApp

PROVIDER = {"type": "string", "base": "primary", "scope": "request", "effect": "isolated"}


def provider_work(shares):
    """Fails for the share of requests that the value names."""
    return lambda value, dice: (usual_ms(dice), dice.random() >= shares[value])


@scenario
def test_a_slow_dependency_misses_a_latency_objective(tmp_path):
    fault = types.SimpleNamespace(on=False)

    def work(deadline_ms, dice):  # a page whose recommendations did not come in time is shown without
        answer_ms = 1500 if fault.on and dice.random() < 0.7 else usual_ms(dice)
        return min(answer_ms, deadline_ms), True

    tokens = tokens_of("front", "recommend")
    objectives = [{"service": "front", "operation": "GET /page", "target": 0.97},
                  {"name": "pages are quick", "service": "front", "operation": "GET /page", "kind": "latency",
                   "target": 0.9, "threshold_ms": 250}]
    knobs = [{"key": "recommend.deadline_ms", "type": "integer", "base": 2000, "variants": [2000, 30],
              "services": ["recommend"], "scope": "request", "effect": "isolated",
              "expect": [{"service": "front", "operation": "GET /page", "measure": "latency", "when": "lowered"}]}]
    config = write_config(tmp_path / "homeostat.yaml", tokens, objectives, knobs)
    route = Route("GET /page", "recommend", "recommend.deadline_ms", 2000, work, good_ms=250)
    with Homeostat(config=config) as h, ScriptedApp(h, [route], tokens=tokens) as app:
        app.wait_exported(LEARNED_REQUESTS)
        assert changes(h) == [] and incidents(h) == []
        fault.on = True
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        (promoted,) = changes(h, state="promoted")
        assert (promoted["from"], promoted["to"]) == (2000, 30)
        assert (promoted["verdict"]["kind"], promoted["verdict"]["evidence"]) == ("PASS", "concurrent_control")
        wait_for("good service", lambda: app.good_share(300) > 0.93)
        wait_for("a restored incident", lambda: restored(h))
        (incident,) = incidents(h)
        assert ("latency", "pages are quick") in {(s["kind"], s["objective"]) for s in incident["symptoms"]}
        causes = first_causes(h, incident["id"])
        assert causes[0]["service"] == "recommend", causes[:3]
        h.stop()
        verify(h)


class Cache:
    """Everybody's: warm some seconds after it was switched on, cold at once when it is off; warm, it needs no database."""
    warms_s = 6

    def __init__(self):
        self.on_since, self.database_fails = None, 0.0

    def work(self, on, dice):
        self.on_since = (self.on_since or time.monotonic()) if on else None
        warm = on and time.monotonic() - self.on_since > self.warms_s
        return usual_ms(dice), warm or dice.random() >= self.database_fails


@scenario
def test_a_shared_effect_that_comes_late_is_switched_back_and_forth(tmp_path):
    """A canary would show nothing; and a fall so long after the change could be the incident's own end."""
    cache = Cache()
    tokens = tokens_of("front", "catalog")
    objectives = [{"service": "front", "operation": "GET /item", "target": 0.97}]
    knobs = [{"key": "catalog.cache", "type": "boolean", "base": False, "services": ["catalog"], "scope": "service",
              "effect": "shared", "expect": [{"service": "catalog", "measure": "errors", "when": "enabled"}]}]
    config = write_config(tmp_path / "homeostat.yaml", tokens, objectives, knobs)
    route = Route("GET /item", "catalog", "catalog.cache", False, cache.work)
    with Homeostat(config=config) as h, ScriptedApp(h, [route], tokens=tokens) as app:
        app.wait_exported(HEALTHY_REQUESTS)
        cache.database_fails = 0.6
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        (promoted,) = changes(h, state="promoted")
        assert (promoted["from"], promoted["to"], promoted["exposure"]) == (False, True, 1)
        assert (promoted["verdict"]["kind"], promoted["verdict"]["evidence"]) == ("PASS", "switchback")
        assert any("switchback" in e["words"] for e in entries(h, "revert")), "it was taken away for a moment"
        served = [o.value for o in app.outcomes]
        turns = [b for a, b in zip(served, served[1:]) if a != b]
        assert turns[:3] == [True, False, True], "everybody had it, nobody, everybody again"
        wait_for("good service", lambda: app.good_share(200) > 0.97)
        wait_for("a restored incident", lambda: restored(h))
        assert len(incidents(h)) == 1 and incidents(h)[0]["causes"][0]["service"] == "catalog"
        h.stop()
        verify(h)


@scenario
def test_what_does_not_help_and_what_harms_is_taken_back(tmp_path):
    shares = {"primary": 0.0, "backup": 0.0, "slow": 0.0}

    def work(value, dice):  # one does not help, the other cures and makes everybody wait
        return 2000 if value == "slow" else usual_ms(dice), dice.random() >= shares[value]

    tokens = tokens_of("front", "pay")
    objectives = [{"service": "front", "operation": "POST /order", "target": 0.97}]
    knobs = [{**PROVIDER, "key": "pay.provider", "variants": list(shares), "services": ["pay"], "dependency": "provider",
              "expect": [{"service": "pay", "measure": "errors", "when": "backup"}]}]
    config = write_config(tmp_path / "homeostat.yaml", tokens, objectives, knobs)
    route = Route("POST /order", "pay", "pay.provider", "primary", work)
    with Homeostat(config=config) as h, ScriptedApp(h, [route], rate_per_s=60, tokens=tokens) as app:
        app.wait_exported(HEALTHY_REQUESTS)
        shares.update(primary=0.4, backup=0.4)

        def verdicts():
            return {c["to"]: c["verdict"] for c in changes(h, state="reverted") if c["verdict"]}
        wait_for("two verdicts", lambda: set(verdicts()) == {"backup", "slow"})
        ends = verdicts()
        assert ends["backup"]["kind"] in ("INCONCLUSIVE", "FAIL"), "declared to help, and it did not"
        assert ends["slow"]["kind"] == "FAIL" and "latency got worse" in ends["slow"]["why"], ends
        wait_for("nothing in flight", lambda: not knob(h, "pay.provider")["candidate"])
        wait_for("the base for everybody", lambda: app.values_now() == {"primary"})
        assert not entries(h, "promote") and knob(h, "pay.provider")["promoted"] is None
        (incident,) = incidents(h)
        assert incident["open"] and not incident["verified"] and not incident["restored"]
        h.stop()
        verify(h)


@scenario
def test_two_faults_at_once_are_two_incidents(tmp_path):
    shares = {"pay": {"primary": 0.0, "backup": 0.0}, "search": {"primary": 0.0, "backup": 0.0}}
    operations = {"pay": "POST /order", "search": "GET /find"}
    tokens = tokens_of("front", *shares)
    objectives = [{"service": "front", "operation": operation, "target": 0.97} for operation in operations.values()]
    knobs = [{**PROVIDER, "key": f"{s}.provider", "variants": list(shares[s]), "services": [s],
              "expect": [{"service": s, "measure": "errors", "when": "backup"}]} for s in shares]
    config = write_config(tmp_path / "homeostat.yaml", tokens, objectives, knobs)
    routes = [Route(operations[s], s, f"{s}.provider", "primary", provider_work(shares[s])) for s in shares]
    with Homeostat(config=config) as h, ScriptedApp(h, routes, rate_per_s=70, tokens=tokens) as app:
        app.wait_exported(2 * HEALTHY_REQUESTS)
        for share in shares.values():
            share["primary"] = 0.6
        wait_for("both repairs", lambda: len(changes(h, state="promoted")) == 2)
        wait_for("good service", lambda: all(app.good_share(150, f"{s}.provider") > 0.9 for s in shares))
        wait_for("restored incidents", lambda: restored(h))
        found = {i["causes"][0]["service"]: i for i in incidents(h)}
        assert sorted(found) == sorted(shares) and len(incidents(h)) == 2
        for service, incident in found.items():
            (change,) = changes(h, incident=incident["id"], state="promoted")
            assert change["knob"] == f"{service}.provider"
            assert {s["operation"] for s in incident["symptoms"] if s["service"] == "front"} <= {operations[service]}
        h.stop()
        verify(h)


@scenario
def test_a_few_are_held_back_until_the_fault_is_over(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG)
    with Homeostat(config=config) as h, SmallApp(h, rate_per_s=60) as app:
        app.wait_exported(HEALTHY_REQUESTS)
        app.error_share["primary"] = 0.6
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        wait_for("those held back", lambda: knob(h, "pay.provider")["candidate"])
        held = knob(h, "pay.provider")
        assert (held["value"], held["promoted"]["value"], held["candidate"]["value"]) == ("backup", "backup", "primary")
        assert 0 < held["candidate"]["exposure"] <= 0.05
        asked = time.monotonic() + 1  # `values` looks at its file at least every 50 ms
        after = app.since(asked, 900)
        users = {value: {o.user for o in after if o.value == value} for value in ("primary", "backup")}
        assert 0 < len(users["primary"]) < 0.15 * len(users["backup"])
        assert not users["primary"] & users["backup"], "always the same ones"
        app.error_share["primary"] = 0
        wait_for("the release", lambda: knob(h, "pay.provider")["promoted"] is None)
        wait_for("the base for everybody", lambda: app.values_now() == {"primary"})
        assert not knob(h, "pay.provider")["candidate"]
        (ended,) = entries(h, "hold_ended")
        assert "released" in ended["payload"]["how"], ended
        wait_for("a restored incident", lambda: restored(h))
        assert len(incidents(h)) == 1 and incidents(h)[0]["reopened"] == 0
        h.stop()
        verify(h)
