"""A human's word to the loop while it is at work: stop and resume, a reset, another configuration."""
import signal
import types

from harness import Homeostat, wait_for
from loop_view import changes, entries, incidents, knob, restored, tokens_of, verify, write_config
from scripted_app import HEALTHY_REQUESTS, LEARNED_REQUESTS, Route, ScriptedApp, usual_ms
from side_by_side import outcomes, scenario  # noqa: F401 (a fixture)
from small_app import CONFIG, SmallApp

WHO = {"who": "ann", "why": "a drill"}


def broken(h, app):
    app.wait_exported(HEALTHY_REQUESTS)
    app.error_share["primary"] = 0.6


def mute_candidate(h, app):
    """Without data there is no verdict: the change stays in flight for a while. -> its id"""
    app.mute_at = "candidate"
    wait_for("a candidate", lambda: changes(h, state="candidate"))
    wait_for("its first answer", lambda: app.muted)
    return changes(h, state="candidate")[0]["id"]


def hear_again(app):
    app.mute_at, app.muted = None, False


def with_small_app(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG)
    return config


@scenario
def test_the_stop_takes_back_what_is_in_flight_and_what_was_promoted(tmp_path):
    with Homeostat(config=with_small_app(tmp_path)) as h, SmallApp(h) as app:
        broken(h, app)
        change = mute_candidate(h, app)
        assert h.post("/v1/stop", WHO)[0] == 202
        wait_for("the stop", lambda: h.get("/v1/status")[1]["mode"] == "stopped")
        (ended,) = [c for c in changes(h) if c["id"] == change]
        assert ended["state"] == "reverted" and "stopped by ann" in ended["why"]
        assert knob(h, "pay.provider")["candidate"] is None
        wait_for("the base for everybody", lambda: app.values_now() == {"primary"})
        hear_again(app)
        app.wait_exported(HEALTHY_REQUESTS)  # the fault goes on, and is known; nothing is done
        assert len(changes(h)) == 1 and incidents(h)[0]["decision"] == "nothing: stopped by the operator"
        assert app.good_share(300) < 0.7
        h.stop()
        h.start()
        wait_for("the loop", lambda: incidents(h))
        assert h.get("/v1/status")[1]["mode"] == "stopped", "a restart is no word of an operator"
        assert h.post("/v1/resume", WHO)[0] == 202
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        wait_for("those held back", lambda: knob(h, "pay.provider")["candidate"])
        promoted = changes(h, state="promoted")[0]["id"]
        assert h.post("/v1/stop", WHO)[0] == 202
        wait_for("the stop", lambda: h.get("/v1/status")[1]["mode"] == "stopped")
        now = knob(h, "pay.provider")
        assert (now["value"], now["promoted"], now["candidate"]) == ("primary", None, None)
        assert [c["state"] for c in changes(h) if c["id"] == promoted] == ["reverted"]
        wait_for("the base for everybody", lambda: app.values_now() == {"primary"})
        assert [e["payload"]["order"]
                for e in entries(h, "operator")] == ["stop", "resume", "stop"]
        h.stop()
        verify(h)


@scenario
def test_a_reset_ends_what_was_promoted_and_no_other_change(tmp_path):
    with Homeostat(config=with_small_app(tmp_path)) as h, SmallApp(h) as app:
        broken(h, app)
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        wait_for("those held back", lambda: knob(h, "pay.provider")["candidate"])
        promoted = changes(h, state="promoted")[0]["id"]
        app.error_share["primary"] = 0  # else it is repaired again at once
        assert h.post("/v1/knobs/reset", {"key": "pay.provider", **WHO})[0] == 202
        wait_for("the base for everybody", lambda: app.values_now() == {"primary"})
        now = knob(h, "pay.provider")
        assert (now["value"], now["promoted"], now["candidate"]) == ("primary", None, None)
        wait_for("the change's end", lambda: not changes(h, state="promoted"))
        (ended,) = [c for c in changes(h) if c["id"] == promoted]
        assert ended["state"] == "reverted" and "reset by ann: a drill" in ended["why"] and ended["ended"], ended
        (told,) = entries(h, "reset")
        assert "ann resets pay.provider to primary" in told["words"] and told["incident"] == incidents(h)[0]["id"]
        wait_for("a restored incident", lambda: restored(h))
        h.stop()
        verify(h)


@scenario
def test_a_reset_of_one_knob_leaves_a_change_of_another_in_flight(tmp_path):
    tokens = tokens_of("front", "pay")
    knobs = [{"key": key, "type": "string", "base": "primary", "variants": ["primary", "backup"], "services": [service],
              "scope": "request", "effect": "isolated",
              "expect": [{"service": service, "measure": "errors", "when": "backup"}]}
             for key, service in (("pay.provider", "pay"), ("mail.provider", "mail"))]
    objectives = [{"service": "front", "operation": "POST /order", "target": 0.97}]
    config = write_config(tmp_path / "homeostat.yaml", tokens, objectives, knobs)
    fault = types.SimpleNamespace(share=0.0)
    route = Route("POST /order", "pay", "pay.provider", "primary",
                  lambda value, dice: (usual_ms(dice), value == "backup" or dice.random() >= fault.share))
    with Homeostat(config=config) as h, ScriptedApp(h, [route], tokens=tokens) as app:
        app.wait_exported(HEALTHY_REQUESTS)
        fault.share = 0.6
        change = mute_candidate(h, app)
        assert h.post("/v1/knobs/reset", {"key": "mail.provider", **WHO})[0] == 202
        wait_for("the reset", lambda: entries(h, "reset"))
        hear_again(app)
        wait_for("its verdict", lambda: entries(h, "verdict"))
        (told,) = entries(h, "verdict")
        assert "PASS" in told["words"], told
        assert [c["state"] for c in changes(h) if c["id"] == change] == ["promoted"]
        h.stop()
        verify(h)


@scenario
def test_what_is_declared_during_a_fault_is_used(tmp_path):
    """An objective and a knob that come with a reload: what was no matter is one now, and can be repaired."""
    fault = types.SimpleNamespace(on=False)

    def work(deadline_ms, dice):
        answer_ms = 1500 if fault.on and dice.random() < 0.7 else usual_ms(dice)
        return min(answer_ms, deadline_ms), True

    tokens = tokens_of("front", "recommend")
    holds = {"service": "front", "operation": "GET /page", "target": 0.97}
    quick = {**holds, "name": "pages are quick", "kind": "latency", "target": 0.9, "threshold_ms": 250}
    deadline = {"key": "recommend.deadline_ms", "type": "integer", "base": 2000, "variants": [2000, 30],
                "services": ["recommend"], "scope": "request", "effect": "isolated",
                "expect": [{"service": "front", "operation": "GET /page", "measure": "latency", "when": "lowered"}]}
    config = write_config(tmp_path / "homeostat.yaml", tokens, [holds], [])
    route = Route("GET /page", "recommend", deadline["key"], 2000, work, good_ms=250)
    with Homeostat(config=config) as h, ScriptedApp(h, [route], tokens=tokens) as app:
        app.wait_exported(LEARNED_REQUESTS)
        fault.on = True
        wait_for("an incident that is left alone", lambda: any("nothing" in (i["decision"] or "") for i in incidents(h)))
        assert app.values_now() == {"no answer"}, "no knob is declared"
        write_config(config, tokens, [holds, quick], [deadline])
        h.process.send_signal(signal.SIGHUP)
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        assert changes(h, state="promoted")[0]["to"] == 30
        wait_for("good service", lambda: app.good_share(300) > 0.93)
        wait_for("the new objective", lambda: any(o["name"] == quick["name"] and o["holds"]
                                                  for o in h.get("/v1/objectives")[1]["objectives"]))
        wait_for("a restored incident", lambda: restored(h))
        h.stop()
        verify(h)


@scenario
def test_a_knob_that_is_not_declared_any_more_is_left_alone(tmp_path):
    config = with_small_app(tmp_path)
    with Homeostat(config=config) as h, SmallApp(h) as app:
        broken(h, app)
        change = mute_candidate(h, app)
        config.write_text(CONFIG.split("knobs:")[0])
        h.process.send_signal(signal.SIGHUP)
        wait_for("its end", lambda: [c["state"] for c in changes(h) if c["id"] == change] == ["reverted"])
        assert "declaration changed" in [c["why"] for c in changes(h) if c["id"] == change][0]
        wait_for("the code's default", lambda: app.values_now() == {"no answer"})
        hear_again(app)
        app.wait_exported(HEALTHY_REQUESTS)
        assert len(changes(h)) == 1, "nothing is left to change"
        config.write_text(CONFIG)
        h.process.send_signal(signal.SIGHUP)
        wait_for("a promoted change", lambda: changes(h, state="promoted"))
        wait_for("a restored incident", lambda: restored(h))
        assert len(incidents(h)) == 1
        h.stop()
        verify(h)
