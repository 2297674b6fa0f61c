"""Syslog in (docs/syslog.md): the shared parsing cases and hostile senders, read back through /v1."""
import json
import secrets
import signal
import socket
import urllib.parse

import pytest

from harness import Homeostat, free_ports, shared, wait_for

SEVERITIES = [21, 19, 18, 17, 13, 10, 9, 5]
CASES = "conformance/data/syslog.jsonl"
# RFC 3164 4.1.2 allows an IPv6 address as HOSTNAME; the library that the cases were frozen with takes it for text.
DIFFERENT = "<34>Oct 11 22:14:15 ::1 t: v6 host"


def values(row):
    return {a["key"]: a["value"] for a in row["attributes"]}


class Syslog:
    def __init__(self, h, port):
        self.h, self.port, self.before = h, port, 0

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def tcp(self, data):
        with self.connect() as s:
            s.sendall(data)

    def udp(self, datagrams):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for d in datagrams:
                s.sendto(d, ("127.0.0.1", self.port))

    def count(self):
        return int(self.h.metric("homeostat_syslog_messages_total"))

    def logs(self, expected, **params):
        """All records that match, after `expected` messages came in since the test began."""
        wait_for(f"{expected} messages", lambda: self.count() - self.before >= expected, 60)
        self.h.flush()
        status, body = self.h.get("/v1/logs?" + urllib.parse.urlencode(
            {"start": "1970-01-01T00:00:00Z", "end": "2040-01-01T00:00:00Z", "limit": 1000, **params}))
        assert status == 200, body
        hosts = {i: values(r).get("host.name") for i, r in body["resources"].items()}
        return [{**r, "attrs": values(r), "host": hosts[r["resource"]]} for r in body["logs"]]


@pytest.fixture(scope="module")
def running():
    port = free_ports(1)[0]
    with Homeostat(settings={"listen.syslog_tcp": f"127.0.0.1:{port}", "listen.syslog_udp": f"127.0.0.1:{port}",
                             "retention.max_age": "0"}) as h:
        yield Syslog(h, port)


@pytest.fixture
def syslog(running):
    running.before = running.count()
    return running


def counted(raw):
    return str(len(raw)).encode() + b" " + raw


def field(text):
    return text or ""


def check_case(case, record):
    want = case["parsed"]
    assert record["service"] == (want["appname"] or "unknown_service"), case["raw"]
    assert record["host"] == (want["hostname"] or "127.0.0.1"), case["raw"]
    assert record["attrs"].get("syslog.procid", "") == field(want["procid"]), case["raw"]
    assert record["attrs"].get("syslog.msgid", "") == field(want["msgid"]), case["raw"]
    assert record["severity_number"] == SEVERITIES[want["severity"]], case["raw"]
    assert record["attrs"]["syslog.facility"] == str(want["facility"]), case["raw"]
    data = {k.removeprefix("syslog.structured_data."): v for k, v in record["attrs"].items()
            if k.startswith("syslog.structured_data.")}
    wanted = {}
    for element, parameters in (want.get("structured_data") or {}).items():
        wanted.update({f"{element}.{k}": v for k, v in parameters.items()} or {element: ""})
    assert data == wanted, case["raw"]


@pytest.mark.skipif(shared() is None, reason="the shared test data (HOMEOSTAT_SHARED) is not here")
def test_the_shared_cases(syslog):
    """Each case over UDP and over TCP, by octet counting."""
    cases = [json.loads(line) for line in (shared() / CASES).read_text().splitlines()]
    cases = [c for c in cases if c["raw"] and c["raw"] != DIFFERENT]
    syslog.tcp(b"".join(counted(c["raw"].encode()) for c in cases))
    syslog.udp([c["raw"].encode() for c in cases])
    records = syslog.logs(2 * len(cases))  # the first test: nothing else is there
    assert len(records) == 2 * len(cases)  # nothing is thrown away, valid or not
    checked = 0
    for case in (c for c in cases if c["valid"]):
        text = field(case["parsed"]["message"]).removeprefix("\ufeff").rstrip("\r\n")
        same = [r for r in records if r["body"]["value"] == text and
                r["attrs"].get("syslog.facility") == str(case["parsed"]["facility"]) and
                r["host"] == (case["parsed"]["hostname"] or "127.0.0.1")]
        assert {r["attrs"]["network.transport"] for r in same} >= {"tcp", "udp"}, case["raw"]
        for transport in ("tcp", "udp"):
            ours = [r for r in same if r["attrs"]["network.transport"] == transport]
            problems = []
            for record in ours:  # some cases differ in a field only
                try:
                    check_case(case, record)
                    break
                except AssertionError as e:
                    problems.append(str(e))
            else:
                raise AssertionError(problems)
            checked += 1
    assert checked == 2 * sum(c["valid"] for c in cases)


def test_times_and_texts(syslog):
    syslog.tcp(b"<165>1 2026-01-02T03:04:05.000006+01:00 h app 7 M1 [a@1 k=\"v \xc3\xa9\"] b\xc3\xb6dy\n"
               b"<13>Jan  2 03:04:05 h tag[9]: old \xff style\n"
               b"no header at all\n")
    found = [r for r in syslog.logs(3) if r["body"]["value"] in ("b\u00f6dy", "old \ufffd style", "no header at all")]
    new, old, bare = sorted(found, key=lambda r: ["b\u00f6dy", "old \ufffd style", "no header at all"].index(
        r["body"]["value"]))
    assert new["time_unix_nano"] == "1767319445000006000"
    assert new["attrs"] == {"syslog.facility": "20", "syslog.version": "1", "syslog.procid": "7", "syslog.msgid": "M1",
                            "syslog.structured_data.a@1.k": "v \u00e9", "network.peer.address": "127.0.0.1",
                            "network.transport": "tcp"}
    assert (new["severity_number"], new["severity_text"]) == (10, "notice")
    assert (old["service"], old["attrs"]["syslog.procid"]) == ("tag", "9")
    assert (bare["severity_number"], bare["attrs"]["syslog.problem"]) == (0, "no priority and no time at the beginning")
    assert bare["time_unix_nano"] == "0" and int(bare["observed_time_unix_nano"]) > 0


def test_one_bad_sender_hurts_nobody(syslog):
    run = secrets.token_hex(4)
    slow = syslog.connect()
    slow.sendall(b"<13>Jan  2 03:04:05 h t: half " + run.encode())
    syslog.tcp(b"999999999 <1>" + b"\x00\xff" * 100)                                 # a length that lies
    syslog.tcp(b"<13>1 - h big - - - " + b"x" * 200_000 + b"\n" + f"<13>1 - h t - - - after {run}\n".encode())
    syslog.tcp(counted(b"<13>1 - h big - - - " + b"y" * 200_000) + counted(f"<13>1 - h t - - - counted {run}".encode()))
    syslog.udp([b"<13>1 - h big - - - " + b"z" * 60_000, f"<13>1 - h t - - - datagram {run}".encode()])
    slow.sendall(b" whole\n")
    slow.close()
    bodies = {r["body"]["value"] for r in syslog.logs(8, contains=run)}
    assert bodies == {f"after {run}", f"counted {run}", f"datagram {run}", f"half {run} whole"}
    big = syslog.logs(8, service="big")
    assert sorted(len(r["body"]["value"]) for r in big) == sorted([60_000, 65536 - 20, 65536 - 20])


def test_equal_messages_are_no_retry_of_one_another(syslog):
    for i in range(3):
        syslog.tcp(b"<13>Jan  2 03:04:05 h same: again\n")
        syslog.logs(i + 1)
    assert len(syslog.logs(3, service="same")) == 3


def test_what_was_taken_survives_a_kill(syslog):
    syslog.tcp(b"".join(f"<13>1 - h kept - - - {i}\n".encode() for i in range(500)))
    assert len(syslog.logs(500, service="kept")) == 500  # flushed: durable
    syslog.h.kill(sig=signal.SIGKILL)
    syslog.h.start()
    syslog.before = 0
    assert len(syslog.logs(0, service="kept")) == 500
