"""An engine that cannot start: `serve` says at once what is wrong and what to do, takes telemetry meanwhile, and goes on
by itself when it is repaired."""
import os
import pathlib
import shutil
import signal

import pytest

from harness import Homeostat, binary, wait_for
from kill_load import Sender, stored_counts


def library():
    return pathlib.Path(binary()).resolve().parent / "libchdb.so"


def missing(folder):
    return folder / "no-such-library.so"


def no_library(folder):
    (folder / "text.so").write_text("this is no library\n")
    return folder / "text.so"


def another_library(_):
    return next(p for p in pathlib.Path("/usr/lib").glob("*/libz.so.1"))


def engine_of(h):
    return (h.status() or {}).get("engine", {})


def starting(settings):
    h = Homeostat(settings=settings)
    h.start(wait_engine=False)
    return h


@pytest.mark.parametrize("broken, words", [(missing, "cannot load the storage engine"),
                                           (no_library, "cannot load the storage engine"),
                                           (another_library, "chDB 26.7.3 or later is needed")])
def test_a_library_that_cannot_be_used(tmp_path, broken, words):
    h = starting({"engine.library": str(broken(tmp_path))})
    try:
        wait_for("a second failure", lambda: engine_of(h).get("failed_starts", 0) >= 2)
        for _ in range(20):  # also while it is being tried again
            status = h.status()
            assert words in status["engine"]["reason"] and str(broken(tmp_path)) in status["engine"]["reason"], status
            assert not status["engine"]["ready"] and status["engine"]["pid"] != 0
            assert status["ready"] and status["ingest"]["accepting"]  # telemetry is taken
        assert "./dev setup" in status["engine"]["reason"] and "engine.library" in status["engine"]["reason"], status
        code, answer = h.get("/v1/services")
        assert code == 503 and words in str(answer), (code, answer)
        log = h.tail(100)
        assert 'level=error msg="the engine cannot start"' in log and words in log
        assert 'level=error msg="the engine is down and will be started again"' in log
        if broken is missing:  # who waits for the engine is told, too
            with pytest.raises(RuntimeError, match="the engine does not start: .*" + words):
                h.wait_ready()
    finally:
        h.__exit__()


def test_it_goes_on_by_itself_when_the_library_is_there(tmp_path):
    link = tmp_path / "libchdb.so"
    h = starting({"engine.library": str(link), "batch.max_age": "100ms", "retention.max_age": "0"})
    try:
        wait_for("a failure", lambda: engine_of(h).get("failed_starts", 0) >= 1)
        sender = Sender(h, 0, 1)
        _, kept, body = sender.next_request("logs", records=1)
        assert sender.post("logs", body) == 200
        os.link(library().resolve(), link) if os.stat(tmp_path).st_dev == library().stat().st_dev else \
            shutil.copy(library(), link)
        h.wait_ready()
        assert engine_of(h)["failed_starts"] == 0 and engine_of(h)["reason"] == ""
        h.flush()
        assert stored_counts(h) == {kept[0]: 1}
    finally:
        h.__exit__()


def test_a_store_that_cannot_be_opened(tmp_path):
    h = Homeostat(data=tmp_path / "data")
    (tmp_path / "data/engine").mkdir(parents=True)
    (tmp_path / "data/engine/chdb").write_text("a file where a directory belongs\n")
    h.start(wait_engine=False)
    try:
        wait_for("a failure", lambda: engine_of(h).get("failed_starts", 0) >= 1)
        assert "cannot be opened" in engine_of(h)["reason"] and "engine/chdb" in engine_of(h)["reason"], h.status()
    finally:
        h.__exit__()


def test_an_engine_that_dies_while_it_works_is_told_apart(tmp_path):
    with Homeostat() as h:
        os.kill(h.engine_pid(), signal.SIGKILL)
        wait_for("the death to be seen", lambda: engine_of(h).get("starts", 0) >= 2 or not engine_of(h).get("ready", True))
        h.wait_ready()
        assert engine_of(h)["failed_starts"] == 0
        assert 'level=warn msg="the engine is down and will be started again" why="ended by signal 9"' in h.tail(100)
