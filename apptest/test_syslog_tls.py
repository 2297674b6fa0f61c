"""Syslog over TLS (docs/syslog.md, RFC 5425 and 9662): real clients, wrong ones, certificates that change."""
import contextlib
import json
import pathlib
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from certificates import Authority
from harness import Homeostat, free_ports, shared, wait_for
from test_syslog import Syslog, check_case, counted

CASES = "conformance/data/syslog.jsonl"


class SecureSyslog(Syslog):
    """The same questions as of plain syslog; what is sent goes through TLS."""
    context = None

    def connect(self, context=None):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        try:
            return (context or self.context).wrap_socket(raw, server_hostname="localhost")
        except BaseException:
            raw.close()
            raise

    def tcp(self, data, context=None):
        with self.connect(context) as s:
            s.sendall(data)
            s.unwrap()  # says that it ends, and waits for the same: RFC 5425, 4.4

    def metric(self, name):
        return self.h.metric(name, listener="syslog_tls")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server_identity(authority):
    return authority.sign("server", "/CN=homeostat")


def settings(port, identity, **more):
    return {"listen.syslog_tls": f"127.0.0.1:{port}", "tls.cert_file": identity[0], "tls.key_file": identity[1],
            "retention.max_age": "0", **more}


@pytest.fixture(scope="module")
def running(authority, server_identity):
    port = free_ports(1)[0]
    with Homeostat(settings=settings(port, server_identity)) as h:
        syslog = SecureSyslog(h, port)
        syslog.context = authority.client_context()
        yield syslog


@pytest.fixture
def syslog(running):
    running.before = running.count()
    return running


@pytest.mark.skipif(shared() is None, reason="the shared test data (HOMEOSTAT_SHARED) is not here")
def test_the_shared_cases(syslog):
    cases = [json.loads(line) for line in (shared() / CASES).read_text().splitlines()]
    cases = [c for c in cases if c["raw"] and c["valid"] and c["rfc"] == "5424" and c["parsed"]["message"]]
    assert cases
    syslog.tcp(b"".join(counted(c["raw"].encode()) for c in cases))
    records = syslog.logs(len(cases))
    assert len(records) == len(cases)
    assert {r["attrs"]["network.transport"] for r in records} == {"tcp"}
    assert {r["attrs"]["tls.protocol.version"] for r in records} == {"1.3"}
    assert not any("tls.client.subject" in r["attrs"] for r in records)
    for case in cases:
        text = case["parsed"]["message"].removeprefix("\ufeff").rstrip("\r\n")
        same = [r for r in records if r["body"]["value"] == text]
        assert any(matches(case, r) for r in same), case["raw"]


def matches(case, record):
    try:
        check_case(case, record)
    except AssertionError:
        return False
    return True


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_and_new_versions_and_ciphers(authority, syslog):
    """TLS 1.2 with RFC 9662's cipher, RFC 5425's for old senders; nothing older."""
    run = secrets.token_hex(4)
    for number, cipher in enumerate(("ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA")):
        context = authority.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(cipher)
        with syslog.connect(context) as s:
            assert (s.version(), s.cipher()[0]) == ("TLSv1.2", cipher)
            s.sendall(counted(f"<13>1 - h t - - - {number} {run}".encode()))
    records = syslog.logs(2, contains=run)
    assert [r["attrs"]["tls.protocol.version"] for r in records] == ["1.2", "1.2"]
    both = authority.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    both.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256")
    with syslog.connect(both) as s:
        assert s.cipher()[0] == "ECDHE-RSA-AES128-GCM-SHA256"  # ours to choose
    old = authority.client_context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        syslog.connect(old)


def test_a_sender_that_just_closes_loses_nothing(syslog):
    """It never reads, so nothing may lie in its buffer: its close would be a reset, and what it sent last be lost."""
    run = secrets.token_hex(4)
    for i in range(20):
        with syslog.connect() as s:
            s.sendall(b"".join(counted(f"<13>1 - h t - - - {i} {k} {run}".encode()) for k in range(50)))
    assert len({r["body"]["value"] for r in syslog.logs(1000, contains=run)}) == 1000


def test_large_and_many_at_once(syslog):
    run = secrets.token_hex(4)
    senders = [syslog.connect() for _ in range(40)]
    for i, s in enumerate(senders):
        s.sendall(counted(f"<13>1 - h t - - - {i} {run} ".encode() + b"x" * 60_000))
    for s in senders:
        s.close()
    records = syslog.logs(40, contains=run)
    assert len(records) == 40
    assert all(len(r["body"]["value"]) >= 60_000 for r in records)


def test_who_speaks_no_tls_is_told_in_the_log_and_hurts_nobody(syslog):
    run = secrets.token_hex(4)
    failed = syslog.metric("homeostat_push_failed_handshakes_total")
    idle = [socket.create_connection(("127.0.0.1", syslog.port), timeout=60) for _ in range(30)]
    with socket.create_connection(("127.0.0.1", syslog.port), timeout=30) as s:
        s.sendall(counted(f"<13>1 - h t - - - in the clear {run}".encode()))
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(100)[:1] in (b"", b"\x15")  # an alert or the end
    with syslog.connect() as s:
        s.sendall(counted(f"<13>1 - h t - - - secured {run}".encode()))
    assert [r["body"]["value"] for r in syslog.logs(1, contains=run)] == [f"secured {run}"]
    assert "no TLS was agreed on" in syslog.h.log.read_text()
    # Those who only connect are closed in the end: the handshake has its time.
    wait_for("all silent ones are closed", lambda: all(s.recv(1) == b"" for s in idle))
    assert syslog.metric("homeostat_push_failed_handshakes_total") == failed + 31
    for s in idle:
        s.close()


def test_certificates_are_read_again_at_sighup(tmp_path):
    authority = Authority(tmp_path / "one")
    identity = authority.sign("server", "/CN=homeostat")
    port = free_ports(1)[0]
    with Homeostat(settings=settings(port, identity)) as h:
        syslog = SecureSyslog(h, port)
        syslog.context = authority.client_context()
        long_lived = syslog.connect()
        serial = long_lived.getpeercert()["serialNumber"]

        def reload(said):
            before = h.log.read_text().count(said)
            h.process.send_signal(signal.SIGHUP)
            wait_for(said, lambda: h.log.read_text().count(said) > before)

        identity[1].write_text("no key\n")
        reload("configuration not applied")
        assert f"tls.key_file {identity[1]}" in h.tail()
        with syslog.connect() as s:
            assert s.getpeercert()["serialNumber"] == serial
        authority.sign("server", "/CN=homeostat")
        reload("configuration applied")
        with syslog.connect() as s:
            assert s.getpeercert()["serialNumber"] != serial
        long_lived.sendall(counted(b"<13>1 - h t - - - still here"))
        long_lived.close()
        assert [r["body"]["value"] for r in syslog.logs(1)] == ["still here"]


def test_senders_show_their_certificates(tmp_path):
    authority, others = Authority(tmp_path / "senders"), Authority(tmp_path / "others", "Someone else")
    identity = authority.sign("server", "/CN=homeostat")
    sender = authority.sign("sender", "/O=Plant/CN=router-7", "DNS:router-7")
    stranger = others.sign("stranger", "/CN=router-7", "DNS:router-7")
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(authority.cert.read_text())
    port = free_ports(1)[0]
    with Homeostat(settings=settings(port, identity, **{"syslog.client_ca_file": trusted})) as h:
        syslog = SecureSyslog(h, port)
        syslog.tcp(counted(b"<13>1 - h t - - - known"), authority.client_context(sender))
        record = syslog.logs(1)[0]
        assert record["attrs"]["tls.client.subject"] == "CN=router-7,O=Plant"
        for identity in (None, stranger):  # TLS 1.3: the client may hear of it only when it reads
            with pytest.raises(OSError), syslog.connect(authority.client_context(identity)) as s:
                s.sendall(counted(b"<13>1 - h t - - - unknown"))
                while s.recv(100):
                    pass
                raise ConnectionError("closed")
        assert len(syslog.logs(1)) == 1
        assert syslog.metric("homeostat_push_failed_handshakes_total") == 2
        # One certificate alone may be trusted, whoever signed it; from then on only that.
        trusted.write_text(stranger[0].read_text())
        h.process.send_signal(signal.SIGHUP)
        wait_for("the new senders", lambda: "configuration applied" in h.log.read_text())
        syslog.tcp(counted(b"<13>1 - h t - - - pinned"), authority.client_context(stranger))
        assert {r["body"]["value"] for r in syslog.logs(2)} == {"known", "pinned"}


@pytest.mark.parametrize("change, said", [
    ({"tls.cert_file": ""}, "listen.syslog_tls: tls.cert_file is not set"),
    ({"tls.key_file": ""}, "listen.syslog_tls: tls.key_file is not set"),
    ({"tls.cert_file": "/nowhere/cert.pem"}, "tls.cert_file /nowhere/cert.pem"),
    ({"syslog.client_ca_file": __file__}, f"syslog.client_ca_file {__file__}"),
    ({"listen.syslog_tls": "0.0.0.0:0"}, "set syslog.client_ca_file"),
])
def test_what_is_wrong_is_named(server_identity, change, said):
    assert said in Homeostat(settings={**settings(free_ports(1)[0], server_identity), **change}).refused_start()


RSYSLOG = """
global(workDirectory="{work}" DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="{ca}"
       DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{socket}" CreatePath="on")
action(type="omfwd" Target="localhost" Port="{port}" Protocol="tcp" TCP_Framing="octet-counted"
       StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"
       Template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" action.resumeInterval="1")
"""


@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="rsyslog (with rsyslog-openssl) is not installed")
def test_a_real_rsyslog(tmp_path):
    """`logger` -> rsyslogd -> TLS with certificates on both sides; it goes on after we were away."""
    authority = Authority(tmp_path / "authority")
    identity, sender = authority.sign("server", "/CN=localhost"), authority.sign("sender", "/CN=rsyslog")
    port, run = free_ports(1)[0], secrets.token_hex(4)
    where = tmp_path / "s"
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(work=tmp_path, ca=authority.cert, cert=sender[0], key=sender[1], port=port,
                                     socket=where))
    more = {"syslog.client_ca_file": authority.cert}
    with Homeostat(settings=settings(port, identity, **more)) as h:
        syslog = SecureSyslog(h, port)
        daemon = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "pid")],
                                  stdout=subprocess.DEVNULL, stderr=(tmp_path / "err").open("w"))
        try:
            wait_for("rsyslogd listens", lambda: pathlib.Path(where).exists() or daemon.poll() is not None)
            say(where, [f"{i} {run}" for i in range(200)])
            first = syslog.logs(200, contains=run)
            assert {r["body"]["value"].strip() for r in first} == {f"{i} {run}" for i in range(200)}
            assert {r["attrs"]["tls.client.subject"] for r in first} == {"CN=rsyslog"}
            assert {r["service"] for r in first} == {"apptest"}
            h.stop()
            h.start()
            syslog.before = 0
            # The message that finds the connection closed may be lost to TCP (docs/syslog.md); later ones must not.
            say(where, ["first after"])
            time.sleep(1)
            say(where, [f"again {i} {run}" for i in range(200)])
            wait_for("what was sent after the restart", lambda: {
                r["body"]["value"].strip() for r in syslog.logs(0, contains=run)} >= {
                    f"again {i} {run}" for i in range(200)})
        finally:
            daemon.terminate()
            daemon.wait(30)


def say(where, lines):
    subprocess.run(["logger", "--socket", str(where), "--tag", "apptest"], input="\n".join(lines), text=True, check=True)
