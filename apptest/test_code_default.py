"""A code default that differs from the knob's base is reported, from what an official client tells of an evaluation."""
import json
import time

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.flag_evaluation import FlagType
from openfeature.hook import Hook, HookContext
from openfeature.telemetry import create_evaluation_event

from harness import Homeostat, free_ports, wait_for
from scripted_app import attributes
from small_app import CONFIG


class Telling(Hook):
    """What a telemetry hook of the SDK puts into the span's event."""

    def __init__(self):
        self.events = []

    def finally_after(self, hook_context: HookContext, details, hints):
        event = create_evaluation_event(hook_context, details)
        told = {getattr(key, "value", key): str(value) for key, value in event.attributes.items()}
        body = {getattr(key, "value", key): str(value) for key, value in getattr(event, "body", {}).items()}
        if "value" in body:  # as docs/knobs.md tells applications to call it
            told["feature_flag.result.value"] = body["value"]
        self.events.append(told)

    def supports_flag_value_type(self, flag_type: FlagType) -> bool:
        return True


def event_of_an_evaluation(url, default):
    """An official client asks for the knob at `url`; -> the attributes of its event."""
    hook = Telling()
    api.set_provider(OFREPProvider(url, timeout=0.2))
    client = api.get_client()
    client.add_hooks([hook])
    client.get_string_details("pay.provider", default)
    api.clear_providers()
    return hook.events[-1]


def send(h, event):
    now = time.time_ns()
    span = {"traceId": "0123456789abcdef0123456789abcdef", "spanId": "0123456789abcdef", "name": "POST /charge", "kind": 2,
            "startTimeUnixNano": str(now - 10**7), "endTimeUnixNano": str(now),
            "events": [{"name": "feature_flag.evaluation", "timeUnixNano": str(now), "attributes": attributes(event)}]}
    resource = {"attributes": attributes({"service.name": "pay", "service.instance.id": "pay-1"})}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    token = {"Authorization": "Bearer token-of-pay-000002"}
    assert h.post("/v1/traces", body, listener="otlp_http", headers=token)[0] == 200


def differing(h):
    return h.metrics()["homeostat_code_defaults_differing"]


def defaults(h):
    status, body = h.get("/v1/knobs")
    return body["knobs"][0]["code_defaults"] if status == 200 and body["knobs"] else []


def test_a_code_default_that_differs_is_reported(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(CONFIG)
    with Homeostat(config=config) as h:
        nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
        served = event_of_an_evaluation(h.url("values"), "backup")
        send(h, served)
        send(h, event_of_an_evaluation(nobody, "primary"))
        wait_for("the default that is the base", lambda: defaults(h))
        assert [(d["value"], d["differs"]) for d in defaults(h)] == [("primary", False)], json.dumps(served)
        assert differing(h) == 0
        send(h, event_of_an_evaluation(nobody, "backup"))
        wait_for("the default that differs", lambda: defaults(h)[0]["differs"])
        assert defaults(h)[0]["value"] == "backup" and defaults(h)[0]["service"] == "pay"
        assert differing(h) == 1
        assert "a code default differs from the knob's base" in h.tail()
