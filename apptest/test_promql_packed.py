"""Samples are packed by series when their two hours are over: answers are the same before and after, with late samples,
after a restart, and after a kill in the middle of packing."""
import os
import signal
import time

import remote_write as rw
from harness import Homeostat, wait_for
from test_prometheus_api import ask, now_ms, otlp, write

SLOT_MS = 7_200_000
QUERIES = ("late", "late_again", "mixed", "stale", "again", "fast", "rate(counter[2m])",
           "sum by (job) (rate(counter[2m]))", "otlp_requests_total", "histogram_count(mixed)",
           "last_over_time({__name__=~'late|mixed|again|counter|fast'}[40m])", "sum by (n) (last_over_time({job='a'}[9h]))",
           "rate(counter[2m] offset 3h)", "count_over_time(counter[7h] @ end())")
SETTINGS = {"retention.max_age": "0", "prometheus.memory": "0", "prometheus.pack_after": "1s"}


def fill(h, now):
    def send(name, *samples, **labels):
        write(h, rw.series({"__name__": name, "job": "a", **labels}, *samples))
    for i in range(40):  # nine hours
        send("counter", *[rw.sample(10 * i + s, now - i * 810_000 - s * 15_000) for s in range(8)], n=str(i % 3))
    send("fast", *[rw.sample(n * 0.1, now - 5_000_000 + n * 1000) for n in range(2000)])  # several rows of one series
    send("late", rw.sample(2, now - 60_000), rw.sample(4, now - 20_000))
    send("late", rw.sample(1, now - 90_000), rw.sample(3, now - 40_000))  # out of order
    send("again", rw.sample(1, now - 30_000))
    send("again", rw.sample(2, now - 30_000))  # the later writing stands
    send("stale", rw.sample(1, now - 30_000), rw.sample(rw.STALE, now - 10_000))
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
    otlp(h, points)
    h.flush()


def answers(h, now):
    """Each query at one instant, and over nine hours."""
    def canonical(result):
        return sorted((str(sorted(s["metric"].items())), str(s.get("value") or s.get("values") or s.get("histogram") or
                                                             s.get("histograms"))) for s in result)
    out = {}
    for query in QUERIES:
        out[query] = canonical(ask(h, "query", query=query, time=now / 1000)["result"])
        over = ask(h, "query_range", query=query, start=now / 1000 - 32_400, end=now / 1000, step="30s")
        out[query, "range"] = canonical(over["result"])
    return out


def packed(h):
    """-> slots that are packed, slots that wait."""
    lines = h.get("/metrics")[1].splitlines()
    return tuple(int(next(line for line in lines if line.startswith(name + " ")).split()[1])
                 for name in ("homeostat_packed_slots", "homeostat_packed_slots_waiting"))


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
