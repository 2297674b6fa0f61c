"""Log records whose text tells more than their sender said (docs/logs.md), through OTLP and back through /v1."""
import secrets
import time
import urllib.parse

import requests

from harness import Homeostat

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def send(h, service, *records):
    body = {"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]},
                              "scopeLogs": [{"logRecords": list(records)}]}]}
    answer = requests.post(h.url("otlp_http", "/v1/logs"), json=body, timeout=30)
    assert (answer.status_code, answer.json()) == (200, {})
    h.flush()


def record(text, **more):
    return {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": text}, **more}


def only(h, service, **params):
    status, body = h.get("/v1/logs?" + urllib.parse.urlencode({"service": service, **params}))
    assert status == 200 and len(body["logs"]) == 1, body
    return body["logs"][0]


def test_text_is_read_once_and_survives_a_restart():
    json_text = f'{{"level":"error","msg":"boom","trace_id":"{TRACE}","span_id":"{SPAN}","user":{{"id":7}}}}'
    logfmt = "level=warn msg=slow took=1.5s n=3"
    plain = f"2026-01-02 ERROR [main] boom traceId={TRACE}"
    services = [secrets.token_hex(4) for _ in range(4)]

    def check(h):
        row = only(h, services[0], **{"attr.user.id": "7"})
        assert (row["severity_number"], row["severity_text"], row["trace_id"], row["span_id"]) == (17, "error", TRACE, SPAN)
        assert row["body"] == {"type": "string", "value": json_text}
        assert row["attributes"] == [{"key": "user.id", "type": "int", "value": 7}]
        row = only(h, services[1], severity="warn")
        assert {a["key"]: a["value"] for a in row["attributes"]} == {"took": "1.5s", "n": 3}
        row = only(h, services[2], trace_id=TRACE)
        assert (row["severity_number"], row["body"]["value"], row["attributes"]) == (17, plain, [])
        row = only(h, services[3])  # what the sender said stays
        assert (row["severity_number"], row["severity_text"], row["trace_id"]) == (9, "", "1" * 32)

    with Homeostat() as h:
        for service, text in zip(services, (json_text, logfmt, plain)):
            send(h, service, record(text))
        send(h, services[3], record(plain, severityNumber=9, traceId="1" * 32, spanId="2" * 16))
        check(h)
        h.kill()
        h.settings["logs.parse"] = "false"
        h.start()
        check(h)  # what was taken with it stays so
        off = secrets.token_hex(4)
        send(h, off, record(json_text))
        row = only(h, off)
        assert (row["severity_number"], row["trace_id"], row["attributes"]) == (0, "", [])
