"""The demo's judge by itself: what counts as broken, restored, the true cause, and as a promise kept."""
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "demo"))

from runner import load, main, places, product, report, summary, trial  # noqa: E402

GOAL = load.Goal("checkout", target=0.97, latency_target=0.9, threshold_ms=600)


def judged(tmp_path, seconds):
    """A load whose record says: second -> list of (good, ms)."""
    record = tmp_path / "load.csv"
    record.write_text("".join(f"{t}.5,checkout,user,{int(good)},{201 if good else 502},{ms}\n"
                              for t, requests in seconds.items() for good, ms in requests))
    found = load.Load(None, None, record, {"checkout": GOAL}, 1)
    found.read()
    return found


def well(n=30):
    return [(True, 50)] * n


def test_restored_is_the_first_second_that_starts_ten_good_ones(tmp_path):
    seconds = {t: well() for t in range(100, 160)}
    for t in range(110, 118):
        seconds[t] = [(False, 50)] * 30
    seconds[121] = [(False, 50)] * 15 + well(15)  # a relapse: 5 % of ten seconds
    judge = judged(tmp_path, seconds)
    assert judge.broken("checkout", 100, 150) in (109, 110)
    assert judge.restored("checkout", 110, 160) == 122


def test_slow_is_as_bad_as_failed(tmp_path):
    seconds = {t: well() if t < 110 else [(True, 900)] * 30 for t in range(100, 140)}
    judge = judged(tmp_path, seconds)
    assert judge.broken("checkout", 100, 130) == 109 or judge.broken("checkout", 100, 130) == 110
    assert judge.restored("checkout", 110, 140) is None


def test_silence_is_not_health(tmp_path):
    judge = judged(tmp_path, {t: well() for t in range(100, 105)})
    assert not judge.holds("checkout", 106)
    assert judge.restored("checkout", 106, 140) is None


def test_attackers_are_not_customers(tmp_path):
    record = tmp_path / "load.csv"
    record.write_text("100.1,login,attack,0,429,5\n100.2,login,user,1,200,5\n")
    judge = load.Load(None, None, record, {"login": load.Goal("login", 0.97, 0.9, 300)}, 1)
    judge.read()
    assert judge.window("login", 100, 1)[:3] == (1, 1.0, 1.0)
    assert judge.attack_seconds[100] == 1


def test_the_rank_of_the_true_cause():
    causes = [{"entity": "service:gateway"}, {"entity": "peer:pay-primary"}]
    assert trial.rank_of(causes, ["peer:pay-primary"]) == 2
    assert trial.rank_of(causes, ["peer:pay"]) is None  # a prefix of a name is another name
    assert trial.rank_of([{"entity": "instance:inventory/inventory-1"}], ["instance:inventory"]) == 1


def test_trials_of_one_fault_stay_apart_and_each_is_there_twice():
    names = [f"f{i}" for i in range(9)]
    trials = main.order(names, 1, random.Random(3), both=True)
    assert sorted(trials) == sorted((n, on) for n in names for on in (False, True))
    for i, (name, _) in enumerate(trials):
        assert name not in [n for n, _ in trials[i + 1:i + main.APART]]


def test_names_by_a_seed_are_other_names_and_lead_back():
    names = places.Names(7, {"service": {"gateway", "payment"}, "knob": {"payment.provider"}})
    word = names.of("service", "payment")
    assert word not in ("gateway", "payment") and word == places.Names(7, {"service": {"gateway", "payment"}}).of(
        "service", "payment")
    assert names.back(f"edge:{names.of('service', 'gateway')}->{word}") == "edge:gateway->payment"


def test_times_as_the_api_writes_them():
    assert product.unix_seconds("2023-11-14T22:13:20.5Z") == 1700000000.5
    assert product.unix_seconds(1_700_000_000_500_000_000) == 1700000000.5
    assert product.unix_seconds(None) == 0


def trial_result(**other):
    return {"fault": "f", "loop": "on", "operation": "checkout", "repairable": True, "broken_after": 1, "window": 75,
            "restored_after": 14.0, "changes": [{"knob": "k", "verdict": "pass"}], "left": [], "legitimate": None, **other}


def problems(trials, healthy=None, left=None):
    return summary.broken_promises({"failures": [], "trials": trials, "healthy": healthy,
                                    "left": left or {"faults": 0, "knobs": []}})


def test_what_makes_the_exit_code_not_zero():
    calm = {"changes": [], "left": []}
    assert problems([trial_result()], calm) == []
    assert problems([trial_result(restored_after=None)])
    assert problems([trial_result(changes=[{"knob": "k", "verdict": "FAIL"}])])  # well again, but not by that
    assert not problems([trial_result(changes=[{"knob": "k", "verdict": "INCONCLUSIVE"}])])
    assert problems([trial_result(broken_after=None)])
    assert problems([trial_result(left=["k"])])
    assert problems([trial_result(repairable=False, restored_after=None)])  # a PASS on what cannot be repaired
    assert not problems([trial_result(repairable=False, restored_after=None, changes=[])])
    assert problems([trial_result(legitimate={"n": 900, "good": 0.98})])
    assert problems([trial_result()], {"changes": ["k"], "left": []})
    assert problems([trial_result()], calm, {"faults": 1, "knobs": []})
    assert problems([trial_result(loop="off")])  # a change with the loop off


def test_it_is_homeostat_that_declares_a_fault_unrepairable():
    assert summary.declared_unrepairable({"decision": "nothing: no knob is expected to help here"})
    assert summary.declared_unrepairable({"decision": "needs a human: 6 changes did not help"})
    assert not summary.declared_unrepairable({"decision": "waits: the cause is not settled"})
    assert not summary.declared_unrepairable({"decision": "nothing yet: only one of 2 senders reports it"})
    assert not summary.declared_unrepairable({"decision": "nothing: every objective that rests on it holds"})
    assert not summary.declared_unrepairable({"decision": ""})


def test_the_times_of_incidents_are_a_table():
    times = {"time_to_detect": {"n": 2, "p50": 2.5, "open": 0}, "time_to_repair": {"n": 0, "open": 0},
             "time_to_restore": {"n": 1, "p50": 13, "open": 1}, "time_between_failures": {"n": 0, "open": 1}}
    none = {name: {"n": 0, "open": 0} for name in times}
    lines = report.kpi_lines({"groups": [{"service": "shop", "kind": "errors", "injected": False, **times}],
                              "natural": times, "injected": none})
    assert [part.strip() for part in lines[2].split("  ") if part.strip()] == [
        "shop", "errors", "2.5 s (n=2)", "-", "13.0 s (n=1, 1 open)", "- (1 open)"]
    assert len(lines) == 4 and lines[3].startswith("all")
