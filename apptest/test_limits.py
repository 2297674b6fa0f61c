"""Limits of tenants through every door: counts of what passed, never times."""
import signal
import threading

import grpc
import pytest
import remote_write as rw
import requests
from google.rpc import error_details_pb2, status_pb2
from harness import Homeostat, wait_for
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1 import logs_pb2
from otlp_data import SERVICES, key_values

PROTOBUF = "application/x-protobuf"


def logs(tag, count):
    records = [logs_pb2.LogRecord(body=AnyValue(string_value=f"{tag} {i}")) for i in range(count)]
    resource = logs_pb2.ResourceLogs(scope_logs=[logs_pb2.ScopeLogs(log_records=records)])
    resource.resource.attributes.extend(key_values({"service.name": "limits"}))
    return logs_pb.ExportLogsServiceRequest(resource_logs=[resource])


def send(h, tenant, message):
    return h.request("POST", "/v1/logs", message.SerializeToString(), listener="otlp_http",
                     headers={"Content-Type": PROTOBUF, "X-Scope-OrgID": tenant})


def send_grpc(h, tenant, message):
    """None, or the error."""
    with grpc.insecure_channel(f"127.0.0.1:{h.ports['otlp_grpc']}") as channel:
        export = channel.unary_unary(f"/opentelemetry.proto.collector.{SERVICES['logs']}/Export",
                                     request_serializer=lambda m: m.SerializeToString(),
                                     response_deserializer=logs_pb.ExportLogsServiceResponse.FromString)
        try:
            export(message, metadata=(("x-scope-orgid", tenant),), timeout=60)
        except grpc.RpcError as error:
            return error
    return None


def refused(h, tenant, reason):
    return h.metric("homeostat_limits_refused_requests_total", tenant=tenant, reason=reason)


def stored(h, tenant):
    """Bodies of all records of a tenant."""
    out, cursor = [], ""
    while cursor is not None:
        status, page = h.get(f"/v1/logs?limit=1000{cursor}", headers={"X-Scope-OrgID": tenant} if tenant else {})
        assert status == 200, page
        out += [log["body"]["value"] for log in page["logs"]]
        cursor = f"&cursor={page['next_cursor']}" if "next_cursor" in page else None
    return out


CONFIG = """
limits:
  items_per_s: 1
  burst: 100s
  tenants:
    - tenant: quiet
      items_per_s: 0
    - tenant: small
      in_flight: 1
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "homeostat.yaml"
    path.write_text(CONFIG)
    return path


def test_a_noisy_tenant_is_refused_and_the_others_are_not(config):
    with Homeostat(config=config) as h:
        answers = []

        def flood():
            for i in range(60):
                answers.append((i, *send(h, "noisy", logs(f"noisy {i}", 10))))

        flooding = threading.Thread(target=flood)
        flooding.start()
        quiet = [send(h, "quiet", logs(f"quiet {i}", 10))[0] for i in range(30)]
        flooding.join()
        assert quiet == [200] * 30
        taken = [i for i, status, _ in answers if status == 200]
        assert 11 <= len(taken) < 60, "a burst of 100, the request that goes into debt, and what flows in meanwhile"
        assert {status for _, status, _ in answers} == {200, 429}
        assert "tenant 'noisy' sends more than 1 items a second (limits.items_per_s)" in \
            [body for _, status, body in answers if status == 429][0]
        assert refused(h, "noisy", "items_per_s") == 60 - len(taken)
        assert refused(h, "quiet", "items_per_s") == 0
        h.flush()
        assert len(stored(h, "quiet")) == 300
        assert sorted(stored(h, "noisy")) == sorted(f"noisy {i} {k}" for i in taken for k in range(10)), \
            "what was refused is not stored, what was acknowledged is"
        assert stored(h, "") == []


def test_every_door_says_it_in_its_own_words(config):
    with Homeostat(config=config) as h:
        while send(h, "loud", logs("loud", 50))[0] == 200:
            pass
        error = send_grpc(h, "loud", logs("loud", 1))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        info = error_details_pb2.RetryInfo()
        assert status_pb2.Status.FromString(details).details[0].Unpack(info)
        assert info.retry_delay.seconds >= 1
        body = rw.body(rw.series({"__name__": "loud"}, rw.sample(1, 1_000)))
        status, text = h.request("POST", "/api/v1/write", body, headers={**rw.HEADERS, "X-Scope-OrgID": "loud"})
        assert status == 429 and "limits.items_per_s" in text
        assert send_grpc(h, "quiet", logs("quiet", 1)) is None
        status, text = h.request("POST", "/v1/logs", b"", listener="otlp_http",
                                 headers={"Content-Type": PROTOBUF, "X-Scope-OrgID": "no/such"})
        assert status == 400 and "X-Scope-OrgID" in text


def test_items_beyond_a_limit_are_named(tmp_path):
    path = tmp_path / "items.yaml"
    path.write_text("limits: {tenants: [{tenant: strict, attributes: 3, value_bytes: 100, name_bytes: 5, nesting: 1}]}")
    with Homeostat(config=path, settings={"batch.max_age": "60s"}) as h:
        message = logs("x", 1)
        record = message.resource_logs[0].scope_logs[0].log_records[0]
        record.event_name = "checkout"
        record.attributes.extend(key_values({"long": "0123456789" * 20, "deep": [[1]], "b": 1, "c": 2, "d": 3}))
        for tenant in ("strict", "other"):
            answer = requests.post(h.url("otlp_http", "/v1/logs"), data=message.SerializeToString(), timeout=60,
                                   headers={"Content-Type": PROTOBUF, "X-Scope-OrgID": tenant})
            assert answer.status_code == 200, answer.text
            why = logs_pb.ExportLogsServiceResponse.FromString(answer.content).partial_success
            expected = [] if tenant == "other" else [
                "1 attributes dropped: more on one item than the limit of 3 (limits.attributes), the first after 'c'",
                "1 attributes dropped: the value is nested more deeply than the limit of 1 (limits.nesting), "
                "the first is 'deep'",
                f"1 texts cut at the limit of 100 bytes (limits.value_bytes), the first is '{('0123456789' * 7)[:64]}'",
                "1 names cut at the limit of 5 bytes (limits.name_bytes), the first is 'checkout'"]
            assert why.rejected_log_records == 0 and why.error_message == "; ".join(expected)
        body = rw.body(rw.series({"__name__": "m", "job": "shop", "a": "1", "b": "2"}, rw.sample(1, 1_000)))
        status, text = h.request("POST", "/api/v1/write", body, headers={**rw.HEADERS, "X-Scope-OrgID": "strict"})
        assert status == 400 and "more labels in one series than the limit of 3 (limits.attributes), the first of 'm'" \
            in text
        path.write_text("")  # the journal knows within which limits it was decoded
        h.kill("serve", signal.SIGKILL)
        h.start()
        h.flush()
        answer = h.get("/v1/logs", headers={"X-Scope-OrgID": "strict"})[1]["logs"]
        assert [a["key"] for a in answer[0]["attributes"]] == ["long", "b", "c"]
        assert answer[0]["event_name"] == "check" and answer[0]["dropped_attributes"] == 2
        answer = h.get("/v1/logs", headers={"X-Scope-OrgID": "other"})[1]["logs"]
        assert len(answer[0]["attributes"]) == 5 and answer[0]["event_name"] == "checkout"


def test_a_reload_changes_what_a_tenant_may(config):
    with Homeostat(config=config) as h:
        while send(h, "team", logs("team", 50))[0] == 200:
            pass
        config.write_text(CONFIG.replace("quiet", "team"))
        h.process.send_signal(signal.SIGHUP)
        wait_for("the new limits", lambda: send(h, "team", logs("team", 1))[0] == 200)
        assert [send(h, "team", logs("team", 50))[0] for _ in range(20)] == [200] * 20
        config.write_text(CONFIG.replace("items_per_s: 0", "items_per_s: -1"))
        h.process.send_signal(signal.SIGHUP)
        wait_for("the refusal of a wrong value", lambda: "limits.tenants[0]" in h.tail())
        assert send(h, "team", logs("team", 50))[0] == 200, "nothing was applied"
