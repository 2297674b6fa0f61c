"""What /v1 and the commands show of the loop."""
import json
import subprocess

from harness import binary


def of(h, path, name):
    status, body = h.get(path)
    assert status in (200, 503), body  # before the loop's first step there is nothing to see
    return body[name] if status == 200 else []


def incidents(h):
    """Newest first."""
    return of(h, "/v1/incidents", "incidents")


def changes(h, **like):
    """Newest first; those that have these fields."""
    return [c for c in of(h, "/v1/changes", "changes") if all(c[k] == v for k, v in like.items())]


def knob(h, key):
    return next(k for k in of(h, "/v1/knobs", "knobs") if k["key"] == key)


def entries(h, kind):
    """Of the ledger, newest first."""
    return [e for e in of(h, "/v1/ledger?limit=500", "entries") if e["kind"] == kind]


def first_causes(h, incident):
    """As it was explained at first; later a test on a busy machine may add to the story, as load that comes in lumps."""
    explained = [e["payload"]["is"] for e in entries(h, "incident") if e["payload"]["news"] == "explained"]
    return [one["causes"] for one in explained if one["id"] == incident][-1]


def restored(h):
    """All that ever was has ended."""
    known = incidents(h)
    return known and all(i["restored"] for i in known)


def verify(h):
    """The ledger of a serve that has stopped: whole, and the same decisions again from what was recorded."""
    for command in ("verify", "replay"):
        done = subprocess.run([binary(), "ledger", command, "--data", str(h.data)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def write_config(path, tokens, objectives, knobs):
    path.write_text(json.dumps({"security.ingest_tokens": [f"{service}={token}" for service, token in tokens.items()],
                                "objectives": objectives, "knobs": knobs}))
    return path


def tokens_of(*services):
    return {service: f"token-of-{service}-000001" for service in services}
