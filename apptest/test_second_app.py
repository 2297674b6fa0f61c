"""The second application's declarations are what this binary takes; the evaluation itself is in evals/second_app."""
import subprocess
import sys

from harness import ROOT, binary

APPLICATION = ROOT / "evals/second_app"
sys.path.insert(0, str(APPLICATION))

import run  # noqa: E402
from manners import MANNERS, Manner  # noqa: E402
from faults import FAULTS  # noqa: E402


def checked(path):
    return subprocess.run([binary(), "check-config", "--config", str(path)], capture_output=True, text=True)


def test_its_configuration_is_right_with_and_without_expectations(tmp_path):
    declared = (APPLICATION / "homeostat.yaml").read_text()
    blind = tmp_path / "blind.yaml"
    blind.write_text(run.without_expectations(declared))
    assert "expect:" not in blind.read_text()
    for path in (APPLICATION / "homeostat.yaml", blind):
        answer = checked(path)
        assert answer.returncode == 0 and "12 knobs" in answer.stdout, answer


def test_its_configuration_is_right_in_every_manner(tmp_path):
    declared = (APPLICATION / "homeostat.yaml").read_text()
    for name in MANNERS:
        path = tmp_path / f"{name}.yaml"
        path.write_text(Manner([name]).declared(declared))
        answer = checked(path)
        assert answer.returncode == 0 and "12 knobs" in answer.stdout, (name, answer)


def test_every_fault_names_declared_knobs_and_changes_what_it_says():
    declared = (APPLICATION / "homeostat.yaml").read_text()
    for name, fault in FAULTS.items():
        assert fault["inject"] or fault.get("config"), name
        assert all(f"key: {knob}\n" in declared for knob in fault["knobs"]), name
        assert declared.count(fault.get("config", ("objectives:", ""))[0]) == 1, name


def test_a_change_of_two_stages_is_one_and_a_control_that_is_held_is_none():
    def change(at, old, new, verdict=None):
        return {"at": at, "knob": "k", "from": old, "to": new, "verdict": verdict and {"kind": verdict}}
    made = [change(1, "a", "b"), change(2, "a", "b", "PASS"), change(3, "b", "a", "running")]
    assert run.stages(reversed(made)) == [made[1]]
