"""Acknowledged means durable: `serve`, the engine, or both are killed at random moments under load, also while the
journal is being replayed. Afterwards every acknowledged log record is stored exactly once, every other at most once.

HOMEOSTAT_KILLS: how many (default 20; the soak takes 200). HOMEOSTAT_SEED: of the moments and the load.
After every 20 the journal may empty itself and the store is looked at: an engine that lives for a second at a time does
not keep up, and what waits would otherwise grow with the number of kills.
Also a program: python test_kill.py prints the summary as JSON.
"""
import collections
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

from engine_process import Engine
from harness import PATIENCE_S, Homeostat

KILLS = int(os.environ.get("HOMEOSTAT_KILLS", "20"))
SEED = int(os.environ.get("HOMEOSTAT_SEED", "0")) or random.randrange(1 << 30)
SENDERS = 3
ROUND = 20  # kills between two looks at the store


class Sender(threading.Thread):
    """Sends log records with unique ids; repeats a request whose answer it did not get, as exporters do, but not always."""

    def __init__(self, homeostat, number, seed):
        super().__init__(daemon=True)
        self.homeostat, self.number, self.random = homeostat, number, random.Random(seed)
        self.stopping = threading.Event()
        self.acknowledged, self.unanswered = set(), set()
        self.refused = self.repeated = 0
        self.connection = None

    def run(self):
        serial = 0
        while not self.stopping.is_set():
            ids = [f"{self.number}-{serial + i}" for i in range(self.random.randint(1, 20))]
            serial += len(ids)
            self.deliver(ids, self.body(ids))
            time.sleep(self.random.expovariate(60))

    def body(self, ids):
        now = time.time_ns()
        # Some are old: rows of one request then fall into several partitions, hence several blocks.
        records = [{"timeUnixNano": str(now - self.random.choice([0, 0, 0, 7 * 3600, 50 * 3600]) * 10**9),
                    "body": {"stringValue": "kill test"}, "severityNumber": 9,
                    "attributes": [{"key": "test.id", "value": {"stringValue": i}}]} for i in ids]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": f"sender-{self.number}"}}]}
        return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}).encode()

    def deliver(self, ids, body):
        for attempt in range(40):
            status = self.post(body)
            if status == 200:
                self.acknowledged.update(ids)
                return
            if status in (429, 503):
                self.refused += 1
            elif status is not None:
                raise AssertionError(f"answer {status}")
            if self.random.random() < 0.1:
                break  # this one gives up
            self.repeated += attempt > 0
            time.sleep(0.05 * min(attempt + 1, 10))
        self.unanswered.update(ids)

    def post(self, body):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.homeostat.ports["otlp_http"], timeout=10)
            self.connection.request("POST", "/v1/logs", body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            return None


def kill_pid(pid):
    if not pid:  # there is none right now; 0 would be this test and everything it has started
        return
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def one_kill(homeostat, dice, counts):
    """One of: serve, engine, both in either order; serve perhaps again while it replays."""
    what = dice.choice(["serve", "serve", "engine", "engine then serve", "serve then engine"])
    engine = homeostat.engine_pid()
    counts[what] += 1
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


def stored_counts(homeostat):
    # Every id and how often it is there; raw, so that nothing but the engine's own reader stands between.
    engine = Engine(data=homeostat.data, start=False)
    text = engine.query("SELECT attrs['test.id'] AS id, count() FROM homeostat.logs GROUP BY id FORMAT TSV").decode()
    return {line.split("\t")[0]: int(line.split("\t")[1]) for line in text.splitlines()}


def one_round(homeostat, senders, kills, dice, counts):
    """Kills under load; then what is stored, once nobody sends and nothing waits."""
    for sender in senders:
        sender.start()
    for _ in range(kills):
        time.sleep(dice.uniform(0.05, 0.8))
        one_kill(homeostat, dice, counts)
    homeostat.wait_ready(PATIENCE_S)
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.join(60)
    homeostat.flush()
    return stored_counts(homeostat)


def is_wrong(stored, senders):
    acknowledged = set().union(*(s.acknowledged for s in senders))
    return any(stored.get(i, 0) == 0 for i in acknowledged) or any(times > 1 for times in stored.values())


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
            if is_wrong(stored, senders):
                break
        ready = homeostat.status()
    acknowledged = set().union(*(s.acknowledged for s in senders))
    unanswered = set().union(*(s.unanswered for s in senders))
    return {"seed": seed, "kills": dict(counts), "acknowledged": len(acknowledged), "unanswered": len(unanswered),
            "repeated_requests": sum(s.repeated for s in senders), "refused_requests": sum(s.refused for s in senders),
            "lost": sorted(i for i in acknowledged if stored.get(i, 0) == 0)[:20],
            "twice": sorted(i for i, times in stored.items() if times > 1)[:20],
            "unknown": sorted(set(stored) - acknowledged - unanswered)[:20],
            "unanswered_but_stored": sum(i in stored for i in unanswered),
            "corrupt_segments": ready["ingest"]["corrupt_segments"],
            "quarantined_blocks": ready["ingest"]["quarantined_blocks"]}


def verdict(result):
    return not (result["lost"] or result["twice"] or result["unknown"] or result["corrupt_segments"]
                or result["quarantined_blocks"]) and result["acknowledged"] > 0


def test_what_was_acknowledged_is_stored_exactly_once():
    result = run()
    print(json.dumps(result))
    assert verdict(result), result


def test_a_frozen_engine_neither_stops_intake_nor_the_stop():
    with Homeostat(settings={"batch.max_age": "100ms", "retention.max_age": "0"}) as homeostat:
        os.kill(homeostat.engine_pid(), signal.SIGSTOP)
        sender = Sender(homeostat, 0, 1)
        bodies = [sender.body([f"0-{i}"]) for i in range(20)]
        for body in bodies:
            assert sender.post(body) == 200
            time.sleep(0.02)
        homeostat.stop()  # raises when it takes too long
        assert homeostat.process.returncode == 0
        homeostat.start()
        for body in bodies:
            assert sender.post(body) in (200, None)  # repeated: recognised (None: the old connection)
        homeostat.flush()
        assert stored_counts(homeostat) == {f"0-{i}": 1 for i in range(20)}


if __name__ == "__main__":
    summary = run()
    print(json.dumps(summary, indent=1))
    sys.exit(0 if verdict(summary) else 1)
