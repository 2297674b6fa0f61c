"""The newest samples are kept in memory: answers are the same with it, without it, and after a restart, and the engine
is not asked for what is in it."""
import os
import signal
import time

import remote_write as rw
from harness import Homeostat, wait_for
from test_prometheus_api import ask, now_ms, otlp, write

QUERIES = ("late", "mixed", "stale", "again", "rate(counter[2m])", "sum by (job) (rate(counter[2m]))", "otlp_requests_total",
           "last_over_time({__name__=~'late|mixed|again|counter'}[40m])", "histogram_count(mixed)",
           "histogram_quantile(0.5, otlp_latency)", "histogram_count(rate(otlp_latency[2m]))",
           "last_over_time(old[4h])", "last_over_time({job='a'}[5h])")


def fill(h, now):
    def send(name, *samples, **labels):
        write(h, rw.series({"__name__": name, "job": "a", **labels}, *samples))
    for i in range(30):
        send("counter", *[rw.sample(10 * i + s, now - (30 - i) * 60_000 + s * 1000) for s in range(3)], n=str(i % 3))
    send("late", rw.sample(2, now - 60_000), rw.sample(4, now - 20_000))
    send("late", rw.sample(1, now - 90_000), rw.sample(3, now - 40_000))  # out of order
    send("again", rw.sample(1, now - 30_000))
    send("again", rw.sample(2, now - 30_000))  # the later writing stands
    send("stale", rw.sample(1, now - 30_000), rw.sample(rw.STALE, now - 10_000))
    send("old", rw.sample(7, now - 3 * 3_600_000))  # before what memory keeps here
    send("mixed", rw.sample(5, now - 45_000))
    write(h, rw.series({"__name__": "mixed", "job": "a"},
                       rw.histogram(rw.integer(1, 13), rw.double(3, 20.5), rw.signed(4, 1), rw.double(5, 0.001),
                                    rw.integer(6, 2), rw.spans(11, [(-2, 2), (1, 1)]), rw.deltas(12, [3, 1, 1]),
                                    rw.integer(15, now - 15_000))))

    def points(scope):
        metric = scope.metrics.add(name="otlp.requests")
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
        for i in range(5):
            metric.sum.data_points.add(time_unix_nano=(now - i * 15_000) * 1_000_000, as_int=100 - i)
        metric = scope.metrics.add(name="otlp.latency")
        metric.exponential_histogram.aggregation_temporality = 2
        for i in range(5):
            point = metric.exponential_histogram.data_points.add(time_unix_nano=(now - i * 15_000) * 1_000_000,
                                                                 count=100 - 10 * i, sum=10, scale=2, zero_count=10)
            point.positive.offset = -3
            point.positive.bucket_counts.extend([90 - 10 * i])
    otlp(h, points)
    h.flush()


def answers(h, now):
    """Each query at one instant, and over half an hour."""
    def canonical(result):
        return sorted((str(sorted(s["metric"].items())), str(s.get("value") or s.get("values") or s.get("histogram") or
                                                             s.get("histograms"))) for s in result)
    out = {}
    for query in QUERIES:
        out[query] = canonical(ask(h, "query", query=query, time=now / 1000)["result"])
        over = ask(h, "query_range", query=query, start=now / 1000 - 1800, end=now / 1000, step="30s")
        out[query, "range"] = canonical(over["result"])
    return out


def in_memory(h):
    """Since when nothing is missing there; 0: nothing is promised."""
    line = next(line for line in h.get("/metrics")[1].splitlines() if line.startswith("homeostat_recent_samples_from_s"))
    return float(line.split()[1])


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
