#pragma once
// A group of rules and what it remembers from one evaluation to the next: the series that each rule wrote, the alerts
// that are pending or fire. Pure: it asks and writes through `Outside`, time is what the caller says.
// https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/clock.h"
#include "rules/spec.h"
#include "rules/template.h"

namespace hs::rules {

enum class AlertState : uint8_t { inactive, pending, firing };
std::string_view name_of(AlertState state);  // "inactive", "pending", "firing"

// One alert of a rule: one label set of its expression. Times are milliseconds since 1970, 0: not (yet).
struct Alert {
  promql::Labels labels;                   // with alertname and the rule's own
  std::vector<promql::Label> annotations;  // expanded
  AlertState state = AlertState::pending;
  double value = 0;  // at the last evaluation; 0 for a histogram
  int64_t active_at_ms = 0;
  int64_t fired_at_ms = 0;
  int64_t resolved_at_ms = 0;  // it is inactive, and kept for `resolved_kept_ms` to be told
  int64_t keep_firing_since_ms = 0;
  int64_t last_sent_ms = 0;
  int64_t valid_until_ms = 0;  // when who was told last should take it for over
};

inline constexpr int64_t resolved_kept_ms = 15 * 60'000;

// An alert that somebody must be told of, and the expression of its rule.
struct Note {
  Alert alert;
  std::string expr;
};

enum class Health : uint8_t { unknown, ok, err };
std::string_view name_of(Health health);  // "unknown", "ok", "err"

struct RuleView {
  Health health = Health::unknown;
  std::string last_error;
  int64_t evaluated_at_ms = 0;  // wall clock; 0: never
  double evaluation_s = 0;
  std::vector<Alert> alerts;  // pending and firing; of alerting rules
};

// A group as it was after an evaluation. Immutable.
struct GroupView {
  std::shared_ptr<const GroupSpec> spec;
  int64_t interval_ms = 0;
  int64_t evaluated_at_ms = 0;
  double evaluation_s = 0;
  std::vector<RuleView> rules;  // as spec->rules
};
using GroupViewPtr = std::shared_ptr<const GroupView>;

class Group {
 public:
  struct Options {
    promql::Labels external_labels;
    std::string external_url;
    int64_t default_interval_ms = 60'000;
    int64_t default_query_offset_ms = 0;
  };
  struct Outside {
    std::function<Result<promql::Vector>(const std::string& expr, int64_t t_ms)> query;
    // Takes what one rule came to, stale markers included; the queries after it see it.
    std::function<void(std::vector<promql::Sample>)> write;
    io::Clock& clock;  // for how long things took
  };
  struct Report {
    size_t evaluated = 0, failed = 0, samples = 0;
    std::vector<std::pair<std::string, std::string>> errors;  // rule, what
  };

  Group(GroupSpec spec, Options options);

  const GroupSpec& spec() const { return *spec_; }
  int64_t interval_ms() const { return interval_ms_; }
  int64_t query_offset_ms() const { return spec_->query_offset_ms.value_or(options_.default_query_offset_ms); }

  // Evaluations are due at slots: each interval, at an offset that the file's and the group's names make, so that
  // groups do not come all at once and the times are the same after a restart. The last slot that is not after
  // `now_ms`.
  int64_t slot_before(int64_t now_ms) const;

  // All rules one after the other, as of `t_ms`. A rule that fails keeps what it had and does not stop the others.
  Report evaluate(int64_t t_ms, const Outside& outside);
  // What the last evaluation wrote could not be stored.
  void write_failed(const std::string& why);

  // A changed configuration: what rules of the same name and labels remember goes on; series of rules that are gone are
  // marked stale at the next evaluation.
  void take_over(Group& from);
  // The group is gone: stale markers for all that it wrote.
  std::vector<promql::Sample> farewell(int64_t t_ms) const;

  // What somebody must be told at `t_ms`: alerts that fire or were resolved since, and again after `resend_ms`. They
  // count as told.
  std::vector<Note> to_send(int64_t t_ms, int64_t resend_ms);

  // For a restart (state.h).
  struct Memory {
    int64_t evaluated_ms = 0;  // the last slot; 0: none
    // By rule: its name and labels (a rule that occurs twice has the alerts of both).
    std::map<std::string, std::vector<Alert>> alerts;
  };
  Memory memory() const;
  // `skipped_ms`: of the time since, what nobody will evaluate any more. Pending alerts wait so much longer.
  void remember(const Memory& memory, int64_t skipped_ms);
  int64_t last_slot_ms() const { return last_slot_ms_; }

  GroupViewPtr view() const;

 private:
  struct State {
    RuleView view;
    std::vector<std::pair<std::string, Template>> labels, annotations;  // of an alert
    std::map<promql::Labels, Alert> alerts;
    std::set<promql::Labels> written;  // by the evaluation before
  };
  static std::string key_of(const RuleSpec& rule);
  Result<std::vector<promql::Sample>> record(const RuleSpec& rule, int64_t t_ms, const Outside& outside) const;
  Result<std::vector<promql::Sample>> alert(const RuleSpec& rule, State& state, int64_t t_ms, const Outside& outside);
  Result<std::map<promql::Labels, Alert>> now_true(const RuleSpec& rule, const State& state, int64_t t_ms,
                                                   const Outside& outside) const;
  bool advance(const RuleSpec& rule, Alert& alert, bool holds, int64_t t_ms) const;
  size_t finish(State& state, std::vector<promql::Sample> samples, int64_t t_ms, const Outside& outside);

  std::shared_ptr<const GroupSpec> spec_;
  Options options_;
  int64_t interval_ms_;
  std::vector<State> states_;         // as spec_->rules
  std::set<promql::Labels> orphans_;  // series of rules that are gone
  int64_t last_slot_ms_ = 0, evaluated_at_ms_ = 0;
  double evaluation_s_ = 0;
};

// An instant query's answer as rules want it: a scalar is a vector of one.
Result<promql::Vector> query_vector(const promql::Source& source, const std::string& expr, int64_t t_ms,
                                    const promql::Options& options);

}  // namespace hs::rules
