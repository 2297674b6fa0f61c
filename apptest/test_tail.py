"""Log files that grow (docs/logs.md, "Files"): each line once, through rotation and kill -9."""
import json
import os
import pathlib
import tempfile
import time
import urllib.parse

import pytest

from harness import Homeostat, wait_for


class Tailed:
    def __init__(self, directory, h):
        self.dir, self.h = directory, h

    def write(self, name, text, mode="a"):
        with open(self.dir / name, mode) as f:
            f.write(text)

    def logs(self, service):
        """All records of a service, in the order of their lines."""
        self.h.flush()
        found, cursor = [], {}
        while True:
            status, body = self.h.get("/v1/logs?" + urllib.parse.urlencode(
                {"start": "1970-01-01T00:00:00Z", "limit": 1000, "service": service, **cursor}))
            assert status == 200, body
            found += body["logs"]
            if "next_cursor" not in body:
                return found
            cursor = {"cursor": body["next_cursor"]}

    def texts(self, service):
        return sorted(r["body"]["value"] for r in self.logs(service))

    def wait_texts(self, service, want):
        wait_for(f"{len(want)} records of {service}", lambda: len(self.texts(service)) >= len(want), 60)
        assert self.texts(service) == sorted(want)


@pytest.fixture(scope="module")
def tailed():
    with tempfile.TemporaryDirectory(prefix="homeostat-tail-") as directory:
        with Homeostat(settings={"logs.files": f"{directory}/*.log*", "retention.max_age": "0"}) as h:
            yield Tailed(pathlib.Path(directory), h)


def lines(prefix, begin, end):
    return [f"{prefix} {i}" for i in range(begin, end)]


def test_lines_and_traces(tailed):
    tailed.write("app.log", "one\n2026 ERROR two\n\tat a.b(C.java:1)\nCaused by: x\n{\"level\":\"warn\",\"k\":1}\nhalf")
    tailed.wait_texts("app", ["one", "2026 ERROR two\n\tat a.b(C.java:1)\nCaused by: x", '{"level":"warn","k":1}'])
    tailed.write("app.log", " a line\n")
    wait_for("the whole line", lambda: "half a line" in tailed.texts("app"), 60)
    rows = {r["body"]["value"].split("\n")[0]: r for r in tailed.logs("app")}
    assert rows["2026 ERROR two"]["severity_number"] == 17
    assert rows['{"level":"warn","k":1}']["severity_number"] == 13
    assert {"key": "log.file.path", "type": "string", "value": str(tailed.dir / "app.log")} in rows["one"]["attributes"]


def test_containers_and_syslog_files(tailed):
    tailed.write("docker.log", "".join(json.dumps(
        {"log": text, "stream": "stderr", "time": "2026-01-02T03:04:05.000000006Z"}) + "\n" for text in ("part ", "ed\n")))
    tailed.write("cri.log", "2026-01-02T03:04:05Z stdout P a\n2026-01-02T03:04:06Z stdout F b\n")
    tailed.write("syslog.log", "Jan  2 03:04:05 host-1 cron[7]: started\n")
    tailed.wait_texts("docker", ["part ed"])
    tailed.wait_texts("cri", ["ab"])
    tailed.wait_texts("cron", ["started"])
    (row,) = tailed.logs("docker")
    assert row["time_unix_nano"] == "1767323045000000006"
    assert {"key": "log.iostream", "type": "string", "value": "stderr"} in row["attributes"]


def test_rotation(tailed):
    first, second, third = lines("first", 0, 50), lines("second", 0, 50), lines("third", 0, 5)
    tailed.write("rot.log", "\n".join(first) + "\n")
    tailed.wait_texts("rot", first)
    tailed.write("rot.log", "last of the old\n")
    os.rename(tailed.dir / "rot.log", tailed.dir / "rot.log.1")  # rename and create
    tailed.write("rot.log", "\n".join(second) + "\n")
    tailed.wait_texts("rot", [*first, "last of the old", *second])
    (tailed.dir / "rot.log.2.gz").write_bytes(b"\x1f\x8b not to be read\n")
    tailed.write("rot.log", "\n".join(third) + "\n", "w")  # truncated in place, shorter than before
    tailed.wait_texts("rot", [*first, "last of the old", *second, *third])
    time.sleep(5)  # found again at each search: nothing twice
    tailed.wait_texts("rot", [*first, "last of the old", *second, *third])


def test_each_line_once_through_kills(tailed):
    want = []
    for life in range(5):
        for part in range(4):
            new = lines(f"life {life} part {part}", 0, 400)
            want += new
            tailed.write("kill.log", "\n".join(new) + "\n")
            time.sleep(0.15 + 0.1 * life)
        tailed.h.kill()
        if life == 2:  # rotated while nobody looks
            os.rename(tailed.dir / "kill.log", tailed.dir / "kill.log.1")
        tailed.h.start()
    tailed.wait_texts("kill", want)
