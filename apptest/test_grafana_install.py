"""`homeostat grafana install|uninstall` against a double of Grafana's HTTP API (no real Grafana here: docs/grafana.md)."""
import json
import os
import subprocess

from grafana_double import GrafanaDouble
from harness import ROOT, binary, free_ports

BOARDS = {p.stem: json.loads(p.read_text()) for p in (ROOT / "deploy/grafana/dashboards").glob("*.json")}
UIDS = {board["uid"] for board in BOARDS.values()}


def run(double, what, *more, token="glsa_good", url=None):
    command = [binary(), "grafana", what, "--url", url or double.url, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "GRAFANA_TOKEN": token})


def test_install_again_and_uninstall():
    with GrafanaDouble() as double:
        for _ in range(2):  # again is harmless
            done = run(double, "install", "--homeostat", "http://homeostat:4319/")
            assert done.returncode == 0 and done.stderr == "", done
            assert double.sources["homeostat"]["url"] == "http://homeostat:4319/prometheus"
            assert double.sources["homeostat"]["type"] == "prometheus"
            assert double.folders["homeostat"]["title"] == "Homeostat"
            assert set(double.dashboards) == UIDS
        for board in BOARDS.values():
            kept, folder = double.dashboards[board["uid"]]
            assert folder == "homeostat" and kept == {**board, "id": None}
        for _ in range(2):
            done = run(double, "uninstall")
            assert done.returncode == 0, done
            assert not double.sources and not double.folders and not double.dashboards


def test_what_is_not_ours_stays():
    with GrafanaDouble() as double:
        assert run(double, "install").returncode == 0
        double.dashboards["theirs"] = ({"uid": "theirs", "title": "Theirs"}, "homeostat")
        double.sources["other"] = {"uid": "other", "name": "Other", "type": "loki"}
        done = run(double, "uninstall")
        assert done.returncode == 0 and "stays" in done.stdout, done
        assert set(double.dashboards) == {"theirs"} and set(double.sources) == {"other"} and double.folders


def test_a_grafana_below_a_path():
    with GrafanaDouble(prefix="/grafana") as double:
        done = run(double, "install", url=double.url + "/")
        assert done.returncode == 0 and set(double.dashboards) == UIDS, done


def fails(double, *words, what="install", **more):
    done = run(double, what, **more)
    assert done.returncode == 1, done
    for word in words:
        assert word in done.stderr, done.stderr


def test_errors_say_what_to_do():
    with GrafanaDouble() as double:
        fails(double, "401", "token is wrong", token="glsa_bad")
        double.role = "Viewer"
        fails(double, "403", "role Admin")
        double.role = "Admin"
        double.sources["mine"] = {"uid": "mine", "name": "Homeostat", "type": "prometheus"}
        fails(double, "409", "rename or remove")
        double.sources = {"homeostat": {"uid": "homeostat", "name": "x", "type": "loki"}}
        fails(double, "not a Prometheus one")
        double.sources = {}
        double.provisioned = {"homeostat-kpis"}
        fails(double, "provisioning files")
        fails(double, "no answer from Grafana", "--url", url=f"http://127.0.0.1:{free_ports(1)[0]}")
        fails(double, "https", url="https://127.0.0.1:3000")
        fails(double, "404", url=double.url + "/wrong")


def test_a_grafana_that_does_not_reach_homeostat_is_told_of():
    with GrafanaDouble() as double:
        double.reaches_homeostat = False
        done = run(double, "install")
        assert done.returncode == 0 and "--homeostat" in done.stderr, done
