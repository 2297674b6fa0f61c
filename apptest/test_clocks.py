"""Times that nobody can mean, and those that somebody does: what docs/clocks.md says, through the door."""
import time

import pytest
import requests

import remote_write as rw
from harness import Homeostat

S = 1_000_000_000
DAY = 86_400 * S


@pytest.fixture(scope="module")
def h():
    with Homeostat() as homeostat:
        yield homeostat


def log(h, body, at, observed=0):
    record = {"timeUnixNano": str(at), "observedTimeUnixNano": str(observed), "body": {"stringValue": body}}
    answer = requests.post(h.url("otlp_http", "/v1/logs"), timeout=60,
                           json={"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    assert answer.status_code == 200 and answer.text == "{}", answer.text


def stored(h, body, around):
    """The record, looked for where its stored time is."""
    h.flush()
    status, page = h.get(f"/v1/logs?contains={body}&start={around - 600 * S}&end={around + 600 * S}")
    assert status == 200, page
    return page["logs"]


def lag(h, signal, bound):
    """Items that were at most so late."""
    return h.metrics()[f'homeostat_item_lag_seconds_bucket{{signal="{signal}",le="{bound}"}}']


@pytest.mark.parametrize("name,ago,found_ago", [
    ("now", 0, 0), ("minutes-ahead", -50 * 60 * S, -50 * 60 * S), ("hours-ahead", -7 * 3600 * S, -3600 * S),
    ("days-late", 20 * DAY, 20 * DAY), ("months-late", 200 * DAY, 30 * DAY)])
def test_a_record_is_found_where_it_is_stored_and_shows_the_time_that_was_sent(h, name, ago, found_ago):
    now = time.time_ns()
    log(h, name, now - ago)
    found = stored(h, name, now - found_ago)
    assert [row["time_unix_nano"] for row in found] == [str(now - ago)]


def test_without_a_time_the_observed_one_counts_and_without_both_ours(h):
    now = time.time_ns()
    log(h, "observed-only", 0, now - DAY)
    assert len(stored(h, "observed-only", now - DAY)) == 1
    log(h, "timeless", 0)
    assert len(stored(h, "timeless", now)) == 1


def test_samples_of_another_time_are_rejected_and_the_others_kept(h):
    now_ms = time.time_ns() // 1_000_000
    body = rw.body(rw.series({"__name__": "clock_test"}, rw.sample(1, now_ms - 400 * 86_400_000), rw.sample(2, now_ms),
                             rw.sample(3, now_ms + 2 * 3_600_000)))
    answer = requests.post(h.url("http", "/api/v1/write"), data=body, headers=rw.HEADERS, timeout=60)
    assert answer.status_code == 400
    assert "1 samples rejected: older than what is kept" in answer.text
    assert "1 samples rejected: more than an hour in the future" in answer.text
    h.flush()
    result = h.get("/api/v1/query?query=clock_test")[1]["data"]["result"]
    assert [row["value"][1] for row in result] == ["2"]


def test_lag_is_counted_by_how_late_items_are():
    with Homeostat() as h:
        now = time.time_ns()
        for ago, n in ((-2 * 3600, 1), (-120, 2), (0, 3), (1800, 4), (40 * 86_400, 5)):
            for i in range(n):
                log(h, f"lag {ago} {i}", now - ago * S)
        at_most = {bound: lag(h, "logs", bound) for bound in (-3600, -60, 600, 3600, 2592000, "+Inf")}
        # The three of now may be late on a busy machine, but not by ten minutes.
        assert at_most == {-3600: 1, -60: 3, 600: 6, 3600: 10, 2592000: 10, "+Inf": 15}
        assert lag(h, "traces", "+Inf") == 0
