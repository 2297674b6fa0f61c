"""The engine's process under the ways processes die: killed, orphaned, stopped, out of disk."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from engine_process import Engine, Refused, alive, wait_gone

TABLE = ("CREATE TABLE IF NOT EXISTS t (token UInt64, n UInt64, pad String) ENGINE = MergeTree ORDER BY (token, n) "
         "SETTINGS non_replicated_deduplication_window = 1000")
ROWS = 2000


def rows(token, count=ROWS):
    return b"".join(b"%d\t%d\t%s\n" % (token, i, b"x" * 40) for i in range(count))


def insert(engine, token, count=ROWS, timeout_s=30):
    engine.query("INSERT INTO t FORMAT TabSeparated", body=rows(token, count), timeout_s=timeout_s, async_insert=0,
                 insert_deduplicate=1, insert_deduplication_token=f"token-{token}", max_insert_block_size=1000000)


def content(engine):
    """token -> rows"""
    lines = engine.query("SELECT token, count(), uniqExact(n) FROM t GROUP BY token FORMAT TabSeparated").decode()
    out = {}
    for line in lines.splitlines():
        token, count, different = map(int, line.split("\t"))
        assert count == different
        out[token] = count
    return out


def test_killed_during_inserts():
    """Tokens that were answered are in, whole; after the replay of all, everything is in exactly once."""
    seed = random.Random(7)
    with Engine() as engine:
        engine.query(TABLE)
        sent, answered = 0, set()
        for _ in range(5):
            def send(first):
                for token in range(first, first + 200):
                    try:
                        insert(engine, token)
                    except (OSError, Refused):
                        return
                    answered.add(token)
            threads = [threading.Thread(target=send, args=(sent + 1000 * i,)) for i in range(2)]
            for t in threads:
                t.start()
            time.sleep(0.3 + seed.random())
            engine.kill()
            for t in threads:
                t.join()
            engine.start()
            before = content(engine)
            assert answered <= set(before)
            assert set(before.values()) <= {ROWS}
            for token in list(answered)[-20:] + [max(answered) + 1]:
                insert(engine, token)  # the replay
            assert set(content(engine).values()) == {ROWS}
            sent += 2000
        assert len(answered) >= 5
        parts = engine.query("CHECK TABLE t").splitlines()
        assert parts and all(part.split(b"\t")[1] == b"1" for part in parts)


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(600)
"""


def start_under_parent(engine):
    """The engine as a child of a process of its own; -> (parent, engine's pid)."""
    with open(engine.data / "engine.log", "ab") as log:
        parent = subprocess.Popen([sys.executable, "-c", PARENT, *engine.command()], stdout=subprocess.PIPE, stderr=log)
    pid = int(parent.stdout.readline())
    end = time.monotonic() + 30
    while not engine.answers():
        assert time.monotonic() < end and alive(pid), engine.log()
        time.sleep(0.02)
    return parent, pid


def end_parent(parent):
    parent.kill()
    parent.wait(10)
    parent.stdout.close()


def test_dies_with_its_parent_and_leaves_whole_blocks():
    engine = Engine(child=True, start=False)
    engine.data.mkdir(exist_ok=True)
    with engine:
        parent, pid = start_under_parent(engine)
        engine.query(TABLE)
        insert(engine, 1)
        failures = []

        def send():
            try:
                for token in range(2, 1000):
                    insert(engine, token)
            except (OSError, Refused) as error:
                failures.append(error)
        sender = threading.Thread(target=send)
        sender.start()
        time.sleep(0.5)
        end_parent(parent)  # in the middle of an insert
        assert wait_gone(pid, 10)
        sender.join()
        assert failures
        engine.start()
        before = content(engine)
        assert set(before.values()) == {ROWS}
        for token in before:
            insert(engine, token)
        assert content(engine) == before


def test_ends_when_its_input_ends():
    with Engine(child=True) as engine:
        engine.process.stdin.close()
        assert engine.process.wait(10) == 0


def test_an_orphan_keeps_the_next_one_out_until_it_is_gone():
    """A stopped orphan cannot act on its parent's death. Never two at once: the next engine waits for the lock."""
    engine = Engine(child=True, start=False)
    engine.data.mkdir(exist_ok=True)
    with engine:
        parent, orphan = start_under_parent(engine)
        engine.query(TABLE)
        os.kill(orphan, signal.SIGSTOP)
        end_parent(parent)
        engine.start(wait_s=0)
        time.sleep(1)
        assert alive(orphan) and engine.process.poll() is None and "engine still holds" in engine.log()
        assert engine.log().count("engine open") == 1
        os.kill(orphan, signal.SIGCONT)
        assert wait_gone(orphan, 10)
        engine.wait_ready()
        assert engine.log().count("engine open") == 2
        insert(engine, 1)


def test_two_engines_on_one_directory():
    with Engine() as engine:
        second = subprocess.Popen(engine.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  stdin=subprocess.DEVNULL)
        time.sleep(1)
        assert second.poll() is None  # it waits
        assert engine.answers()
        engine.kill(signal.SIGTERM)
        engine.wait_for_answer()
        second.terminate()
        assert second.wait(10) == 0


def test_stops_in_time_while_busy():
    with Engine() as engine:
        engine.query(TABLE)
        stop = threading.Event()

        def ask(sql):
            while not stop.is_set():
                try:
                    engine.query(sql)
                except (OSError, Refused):
                    return

        def send(token):
            while not stop.is_set():
                try:
                    insert(engine, token, 20000)
                except (OSError, Refused):
                    return
                token += 1
        threads = [threading.Thread(target=ask, args=("SELECT sum(sipHash64(number)) FROM numbers(100000000000)",))
                   for _ in range(4)]
        threads += [threading.Thread(target=send, args=(1000 * (i + 1),)) for i in range(2)]
        for t in threads:
            t.start()
        time.sleep(1)
        code, _ = engine.terminate()
        stop.set()
        for t in threads:
            t.join()
        assert code == 0
        engine.start()
        assert set(content(engine).values()) <= {20000}


def noise(token, count):
    return b"".join(b"%d\t%d\t%s\n" % (token, i, random.Random(i).randbytes(200).hex().encode()) for i in range(count))


def mounted(path, megabytes):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)],
                          capture_output=True).returncode == 0


def test_disk_full(tmp_path):
    if not mounted(tmp_path, 96):
        pytest.skip("mounting a small file system needs privileges")
    try:
        with Engine(data=tmp_path) as engine:
            engine.query("CREATE TABLE t (token UInt64, n UInt64, pad String) ENGINE = MergeTree PARTITION BY token "
                         "ORDER BY n SETTINGS non_replicated_deduplication_window = 1000")
            with pytest.raises(Refused) as refused:
                for token in range(100):
                    engine.query("INSERT INTO t FORMAT TabSeparated", body=noise(token, 10000), async_insert=0,
                                 insert_deduplication_token=f"token-{token}")
            assert refused.value.code == 243
            assert content(engine) == {n: 10000 for n in range(token)}  # what was answered is readable
            engine.query("ALTER TABLE t DROP PARTITION ID '0'")
            engine.query("ALTER TABLE t DROP PARTITION ID '1'")
            end = time.monotonic() + 60
            while True:
                try:
                    engine.query("INSERT INTO t FORMAT TabSeparated", body=noise(token, 10000), async_insert=0,
                                 insert_deduplication_token=f"token-{token}")
                    break
                except Refused as still_full:
                    assert still_full.code == 243 and time.monotonic() < end
                    time.sleep(0.2)
            assert content(engine) == {n: 10000 for n in range(2, token + 1)}
            engine.kill()
            engine.start()
            assert content(engine) == {n: 10000 for n in range(2, token + 1)}
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
