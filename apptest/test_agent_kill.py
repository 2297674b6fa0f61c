"""Agent to Homeostat: nothing lost, nothing twice. The agent, `serve` or both are killed at random moments under load, and
answers get lost; afterwards every record of every signal that the agent acknowledged is stored exactly once, every other
at most once.

HOMEOSTAT_KILLS: how many (default 16). HOMEOSTAT_SEED: of the moments and the load.
Also a program: python test_agent_kill.py prints the summary as JSON.
"""
import collections
import json
import os
import random
import socket
import sys
import time
import urllib.request

from agent_process import Agent
from harness import PATIENCE_S, Homeostat
from http_double import Answering, Double
from kill_load import OTLP, Sender, holds, start_all, stop_all, stored_counts, summary

KILLS = int(os.environ.get("HOMEOSTAT_KILLS", "16"))
SEED = int(os.environ.get("HOMEOSTAT_SEED", "0")) or random.randrange(1 << 30)
SENDERS = 3
# The shortest window of hashes that there is: what is recognised after it is recognised by its name.
SETTINGS = {"batch.max_age": "100ms", "retention.max_age": "0", "ingest.retry_window": "1s"}


def one_kill(homeostat, agent, dice, counts):
    what = dice.choice(["agent", "agent", "serve", "serve", "agent then serve", "serve then agent"])
    counts[what] += 1
    for name in what.split(" then "):
        (agent if name == "agent" else homeostat).kill()
        time.sleep(dice.uniform(0, 0.5) if "then" in what else 0)
    names = what.split(" then ")
    for name in names if dice.random() < 0.5 else names[::-1]:
        if name == "agent":
            agent.start()
        else:
            time.sleep(dice.choice([0, 0, 2.5]))  # sometimes longer than the window of hashes
            homeostat.start(wait_engine=False)
    if dice.random() < 0.5:
        homeostat.wait_ready(PATIENCE_S)


def run(kills=KILLS, seed=SEED):
    dice = random.Random(seed)
    counts = collections.Counter()
    with Homeostat(settings=SETTINGS) as homeostat, \
            Agent(homeostat.url("otlp_http"), {"agent.forward.connections": "4"}) as agent:
        senders = [Sender(agent, number, seed * 1000 + number, OTLP) for number in range(SENDERS)]
        start_all(senders)
        for _ in range(kills):
            time.sleep(dice.uniform(0.05, 0.8))
            one_kill(homeostat, agent, dice, counts)
        homeostat.wait_ready(PATIENCE_S)
        stop_all(senders)
        agent.wait_drained()
        homeostat.flush()
        return summary(seed, counts, senders, stored_counts(homeostat),
                       dropped=agent.metrics()["homeostat_agent_dropped_requests_total"])


def test_what_the_agent_acknowledged_is_stored_exactly_once():
    result = run()
    print(json.dumps(result))
    assert holds(result, "dropped", signals=OTLP), result


def test_answers_that_get_lost_make_no_doubles():
    """Between agent and receiver stands something that passes requests on and loses the answers of some."""
    dice, lost = random.Random(7), []
    with Homeostat(settings=SETTINGS) as homeostat:
        class Forgetful(Answering):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k: v for k, v in self.headers.items() if k not in ("Host", "Content-Length", "Connection")}
                request = urllib.request.Request(homeostat.url("otlp_http", self.path), body, headers, method="POST")
                with urllib.request.urlopen(request, timeout=60) as answer:
                    if dice.random() < 0.4:
                        lost.append(self.headers["Homeostat-Shipment"])
                        self.close_connection = True
                        return self.connection.shutdown(socket.SHUT_RDWR)
                    return self.answer(answer.status, answer.read())

        settings = {"agent.forward.backoff_max": "1500ms", "agent.forward.connections": "4"}
        with Double(Forgetful) as double, Agent(f"http://{double.address}", settings) as agent:
            sender, sent = Sender(agent, 0, 1), []
            for kind in 10 * OTLP:
                _, ids, body = sender.next_request(kind, records=6)
                assert sender.post(kind, body) == 200
                sent += ids
            agent.wait_drained()
            homeostat.flush()
            assert stored_counts(homeostat) == dict.fromkeys(sent, 1)
            assert len(lost) >= 5


if __name__ == "__main__":
    told = run()
    print(json.dumps(told, indent=1))
    sys.exit(0 if holds(told, "dropped", signals=OTLP) else 1)
