"""The recording at its bound: the oldest parts go, the rest can still be read, and nobody else notices."""
import secrets
import subprocess
import time

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from harness import PATIENCE_S, Homeostat, binary

MIB = 1 << 20
BOUND = 2 * MIB
PART = MIB  # the least that a part has before the next is begun
SERVICES, PARTS = 1500, 5


def word():
    """Letters: a word with digits would be taken for a variable of a template."""
    return "".join(chr(97 + b % 26) for b in secrets.token_bytes(110))


def logs():
    """Each line of a service and an instance of its own: what the loop is fed hardly shrinks."""
    request = ExportLogsServiceRequest()
    for _ in range(SERVICES):
        resource = request.resource_logs.add()
        for key in ("service.name", "service.instance.id"):
            attribute = resource.resource.attributes.add()
            attribute.key, attribute.value.string_value = key, word()
        record = resource.scope_logs.add().log_records.add()
        record.time_unix_nano, record.severity_number, record.body.string_value = time.time_ns(), 9, word()
    return request.SerializeToString()


def parts(h):
    """Name -> bytes; nothing before the first part is begun."""
    found = {}
    for path in (h.data / "recording").glob("*"):
        try:
            found[path.name] = path.stat().st_size
        except OSError:
            pass  # dropped meanwhile
    return found


def test_the_oldest_parts_go():
    settings = {"recording.max_bytes": str(BOUND), "retention.max_age": "0"}
    with Homeostat(settings=settings) as h:
        seen, most = set(), 0
        end = time.monotonic() + PATIENCE_S
        while len(seen) < PARTS:
            assert time.monotonic() < end, f"only {len(seen)} parts: {parts(h)}"
            status, body = h.post("/v1/logs", logs(), listener="otlp_http",
                                  headers={"Content-Type": "application/x-protobuf"})
            assert status == 200, body
            now = parts(h)
            seen |= set(now)
            most = max(most, sum(now.values()))
            time.sleep(0.5)
        assert len(parts(h)) < len(seen), "nothing was dropped"
        # A part is begun only after a flush that went beyond its bytes: one frame more than they are.
        assert most <= BOUND + 2 * PART, f"{most / MIB:.1f} MiB"
        assert "is not recorded any more" not in h.tail(1000)
        h.stop()
        told = subprocess.run([binary(), "ledger", "replay", "--data", str(h.data)], capture_output=True, text=True)
        assert "beginning" in told.stdout + told.stderr, "it says that the run's beginning was dropped"
        h.start()  # a new run begins, and can be replayed from its beginning
        h.stop()
        assert sum(parts(h).values()) <= BOUND + 2 * PART
        told = subprocess.run([binary(), "ledger", "replay", "--data", str(h.data)], capture_output=True, text=True)
        assert told.returncode == 0 and "EQUAL" in told.stdout, told.stdout + told.stderr
