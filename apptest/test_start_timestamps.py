"""When what a sample counts began comes through the journal and the store, for PromQL's feature use-start-timestamps: the
same from memory, from disk, and after a restart; without the feature nothing looks at it."""
import requests

import remote_write as rw
import remote_write_v2 as v2
from harness import Homeostat
from test_prometheus_api import ask, now_ms, otlp

FEATURES = "promql-experimental-functions,use-start-timestamps"
QUERIES = ("start_timestamp(jobs_total)", "increase(jobs_total[2m])", "resets(jobs_total[2m])", "irate(jobs_total[2m])",
           "start_timestamp(runs_total)", "increase(runs_total[2m])", "increase(deltas_total[1m])",
           "start_timestamp(waits)", "histogram_count(increase(waits[2m]))", "resets(waits[2m])")


def fill(h, now):
    request = v2.Request()
    # A restart that the values do not show: it counted on beyond what the process before had.
    request.series({"__name__": "jobs_total"}, v2.sample(5, now - 90_000, now - 200_000),
                   v2.sample(6, now - 60_000, now - 200_000), v2.sample(7, now - 30_000, now - 50_000),
                   v2.sample(9, now - 1_000, now - 50_000))
    answer = requests.post(h.url("http", "/api/v1/write"), data=request.body(), headers=v2.HEADERS, timeout=30)
    assert answer.status_code == 204, answer.text

    def points(scope):
        runs, deltas, waits = (scope.metrics.add(name=name) for name in ("runs", "deltas", "waits"))
        runs.sum.is_monotonic, runs.sum.aggregation_temporality = True, 2
        deltas.sum.is_monotonic, deltas.sum.aggregation_temporality = True, 1
        waits.exponential_histogram.aggregation_temporality = 2
        for at, began, value in ((60_000, 80_000, 5), (30_000, 40_000, 7), (1_000, 40_000, 8)):
            time = {"time_unix_nano": (now - at) * 1_000_000, "start_time_unix_nano": (now - began) * 1_000_000}
            runs.sum.data_points.add(as_int=value, **time)
            one = waits.exponential_histogram.data_points.add(count=value, sum=value, **time)
            one.positive.bucket_counts.extend([value])
        # Sent once after half a minute of silence: it counts since a quarter of a minute.
        deltas.sum.data_points.add(as_int=4, time_unix_nano=(now - 50_000) * 1_000_000,
                                   start_time_unix_nano=(now - 70_000) * 1_000_000)
    otlp(h, points)
    h.flush()


def answers(h, now):
    def value(query):
        result = ask(h, "query", query=query, time=now / 1000)["result"]
        return [float(one["value"][1]) for one in result]
    return {query: value(query) for query in QUERIES}


def test_starts_are_stored_and_asked_for(tmp_path):
    now = now_ms() // 1000 * 1000
    with Homeostat(data=tmp_path / "data", settings={"prometheus.features": FEATURES}) as h:
        fill(h, now)
        first = answers(h, now)
        assert first["start_timestamp(jobs_total)"] == [now / 1000 - 50]
        assert first["resets(jobs_total[2m])"] == [1] and first["resets(waits[2m])"] == [1]
        assert first["start_timestamp(runs_total)"] == first["start_timestamp(waits)"] == [now / 1000 - 40]
        # 5 since its start, then 8 of the second process; the last second is stretched
        assert 13 <= first["increase(runs_total[2m])"][0] < 13.5
        assert 13 <= first["histogram_count(increase(waits[2m]))"][0] < 13.5
        h.stop()
        for memory in ("0", "128MiB"):
            h.settings["prometheus.memory"] = memory
            h.start()
            assert answers(h, now) == first
            h.stop()
        h.settings["prometheus.features"] = "promql-experimental-functions"
        h.start()
        without = answers(h, now)
        assert without["start_timestamp(jobs_total)"] == [] and without["resets(jobs_total[2m])"] == [0]
        assert without["increase(runs_total[2m])"][0] < 7
