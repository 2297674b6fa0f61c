"""A Homeostat with rules, what it is fed and what it says: shared by the tests of rules and of alerts."""
import time

import requests

import remote_write as rw
from harness import Homeostat


def with_rules(tmp_path, groups, settings=None):
    """One whose configuration stands in tmp_path, beside rules/*.yml; not started."""
    (tmp_path / "rules").mkdir(exist_ok=True)
    write_rules(tmp_path, groups)
    (tmp_path / "homeostat.yaml").write_text("rules:\n  files: [rules/*.yml]\n")
    return Homeostat(config=tmp_path / "homeostat.yaml", settings=settings)


def write_rules(tmp_path, groups):
    (tmp_path / "rules/a.yml").write_text("groups:\n" + groups)


def send(h, name, value, **labels):
    sample = rw.sample(value, int(time.time() * 1000))
    answer = requests.post(h.url("http", "/api/v1/write"),
                           data=rw.body(rw.series({"__name__": name, **labels}, sample)), headers=rw.HEADERS, timeout=30)
    assert answer.status_code == 204, answer.text


def ask(h, path, status=200, **params):
    answer = requests.get(h.url("http", "/api/v1/" + path), params=params, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()["data"] if status == 200 else answer.json()["error"]


def query(h, expr):
    """{labels as a sorted tuple: value}, now."""
    return {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in ask(h, "query", query=expr)["result"]}


def alerts(h):
    return ask(h, "alerts")["alerts"]


def states(h):
    return sorted(alert["state"] for alert in alerts(h))
