"""A knob that is decided for an instance: one of three instances has a new value first."""
from harness import Homeostat, wait_for
from loop_view import changes
from small_app import CONFIG, SmallApp

# What is owed is owed by `pay` itself: its instances can be told apart by how they fare.
BY_INSTANCE = CONFIG.replace("scope: request", "scope: instance").replace(
    "{service: front, operation: POST /order, target: 0.97}", "{service: pay, operation: POST /charge, target: 0.97}")


class ThreeInstances(SmallApp):
    """`pay` runs three times; each evaluates for itself and names no user."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.had = []  # (instance, value, variant), as `values` answered

    def instance_of(self, route):
        return f"pay-{self.random.randrange(3) + 1}"

    def context(self, route, _user, instance):
        return {"service.name": route.service, "service.instance.id": instance}

    def evaluate(self, connection, route, user, instance):
        value, variant, revision = super().evaluate(connection, route, user, instance)
        with self.lock:
            self.had.append((instance, value, variant))
        return value, variant, revision

    def with_candidate(self, value):
        with self.lock:
            return {instance for instance, had, variant in self.had if had == value and variant == "candidate"}


def started(tmp_path):
    config = tmp_path / "homeostat.yaml"
    config.write_text(BY_INSTANCE)
    return Homeostat(config=config)


def test_one_instance_is_repaired_before_all_are(tmp_path):
    with started(tmp_path) as h, ThreeInstances(h) as app:
        app.wait_exported(500)
        app.error_share["primary"] = 0.6
        wait_for("a promoted change", lambda: any(c["state"] == "promoted" for c in changes(h)))
        promoted = next(c for c in changes(h) if c["state"] == "promoted")
        assert promoted["verdict"]["kind"] == "PASS", promoted
        assert promoted["verdict"]["evidence"] == "concurrent_control", promoted
        assert app.with_candidate("backup") == {promoted["instance"]}, promoted
        wait_for("good service", lambda: app.good_share(200) > 0.97)
        assert app.values_now() == {"backup"}
        words = [e["words"] for e in h.get("/v1/ledger?limit=500")[1]["entries"] if e["kind"] == "change"]
        assert any(f"instance {promoted['instance']} alone (33.3 % of the instances)" in w for w in words), words


def test_harm_does_not_reach_a_second_instance(tmp_path):
    with started(tmp_path) as h, ThreeInstances(h) as app:
        app.wait_exported(500)
        app.error_share.update(primary=0.4, backup=1.0)
        wait_for("a verdict", lambda: any((c["verdict"] or {}).get("kind") == "FAIL" for c in changes(h)))
        failed = next(c for c in changes(h) if (c["verdict"] or {}).get("kind") == "FAIL")
        assert failed["instance"] and failed["state"] == "reverted", failed
        app.wait_exported(400)
        assert app.with_candidate("backup") == {failed["instance"]}
        assert app.values_now() == {"primary"}
        assert all(c["state"] != "promoted" for c in changes(h)), changes(h)
