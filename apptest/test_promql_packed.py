"""Samples are packed by series when their two hours are over: answers are the same before and after, with late samples,
after a restart, and after a kill in the middle of packing."""
import os
import signal
import time

import promql_answers
import remote_write as rw
from engine_process import Engine
from harness import Homeostat, wait_for
from promql_answers import native, odd_series, otlp_points, send
from test_prometheus_api import ask, now_ms, write

SLOT_MS = 7_200_000
QUERIES = ("late", "late_again", "mixed", "stale", "again", "fast", "rate(counter[2m])",
           "sum by (job) (rate(counter[2m]))", "otlp_requests_total", "histogram_count(mixed)",
           "last_over_time({__name__=~'late|mixed|again|counter|fast'}[40m])", "sum by (n) (last_over_time({job='a'}[9h]))",
           "histogram_quantile(0.9, sum by (job) (rate(native[2m])))", "histogram_count(native)", "rate(both[5m])", "both",
           "histogram_sum(sum(increase(native[1h])))", "histogram_quantile(0.5, otlp_latency)",
           "histogram_count(rate(otlp_latency[2m]))", "rate(counter[2m] offset 3h)", "count_over_time(counter[7h] @ end())")
SETTINGS = {"retention.max_age": "0", "prometheus.memory": "0", "prometheus.pack_after": "1s"}


def fill(h, now):
    for i in range(40):  # nine hours
        send(h, "counter", *[rw.sample(10 * i + s, now - i * 810_000 - s * 15_000) for s in range(8)], n=str(i % 3))
    send(h, "fast", *[rw.sample(n * 0.1, now - 5_000_000 + n * 1000) for n in range(2000)])  # several rows of one series
    for n in range(3):
        native(h, "native", [now - i * 810_000 - s * 15_000 for i in range(40) for s in range(4)], label=str(n))
    native(h, "both", [now - i * 20_000 for i in range(600)])  # several rows
    send(h, "both", *[rw.sample(i, now - 9_000_000 - i * 20_000) for i in range(300)], n="0")  # a histogram wins
    odd_series(h, now)
    otlp_points(h, now, latency=True)
    h.flush()


def answers(h, now):
    return promql_answers.answers(h, now, QUERIES, 9 * 3600)


def packed(h):
    """-> slots that are packed, slots that wait."""
    metrics = h.metrics()
    return metrics["homeostat_packed_slots"], metrics["homeostat_packed_slots_waiting"]


def wait_packed(h):
    wait_for("all slots are packed", lambda: packed(h)[0] > 0 and packed(h)[1] == 0)


def an_instant():
    """In the middle of the slot before the last, so that all that is sent is over."""
    return now_ms() // SLOT_MS * SLOT_MS - SLOT_MS // 2


def test_answers_do_not_depend_on_packing():
    now = an_instant()
    with Homeostat(settings={**SETTINGS, "prometheus.pack_after": "0"}) as h:
        fill(h, now)
        seen = answers(h, now)
        assert [q for q in QUERIES if not seen[q, "range"]] == ["late_again"]
        h.stop()
        h.settings["prometheus.pack_after"] = "1s"
        h.start()
        wait_packed(h)
        assert packed(h)[0] >= 5
        assert answers(h, now) == seen
        os.kill(h.engine_pid(), signal.SIGSTOP)  # what was asked just now is told without it
        try:
            for query in ("late", "rate(counter[2m])", "histogram_count(native)"):
                assert ask(h, "query", query=query, time=now / 1000, timeout="20s")["result"]
        finally:
            os.kill(h.engine_pid(), signal.SIGCONT)
        write(h, rw.series({"__name__": "late_again", "job": "a"}, rw.sample(9, now - 4 * 3_600_000)))
        write(h, rw.series({"__name__": "late", "job": "a"}, rw.sample(2.5, now - 50_000)))
        h.flush()
        seen = answers(h, now)  # some slots are packed, some not any more
        assert seen["late_again", "range"]
        wait_packed(h)
        assert answers(h, now) == seen
        h.stop()
        h.start()
        wait_packed(h)
        assert answers(h, now) == seen
        h.stop()
        h.settings["prometheus.pack_after"] = "0"
        h.start()
        assert answers(h, now) == seen


def test_slots_of_an_older_revision_are_packed_again():
    """Schema 4 packed no native histograms: its slots that have some are packed again, the others stay as they are."""
    now = an_instant()
    with Homeostat(settings=SETTINGS) as h:
        fill(h, now)
        wait_packed(h)
        seen = answers(h, now)

        def packed_anew(told):
            h.stop()
            with Engine(data=h.data) as engine:
                engine.query("ALTER TABLE homeostat.packed_slots UPDATE revision = {revision:UInt8} WHERE 1",
                             params={"revision": told}, mutations_sync=1)
            h.start()
            wait_packed(h)
            return h.metrics()["homeostat_packed_samples_total"]
        assert packed_anew(1) == 0
        assert packed_anew(0) > 0
        assert answers(h, now) == seen


def test_kills_in_the_middle_of_packing():
    now = an_instant()
    with Homeostat(settings={**SETTINGS, "prometheus.pack_after": "0"}) as h:
        fill(h, now)
        for i in range(6):
            write(h, *[rw.series({"__name__": "many", "n": str(n)},
                                 *[rw.sample(n / 7 + s, now - i * 3_600_000 + s * 1000) for s in range(20)])
                       for n in range(500)])
        h.flush()
        seen = {**answers(h, now), "many": ask(h, "query", query="sum(sum_over_time(many[9h]))", time=now / 1000 + 60)}
        h.stop()
        h.settings["prometheus.pack_after"] = "1ms"
        for kill in range(12):
            h.start()
            end = time.monotonic() + 20
            while packed(h)[0] == 0 and time.monotonic() < end and kill % 3:
                time.sleep(0.01)
            time.sleep(0.03 * kill)
            which = "engine" if kill % 4 == 3 else "serve"
            h.kill(which, signal.SIGKILL)
            if which == "engine":
                h.kill("serve", signal.SIGKILL)
        h.start()
        wait_packed(h)
        assert {**answers(h, now),
                "many": ask(h, "query", query="sum(sum_over_time(many[9h]))", time=now / 1000 + 60)} == seen
        os.kill(h.process.pid, signal.SIGTERM)
        h.process.wait(60)
