#pragma once
// Rule files as Prometheus reads them, checked before anything of them is used.
// https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/ and alerting_rules/

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "promql/engine.h"
#include "promql/labels.h"

namespace hs::rules {

struct RuleSpec {
  bool alerting = false;                           // else recording
  std::string name;                                // of the alert, or of the series that is recorded
  std::string expr;                                // normalised: as the parser prints it
  int64_t for_ms = 0;                              // alerting: how long it must hold before it fires
  int64_t keep_firing_for_ms = 0;                  // alerting: how long it fires on when it does not hold any more
  std::vector<promql::Label> labels, annotations;  // by name; an alert's values are templates
  bool operator==(const RuleSpec&) const = default;
};

struct GroupSpec {
  std::string file, name;
  int64_t interval_ms = 0;  // 0: the default
  std::optional<int64_t> query_offset_ms;
  size_t limit = 0;  // of series or alerts of one rule; 0: none
  std::vector<RuleSpec> rules;
  bool operator==(const GroupSpec&) const = default;
};

struct ParseOptions {
  promql::Features features;
  bool ignore_unknown_fields = false;
};

struct RuleFile {
  std::vector<GroupSpec> groups;
  // Each names the file, the line, the group, the rule and what to do; none: the file is good.
  std::vector<std::string> problems;
};

// `name` is the file's, for messages and for the groups. Pure.
RuleFile parse_rules(const std::string& yaml, const std::string& name, const ParseOptions& options);

// Bounds of a file, of what a hand writes with room to spare; more is a problem of the file.
inline constexpr size_t rule_file_bytes_max = 16 << 20;
inline constexpr size_t rules_max = 100'000;

}  // namespace hs::rules
