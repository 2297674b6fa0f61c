"""The newest samples are kept in memory: answers are the same with it, without it, and after a restart, and the engine
is not asked for what is in it."""
import os
import signal
import time

import promql_answers
import remote_write as rw
from harness import Homeostat, wait_for
from promql_answers import odd_series, otlp_points, send
from test_prometheus_api import ask, now_ms, write

QUERIES = ("late", "mixed", "stale", "again", "rate(counter[2m])", "sum by (job) (rate(counter[2m]))", "otlp_requests_total",
           "last_over_time({__name__=~'late|mixed|again|counter'}[40m])", "histogram_count(mixed)",
           "histogram_quantile(0.5, otlp_latency)", "histogram_count(rate(otlp_latency[2m]))",
           "last_over_time(old[4h])", "last_over_time({job='a'}[5h])")


def fill(h, now):
    for i in range(30):
        send(h, "counter", *[rw.sample(10 * i + s, now - (30 - i) * 60_000 + s * 1000) for s in range(3)], n=str(i % 3))
    send(h, "old", rw.sample(7, now - 3 * 3_600_000))  # before what memory keeps here
    odd_series(h, now)
    otlp_points(h, now, latency=True)
    h.flush()


def answers(h, now):
    return promql_answers.answers(h, now, QUERIES, 1800)


def in_memory(h):
    """Since when nothing is missing there; 0: nothing is promised."""
    return h.metrics()["homeostat_recent_samples_from_s"]


def test_answers_do_not_depend_on_the_memory():
    with Homeostat(settings={"retention.max_age": "0", "prometheus.memory_age": "2h"}) as h:
        wait_for("memory is filled", lambda: in_memory(h) > 0, 60)
        now = now_ms() // 15_000 * 15_000
        fill(h, now)
        seen = answers(h, now)
        assert [q for q, rows in seen.items() if not rows] == ["stale"]
        os.kill(h.engine_pid(), signal.SIGSTOP)  # what follows is told without it
        try:
            for query in ("late", "rate(counter[2m])", "otlp_requests_total", "histogram_count(mixed)",
                          "histogram_quantile(0.5, otlp_latency)"):
                ask(h, "query", query=query, time=now / 1000, timeout="20s")
        finally:
            os.kill(h.engine_pid(), signal.SIGCONT)
        h.stop()
        h.start()
        wait_for("memory is filled again", lambda: in_memory(h) > 0, 60)
        assert answers(h, now) == seen
        h.stop()
        h.settings["prometheus.memory"] = "0"
        h.start()
        time.sleep(1)
        assert in_memory(h) == 0
        assert answers(h, now) == seen


def test_a_small_memory_forgets_and_the_engine_knows():
    with Homeostat(settings={"retention.max_age": "0", "prometheus.memory": "64KiB"}) as h:
        wait_for("memory is filled", lambda: in_memory(h) > 0, 60)
        now = now_ms()
        for i in range(20):
            write(h, *[rw.series({"__name__": "many", "n": str(n)}, rw.sample(n / 7 + i, now - 1000 * (20 - i)))
                       for n in range(300)])
        h.flush()
        assert ask(h, "query", query="sum(count_over_time(many[1m]))", time=now / 1000)["result"][0]["value"][1] == "6000"
