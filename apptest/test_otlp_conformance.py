"""The OTLP conformance cases of the shared test data against our receivers.

First the receivers alone (build/*/apptest/programs/otlp_receiver), also with a sink that is always full; then the whole.
"""
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

import otlp_report
from harness import Homeostat, binary, shared

RUNNER = "conformance/runners/otlp/run.py"


@contextlib.contextmanager
def receiver():
    program = pathlib.Path(binary()).parent / "apptest/programs/otlp_receiver"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0


def run_cases(out, *args):
    """-> {id: row} of all cases."""
    data = shared()
    program = pathlib.Path(__file__).with_name("otlp_cases.py")
    command = [sys.executable, program, data / RUNNER, *args, "--examples", data / "conformance/data/otlp", "--out", out]
    subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
    return {row["id"]: row for row in json.loads(pathlib.Path(out).read_text())}


def failures(rows):
    return {i: row["why"] for i, row in rows.items() if row["mark"] == "fail"}


@pytest.mark.skipif(shared() is None, reason="the shared test data (HOMEOSTAT_SHARED) is not here")
def test_receivers_conform(tmp_path):
    with receiver() as at:
        rows = run_cases(tmp_path / "rows.json", "--http", at["http"], "--grpc", at["grpc"],
                         "--overload-http", at["full_http"], "--overload-grpc", at["full_grpc"])
    assert not failures(rows)
    skipped = [i for i, row in rows.items() if row["mark"] == "skip"]
    assert all(i.startswith("store-") for i in skipped), skipped  # they need the stored content
    assert sum(row["mark"] == "pass" for row in rows.values()) >= 131


@pytest.mark.skipif(shared() is None, reason="the shared test data (HOMEOSTAT_SHARED) is not here")
def test_the_whole_binary_conforms(tmp_path):
    with Homeostat() as h:
        rows = run_cases(tmp_path / "rows.json", "--own", h.url("http"), h.token(), "--http", h.url("otlp_http"),
                         "--grpc", f"127.0.0.1:{h.ports['otlp_grpc']}")
        assert h.get("/v1/services")[0] == 200  # alive afterwards
    with receiver() as at:  # a sink that is always full, which a healthy server has not
        full = run_cases(tmp_path / "full.json", "--http", at["http"], "--grpc", at["grpc"], "--only", "throttle",
                         "--overload-http", at["full_http"], "--overload-grpc", at["full_grpc"])
    assert not failures(rows)
    skipped = [i for i, row in rows.items() if row["mark"] == "skip"]
    assert sorted(skipped) == ["grpc-throttle", "http-throttle"]  # the receivers above show them
    assert sum(row["mark"] == "pass" for row in rows.values()) >= 140
    rows.update({i: full[i] for i in skipped})
    page = otlp_report.page(rows.values())
    if os.environ.get("HOMEOSTAT_UPDATE_DOCS"):
        otlp_report.PAGE.write_text(page)
    assert page == otlp_report.PAGE.read_text(), "HOMEOSTAT_UPDATE_DOCS=1 writes it"
