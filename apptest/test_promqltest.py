"""Prometheus' own PromQL tests, from its Go module, pinned, through our engine (promql_eval).

The module is downloaded when it is not there yet; where that cannot be done the test is skipped.
"""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import binary

MODULE = "github.com/prometheus/prometheus"
# Version, checksum as in go.sum, and percent of its cases with the right values; a rise is written down here, and what is
# wrong in docs/conformance/promql.md. The language that promql/ speaks is 3.14's; the other one tells what came since.
VERSIONS = {"v0.314.0": ("h1:YjsimqsIi6/mOtzZcrPEYUALO6zpfaht9O5sXqDz2vg=", 100.0),
            "v0.316.0": ("h1:f1GRFerhTMKQma+awCoC9T820ecWeGSdF+xAlMHzZzM=", 97.7)}


def files(version, checksum, tmp_path):
    if not shutil.which("go"):
        pytest.skip(f"no go command: {MODULE} {version} cannot be had")
    done = subprocess.run(["go", "mod", "download", "-json", f"{MODULE}@{version}"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=600)
    told = json.loads(done.stdout or "{}")
    if done.returncode != 0 or not told.get("Dir"):
        pytest.skip(f"{MODULE} {version} cannot be had: {done.stderr.strip() or told.get('Error')}")
    assert told["Sum"] == checksum, "not the module that was pinned"
    return pathlib.Path(told["Dir"]) / "promql/promqltest/testdata"


@pytest.mark.parametrize("version", VERSIONS)
def test_promqltest(version, tmp_path):
    program = pathlib.Path(binary()).parent / "promql_eval"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    checksum, floor = VERSIONS[version]
    directory = files(version, checksum, tmp_path)
    done = subprocess.run([str(program), "--promqltest", str(directory), "--show", "100"], capture_output=True, text=True,
                          timeout=600)
    print(done.stdout)
    total = re.search(r"^TOTAL +(\d+) +([0-9.]+)", done.stdout, re.M)
    written = sum(len(re.findall(r"^\s*eval", path.read_text(), re.M)) for path in directory.glob("*.test"))
    assert total and int(total[1]) == written > 2000, "every case of the files is run"
    assert float(total[2]) >= floor, done.stdout
