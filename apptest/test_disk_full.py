"""A disk that fills up under `serve`, on a small file system of its own: what cannot be kept is refused with the retryable
error, what was acknowledged is stored exactly once, and it goes on by itself when there is room again."""
import os
import subprocess

import pytest

from harness import Homeostat, wait_for
from kill_load import OTLP, Sender, stored_counts

MIB = 1 << 20
SIZE = 512 * MIB


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("a file system of its own needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def free(place):
    at = os.statvfs(place)
    return at.f_bavail * at.f_frsize


def fill(place, leave):
    """Until so much is left; -> the file that takes the room. The engine may free some meanwhile."""
    filler = place / "filler"
    with open(filler, "ab") as file:
        while free(place) > leave:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), max(4096, min(free(place) - leave, 64 * MIB)))
                file.seek(0, os.SEEK_END)
            except OSError:
                break
    return filler


def send(sender, count):
    """So many requests of one record; -> their answers. What was acknowledged is remembered."""
    answers = []
    for _ in range(count):
        signal, ids, body = sender.next_request(records=1)
        status = sender.post(signal, body)
        answers.append(status)
        (sender.acknowledged if status == 200 else sender.unanswered).update(ids)
    return answers


@pytest.mark.parametrize("min_free, leave", [("32MiB", 16 * MIB), ("0", 0)], ids=["at the reserve", "to the last byte"])
def test_a_full_disk(small_disk, min_free, leave):
    settings = {"batch.max_age": "100ms", "retention.max_age": "0", "journal.min_free": min_free}
    with Homeostat(settings=settings, data=small_disk / "data") as h:
        sender = Sender(h, 0, 1, OTLP)
        assert set(send(sender, 20)) == {200}
        h.flush()
        filler = fill(small_disk, leave)
        wait_for("a refusal", lambda: send(sender, 1)[0] != 200)
        answers = send(sender, 50)
        assert set(answers) <= {429, 503, 200}, answers
        assert 503 in answers or 429 in answers, answers
        _, unsure, body = sender.next_request("logs", records=1)
        refused = h.post("/v1/logs", body, listener="otlp_http", headers={"Content-Type": "application/json"})
        if refused[0] != 200:
            assert refused[0] in (429, 503) and refused[1], refused
        assert h.get("/healthz")[0] == 200
        filler.unlink()
        wait_for("room again", lambda: send(sender, 1)[0] == 200)
        assert set(send(sender, 20)) == {200}
        h.kill("serve")  # and what is in the journal is whole
        h.start()
        h.flush()
        stored = stored_counts(h)
        stored.pop(unsure[0], None)
        status = h.status()["ingest"]
    assert {i for i in sender.acknowledged if stored.get(i, 0) != 1} == set()
    assert all(times == 1 for times in stored.values()), "something is there twice"
    assert set(stored) <= sender.acknowledged | sender.unanswered
    assert status["corrupt_segments"] == 0 and status["quarantined_blocks"] == 0
