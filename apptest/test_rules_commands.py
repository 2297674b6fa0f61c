"""check-rules and test-rules as an engineer meets them: output and exit codes as promtool's."""
import subprocess

from harness import binary

RULES = """groups:
- name: availability
  rules:
  - record: job:up:avg
    expr: avg by (job) (up)
  - alert: Down
    expr: up == 0
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} has been down, value {{ $value | humanize }}"}
"""

TESTS = """rule_files: [rules*.yml]
tests:
- name: an instance goes down
  interval: 1m
  input_series: [{series: 'up{job="api", instance="a"}', values: '1 0x9'}]
  alert_rule_test:
  - eval_time: 2m
    alertname: Down
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: api, instance: a, severity: %s}
      exp_annotations: {summary: "a has been down, value 0"}
  promql_expr_test:
  - {expr: 'job:up:avg', eval_time: 1m, exp_samples: [{labels: 'job:up:avg{job="api"}', value: 0}]}
"""


def run(*words):
    done = subprocess.run([binary(), *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_good_rules_are_counted(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    code, out, err = run("check-rules", tmp_path / "rules.yml")
    assert (code, err) == (0, "")
    assert "SUCCESS: 2 rules found" in out


def test_each_problem_names_its_place_and_the_fix(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES.replace("for: 2m", "fro: 2m").replace("avg by (job) (up)", "avg by (job (up)"))
    code, _, err = run("check-rules", path)
    assert code == 1
    assert f'{path}:8: group "availability", rule 2: unknown field \'fro\'; did you mean \'for\'?' in err
    assert f'{path}:5: group "availability", rule 1, "job:up:avg": could not parse expression: 1:13: parse error' in err
    code, _, err = run("check-rules", tmp_path / "none.yml")
    assert code == 1 and "none.yml" in err
    assert run("check-rules")[0] == 2


def test_rules_that_may_write_the_same_series(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES.replace("  - alert", "  - {record: 'job:up:avg', expr: up}\n  - alert"))
    code, out, _ = run("check-rules", path)
    assert code == 0 and "2 rules are named job:up:avg" in out
    assert run("check-rules", "--lint-fatal", path)[0] == 3


def test_unit_tests_pass_and_fail(tmp_path):
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "good.yml").write_text(TESTS % "page")
    (tmp_path / "bad.yml").write_text(TESTS % "ticket")
    code, out, err = run("test-rules", tmp_path / "good.yml")
    assert (code, err) == (0, ""), err
    assert "SUCCESS" in out
    code, _, err = run("test-rules", tmp_path / "good.yml", tmp_path / "bad.yml")
    assert code == 1
    assert "name: an instance goes down," in err and "alertname: Down, time: 3m," in err
    assert '- {alertname="Down", instance="a", job="api", severity="ticket"}' in err
    assert '+ {alertname="Down", instance="a", job="api", severity="page"}' in err
    assert run("test-rules", "--run", "nothing of that name", tmp_path / "bad.yml")[0] == 0
