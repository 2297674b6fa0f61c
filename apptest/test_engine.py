"""The engine's HTTP interface, asked by the official ClickHouse client and by hand."""
import datetime
import threading
import time

import clickhouse_connect
import pytest

from engine_process import Engine, Refused
from harness import PATIENCE_S


@pytest.fixture(scope="module")
def engine():
    with Engine(listen=True) as e:
        e.query("CREATE DATABASE homeostat")
        yield e


def token(engine):
    return (engine.data / "token").read_text().strip()


@pytest.mark.parametrize("compress", [False, True, "gzip", "zstd"])
def test_official_client(engine, compress):
    client = clickhouse_connect.get_client(host="127.0.0.1", port=engine.port, password=token(engine), compress=compress)
    assert client.ping()
    client.command("CREATE TABLE homeostat.official (a UInt64, b String, c Array(String), d Map(String, String), "
                   "e DateTime64(9)) ENGINE = MergeTree ORDER BY a")
    when = datetime.datetime(2026, 1, 2, 3, 4, 5)
    hostile = "x\n\n; DROP TABLE homeostat.official; -- { serverError 60 }\n"
    rows = [[i, f"{hostile}{i}", ["p", "q'"], {"k": "v"}, when] for i in range(5000)]
    client.insert("homeostat.official", rows, column_names=["a", "b", "c", "d", "e"])
    back = client.query("SELECT * FROM homeostat.official ORDER BY a").result_rows
    assert [(r[0], r[1], r[2], r[3]) for r in back] == [(r[0], r[1], r[2], r[3]) for r in rows]
    assert client.query("SELECT {x:String}, {y:UInt8}", parameters={"x": hostile, "y": 7}).result_rows == [(hostile, 7)]
    assert client.query("SELECT count(), sum(number) FROM numbers(1000000)").result_rows == [(1000000, 499999500000)]
    assert len(client.query("SELECT number FROM numbers(300000)").result_rows) == 300000
    with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError, match="(?i)unknown.*nowhere"):
        client.query("SELECT * FROM nowhere")
    client.command("DROP TABLE homeostat.official")
    client.close()


def test_tcp_needs_the_token(engine):
    with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError, match="516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=engine.port, password="wrong")


@pytest.mark.parametrize("sql, code", [
    ("SELECT 1; SELECT 2", 62),
    ("SELECT 1; DROP DATABASE homeostat", 62),
    ("DROP TABLE IF EXISTS a; DROP TABLE IF EXISTS b", 62),
    ("SET max_threads = 1", 497),
    ("SYSTEM SHUTDOWN", 497),
    ("KILL QUERY WHERE 1", 497),
    ("CREATE USER u", 497),
    ("SELECT 1 INTO OUTFILE '/nowhere/x'", 497),
    ("INSERT INTO FUNCTION file('x', 'CSV', 'a Int8') SELECT 1", 497),
    ("INSERT INTO FUNCTION file('x', 'CSV', 'a Int8') VALUES (1)", 497),
    ("SELEC 1", 62),
    ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')", 164),
    ("SELECT * FROM nowhere", 60),
])
def test_refuses(engine, sql, code):
    with pytest.raises(Refused) as refused:
        engine.query(sql)
    assert refused.value.code == code
    assert engine.number("SELECT count() FROM system.databases WHERE name = 'homeostat'") == 1


def test_rows_are_never_read_as_sql(engine):
    engine.query("CREATE TABLE homeostat.victim (a String) ENGINE = MergeTree ORDER BY a")
    engine.query("INSERT INTO homeostat.victim FORMAT LineAsString",
                 body=b"one\n\n;drop table homeostat.victim;\n-- { serverError 1 }\n")
    assert engine.number("SELECT count() FROM homeostat.victim") == 4
    engine.query("DROP TABLE homeostat.victim")


def test_formats(engine):
    assert engine.query("SELECT number AS n FROM numbers(3) FORMAT JSONEachRow") == b'{"n":0}\n{"n":1}\n{"n":2}\n'
    assert engine.query("SELECT 1 AS a", default_format="CSVWithNames") == b'"a"\n1\n'
    big = engine.query("SELECT number FROM numbers(400000) FORMAT CSVWithNames")
    assert big.count(b'"number"') == 1 and big.count(b"\n") == 400001  # one header, though it came in pieces
    assert engine.query("DESCRIBE TABLE system.one FORMAT TabSeparated").startswith(b"dummy\tUInt8")


def test_summary_and_settings(engine):
    engine.query("CREATE TABLE homeostat.s (a UInt64) ENGINE = MergeTree ORDER BY a")
    _, _, headers = engine.request("POST", "/?query=INSERT+INTO+homeostat.s+FORMAT+CSV", b"1\n2\n3\n")
    assert '"written_rows":"3"' in headers["X-ClickHouse-Summary"]
    _, _, headers = engine.request("POST", "/", b"SELECT * FROM homeostat.s")
    assert '"read_rows":"3"' in headers["X-ClickHouse-Summary"]
    assert engine.query("SELECT getSetting('max_threads')", max_threads=3) == b"3\n"
    with pytest.raises(Refused):
        engine.query("SELECT 1", max_threads="abc")
    with pytest.raises(Refused) as slow:
        engine.query("SELECT sum(sipHash64(number)) FROM numbers(100000000000)", max_execution_time=1)
    assert slow.value.code == 159
    with pytest.raises(Refused) as big:
        engine.query("SELECT length(groupArray(number)) FROM numbers(100000000)", max_memory_usage=20000000)
    assert big.value.code == 241
    engine.query("DROP TABLE homeostat.s")


def running(engine):
    return engine.number("SELECT count() FROM system.processes "
                         "WHERE query LIKE '%sipHash64%' AND query NOT LIKE '%processes%'")


def wait_until(condition, timeout_s=PATIENCE_S):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_query_ends_with_its_client(engine):
    with pytest.raises(OSError):
        engine.query("SELECT sum(sipHash64(number)) FROM numbers(100000000000)", timeout_s=0.5)
    wait_until(lambda: running(engine) == 0)


def test_bounds_queries_at_once():
    with Engine() as engine:
        outcomes = []

        def ask():
            try:
                engine.query("SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))",
                             max_execution_time=4)
            except Refused as refused:
                outcomes.append(refused.code)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for t in threads:
            t.start()
        wait_until(lambda: 202 in outcomes)
        assert engine.process.poll() is None and engine.answers()
        code, _ = engine.terminate()  # with all of them running
        for t in threads:
            t.join()
        assert code == 0
        assert outcomes.count(202) >= 8 and set(outcomes) <= {202, 394, 159, 0}


def test_is_confined_to_its_directory(engine):
    if "not confined" in engine.log():
        pytest.skip("this kernel has no Landlock")
    for path in ("/etc/passwd", str(engine.data / "token")):
        with pytest.raises(Refused):
            engine.query("SELECT file({path:String})", params={"path": path})
        with pytest.raises(Refused):
            engine.query(f"INSERT INTO homeostat.nowhere FROM INFILE '{path}' FORMAT LineAsString")
