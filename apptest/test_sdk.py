"""What official SDK clients sent is read back equal, field by field: apptest/sdk_scenario.py says what that is.

Python, JavaScript and Java run everywhere (Java is compiled once and kept in the cache); Go and
Rust, whose compilers Debian does not have new enough, are in ./dev soak where they are installed.
"""
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.parse

import pytest

from harness import ROOT, Homeostat
from node_packages import cache, node_program
from sdk_scenario import RESOURCE, SAMPLED, Scenario, attributes_json, without

SOURCES = ROOT / "apptest/sdk"
BUILT = [pytest.param(lang, protocol, marks=pytest.mark.soak)
         for lang in ("go", "rust") for protocol in ("grpc", "http/protobuf")]
CLIENTS = [("python", "grpc"), ("python", "http/protobuf"),
           ("node", "grpc"), ("node", "http/protobuf"), ("node", "http/json"),
           ("java", "grpc"), ("java", "http/protobuf"), *BUILT]


def build(lang, command, **more):
    """Builds apptest/sdk/<lang> with the packages that its lock file pins; outside of the source tree."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    out = cache() / f"sdk-{lang}"
    out.mkdir(parents=True, exist_ok=True)
    subprocess.run([a.format(out=out) for a in command], cwd=SOURCES / lang, check=True, env={**os.environ, **more})
    return out


def java_program():
    """Compiled once for each state of its sources, with the packages that its pom names; ./dev setup installs Maven."""
    for tool in ("java", "mvn"):
        assert shutil.which(tool), f"{tool} is not installed; ./dev setup installs it"
    source = SOURCES / "java"
    digest = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(source.rglob("*")) if f.is_file())).hexdigest()[:12]
    out = cache() / f"sdk-java-{digest}"
    if not (out / "ready").exists():
        subprocess.run(["mvn", "-q", "-B", f"-Dout={out}", "compile", "dependency:copy-dependencies"], cwd=source,
                       check=True, stdout=sys.stderr)
        (out / "ready").touch()
    # No compiler: what runs for a second is slower with it.
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{out}/classes:{out}/lib/*", "Sdk"]


RUST_MIN = (1, 75)  # what the SDK asks for


def rust_program():
    """Built with the crates that its lock file pins."""
    found = shutil.which("cargo") and subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    version = found and tuple(int(part) for part in found.stdout.split()[1].split(".")[:2])
    if not version or version < RUST_MIN:
        pytest.skip(f"no Rust of {RUST_MIN[0]}.{RUST_MIN[1]} or newer is installed (Debian 12 has 1.63; see rustup.rs)")
    out = build("rust", ["cargo", "build", "--locked", "--quiet", "--target-dir", "{out}"])
    return [out / "debug/sdk"]


def command_of(lang):
    if lang == "python":
        return [sys.executable, ROOT / "apptest/programs/sdk_python.py"]
    if lang == "node":
        if not (shutil.which("node") and shutil.which("npm")):
            pytest.skip("node and npm are not installed")
        return ["node", node_program("sdk-node", "sdk_node.mjs")]
    if lang == "java":
        return java_program()
    if lang == "rust":
        return rust_program()
    return [build("go", ["go", "build", "-o", "{out}/sdk", "."], GOFLAGS="-mod=readonly") / "sdk"]


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def get(h, path, **params):
    status, body = h.get(path + ("?" + urllib.parse.urlencode(params) if params else ""))
    assert status == 200, body
    return body


def by_key(row):
    """The order of attributes is the SDK's affair: Java's keeps none."""
    events = [{**e, "attributes": sorted(e["attributes"], key=lambda a: a["key"])} for e in row.get("events", [])]
    return {**row, "attributes": sorted(row["attributes"], key=lambda a: a["key"]), "events": events}


def by_body_key(record):
    """The same of a body that is a map: Rust's keeps none."""
    body = record["body"]
    if body["type"] != "map":
        return record
    return {**record, "body": {**body, "value": sorted(body["value"], key=lambda a: a["key"])}}


def check_source(answer, row, service, version="0.1"):
    """The resource and the scope that a row refers to are what the program set; SDKs add attributes of their own."""
    resource, scope = answer["resources"][row["resource"]], answer["scopes"][row["scope"]]
    assert resource["service"] == service
    wanted = attributes_json({"service.name": service, **RESOURCE})
    assert [a for a in resource["attributes"] if a["key"] in {w["key"] for w in wanted}] == \
        sorted(wanted, key=lambda a: a["key"])
    assert (scope["name"], scope["version"], scope["attributes"]) == ("sdk.scope", version, [])


def run_sdk(h, lang, protocol, service, start_ms, **environment):
    """Sends what sdk_scenario.py says -> the ids that it used."""
    env = {**os.environ, "SDK_SERVICE": service, "SDK_START_MS": str(start_ms), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
           "OTEL_EXPORTER_OTLP_ENDPOINT": h.url("otlp_grpc" if protocol == "grpc" else "otlp_http"), **environment}
    run = subprocess.run(command_of(lang), env=env, stdout=subprocess.PIPE, check=True, timeout=120)
    told = json.loads(run.stdout)
    assert told["flushed"]
    h.flush()
    return told["ids"]


@pytest.mark.parametrize("lang,protocol", CLIENTS)
def test_what_an_sdk_sent_is_read_back_equal(h, lang, protocol):
    service = f"sdk-{lang}-{secrets.token_hex(4)}"
    start_ms = int(time.time() * 1000) - 2000
    ids = run_sdk(h, lang, protocol, service, start_ms, OTEL_EXPORTER_OTLP_INSECURE="true")
    sent = Scenario(service, start_ms, ids)

    trace = get(h, f"/v1/traces/{ids['checkout'][0]}")
    expected = [by_key(without(s, "links")) for s in sent.spans()]
    if lang == "java":  # its exporter sends an empty string as a value without content (AnyValue of no kind)
        (empty,) = [a for a in expected[0]["attributes"] if a["key"] == "sdk.empty"]
        empty.update(type="empty", value=None)
    assert [by_key(without(s, "flags", "links")) for s in trace["spans"]] == expected
    # A link's flags are the SDK's affair: some send them, some do not.
    links = [[{k: v for k, v in link.items() if k != "flags"} for link in s["links"]] for s in trace["spans"]]
    assert links == [s["links"] for s in sent.spans()]
    logs = get(h, "/v1/logs", service=service)
    assert [by_body_key(without(r, "flags", "observed_time_unix_nano")) for r in logs["logs"]] == \
        [by_body_key(r) for r in sent.logs()]
    assert all(r["flags"] & SAMPLED and int(r["observed_time_unix_nano"]) > start_ms * 10**6 for r in logs["logs"])
    for answer, rows in ((trace, trace["spans"]), (logs, logs["logs"])):
        for row in rows:
            assert row["service"] == service
            # Rust's exporter leaves the version out of a log record's scope.
            check_source(answer, row, service, "" if lang == "rust" and answer is logs else "0.1")

    for name, (descriptor, point) in sent.metrics().items():
        answer = get(h, "/v1/series", name=name, service=service)
        (series,) = answer["series"]
        # An SDK may remember which span it measured in; nothing was measured in one here.
        assert without(series, "points") == descriptor
        check_source(answer, series, service)
        newest = series["points"][0]
        assert without(newest, "time_unix_nano", "start_time_unix_nano") == point
        assert start_ms * 10**6 < int(newest["time_unix_nano"]) < time.time_ns() + 10**9
        assert int(newest["start_time_unix_nano"]) <= int(newest["time_unix_nano"])
