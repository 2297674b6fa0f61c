"""Acknowledged means durable: `serve`, the engine, or both are killed at random moments under load, also while the
journal is being replayed and while the engine merges. Afterwards every acknowledged record of every signal is stored
exactly once, every other at most once.

HOMEOSTAT_KILLS: how many (default 20; the soak takes 200). HOMEOSTAT_SEED: of the moments and the load.
After every 20 the journal may empty itself and the store is looked at: an engine that lives for a second at a time does
not keep up, and what waits would otherwise grow with the number of kills.
Also a program: python test_kill.py prints the summary as JSON.
"""
import collections
import json
import os
import random
import signal
import sys
import time

from harness import PATIENCE_S, Homeostat
from kill_load import ALL, Sender, holds, merge_all, start_all, stop_all, stored_counts, summary

KILLS = int(os.environ.get("HOMEOSTAT_KILLS", "20"))
SEED = int(os.environ.get("HOMEOSTAT_SEED", "0")) or random.randrange(1 << 30)
SENDERS = 3
DAMAGE = ("corrupt_segments", "quarantined_blocks")
ROUND = 20  # kills between two looks at the store


def kill_pid(pid):
    if not pid:  # there is none right now; 0 would be this test and everything it has started
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def one_kill(homeostat, dice, counts):
    """One of: serve, engine, both in either order, the engine while it merges; serve perhaps again while it replays."""
    what = dice.choice(["serve", "serve", "engine", "engine that merges", "engine then serve", "serve then engine"])
    engine = homeostat.engine_pid()
    counts[what] += 1
    if what == "engine that merges":
        merge_all(homeostat)
        time.sleep(dice.uniform(0, 0.1))
    if what.startswith("engine"):
        kill_pid(engine)
        time.sleep(dice.uniform(0, 0.3) if "then" in what else 0)
    if "serve" in what:
        homeostat.kill("serve")
        if what.endswith("then engine"):
            kill_pid(engine)
        homeostat.start(wait_engine=False)
        while dice.random() < 0.4:  # while the journal is read, the engine starts, the rest is delivered
            time.sleep(dice.uniform(0, 1.5))
            counts["again while replaying"] += 1
            homeostat.kill("serve")
            homeostat.start(wait_engine=False)
    if dice.random() < 0.5:  # else the next one comes while it is still busy with this one
        homeostat.wait_ready(PATIENCE_S)


def one_round(homeostat, senders, kills, dice, counts):
    """Kills under load; then what is stored, once nobody sends and nothing waits."""
    start_all(senders)
    for _ in range(kills):
        time.sleep(dice.uniform(0.05, 0.8))
        one_kill(homeostat, dice, counts)
    homeostat.wait_ready(PATIENCE_S)
    stop_all(senders)
    homeostat.flush()
    return stored_counts(homeostat)


def run(kills=KILLS, seed=SEED):
    dice = random.Random(seed)
    counts = collections.Counter()
    settings = {"batch.max_age": "100ms", "batch.max_rows": "300", "retention.max_age": "0", "log.level": "info"}
    senders = []
    with Homeostat(settings=settings) as homeostat:
        for done in range(0, kills, ROUND):
            new = [Sender(homeostat, len(senders) + n, seed * 1000 + len(senders) + n) for n in range(SENDERS)]
            senders += new
            stored = one_round(homeostat, new, min(ROUND, kills - done), dice, counts)
            result = summary(seed, counts, senders, stored)
            if not holds(result):
                break
        ingest = homeostat.status()["ingest"]
    return {**result, **{bad: ingest[bad] for bad in DAMAGE}}


def test_what_was_acknowledged_is_stored_exactly_once():
    result = run()
    print(json.dumps(result))
    assert holds(result, *DAMAGE), result


def test_a_frozen_engine_neither_stops_intake_nor_the_stop():
    with Homeostat(settings={"batch.max_age": "100ms", "retention.max_age": "0"}) as homeostat:
        os.kill(homeostat.engine_pid(), signal.SIGSTOP)
        sender = Sender(homeostat, 0, 1)
        requests = [sender.next_request(kind, records=6) for kind in 5 * ALL]
        for kind, _, body in requests:
            assert sender.post(kind, body) in (200, 204)
            time.sleep(0.02)
        homeostat.stop()  # raises when it takes too long
        assert homeostat.process.returncode == 0
        homeostat.start()
        for kind, _, body in requests:
            assert sender.post(kind, body) in (200, 204, None)  # repeated: recognised (None: the old connection)
        homeostat.flush()
        assert stored_counts(homeostat) == {record: 1 for _, ids, _ in requests for record in ids}


if __name__ == "__main__":
    told = run()
    print(json.dumps(told, indent=1))
    sys.exit(0 if holds(told, *DAMAGE) else 1)
