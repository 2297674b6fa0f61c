"""For tests that the same questions have the same answers, wherever the samples lie: series of every odd kind, and what is
told of them."""
import remote_write as rw
from test_prometheus_api import ask, otlp, write


def send(h, name, *samples, **labels):
    write(h, rw.series({"__name__": name, "job": "a", **labels}, *samples))


def odd_series(h, now):
    """late, again, stale, mixed: of the last two minutes."""
    send(h, "late", rw.sample(2, now - 60_000), rw.sample(4, now - 20_000))
    send(h, "late", rw.sample(1, now - 90_000), rw.sample(3, now - 40_000))  # out of order
    send(h, "again", rw.sample(1, now - 30_000))
    send(h, "again", rw.sample(2, now - 30_000))  # the later writing stands
    send(h, "stale", rw.sample(1, now - 30_000), rw.sample(rw.STALE, now - 10_000))
    send(h, "mixed", rw.sample(5, now - 45_000))
    write(h, rw.series({"__name__": "mixed", "job": "a"},
                       rw.histogram(rw.integer(1, 13), rw.double(3, 20.5), rw.signed(4, 1), rw.double(5, 0.001),
                                    rw.integer(6, 2), rw.spans(11, [(-2, 2), (1, 1)]), rw.deltas(12, [3, 1, 1]),
                                    rw.integer(15, now - 15_000))))


def native(h, name, times_ms, label="0"):
    """Native histograms that grow, start again, and get buckets of their own."""
    points = []
    for i, t in enumerate(sorted(times_ms)):
        n = i % 50 + 1
        counts = [2 * n, n] + [n // 2 + 1] * (i % 7 == 0)
        points.append(rw.histogram(rw.integer(1, sum(counts)), rw.double(3, 0.7 * n), rw.signed(4, 2),
                                   rw.double(5, 0.001), rw.integer(6, 0), rw.spans(11, [(-1, len(counts))]),
                                   rw.deltas(12, [b - a for a, b in zip([0, *counts], counts)]), rw.integer(15, t)))
    write(h, rw.series({"__name__": name, "job": "a", "n": label}, *points))


def otlp_points(h, now, latency=False):
    """otlp.requests, and otlp.latency as an exponential histogram."""
    def points(scope):
        metric = scope.metrics.add(name="otlp.requests")
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
        for i in range(5):
            metric.sum.data_points.add(time_unix_nano=(now - i * 15_000) * 1_000_000, as_int=100 - i)
        if not latency:
            return
        metric = scope.metrics.add(name="otlp.latency")
        metric.exponential_histogram.aggregation_temporality = 2
        for i in range(5):
            point = metric.exponential_histogram.data_points.add(time_unix_nano=(now - i * 15_000) * 1_000_000,
                                                                 count=100 - 10 * i, sum=10, scale=2, zero_count=10)
            point.positive.offset = -3
            point.positive.bucket_counts.extend([90 - 10 * i])
    otlp(h, points)


def answers(h, now, queries, over_s):
    """Each query at one instant, and over so many seconds."""
    def canonical(result):
        return sorted((str(sorted(s["metric"].items())), str(s.get("value") or s.get("values") or s.get("histogram") or
                                                             s.get("histograms"))) for s in result)
    out = {}
    for query in queries:
        out[query] = canonical(ask(h, "query", query=query, time=now / 1000)["result"])
        over = ask(h, "query_range", query=query, start=now / 1000 - over_s, end=now / 1000, step="30s")
        out[query, "range"] = canonical(over["result"])
    return out
