#pragma once
// Go's text/template, as far as Prometheus documents it for alerts: actions with pipelines, variables, if, range, with;
// Prometheus' own functions. https://prometheus.io/docs/prometheus/latest/configuration/template_reference/
//
// Not taken: define, template, block (nothing of a rule can call them), methods of Go's values. A template is text of
// a rule file, its data are labels of hostile senders: what it makes and how long it runs is bounded.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "promql/engine.h"

namespace hs::rules {

struct TemplateData {
  promql::Labels labels, external_labels;
  std::string external_url;
  promql::Sample value;  // f or h
  int64_t now_ms = 0;
  // What `query` asks; an error ends the expansion.
  std::function<Result<promql::Vector>(const std::string& expr)> query;
};

// Immutable; copies share the tree.
class Template {
 public:
  static constexpr size_t output_bytes_max = 256 << 10;  // what an Alertmanager takes as one request is 10 MB
  static constexpr int steps_max = 100'000;              // actions and calls of one expansion
  static constexpr int depth_max = 64;                   // of nested actions and parentheses

  struct Tree;
  // The error names the place ("1:5: ...": line and byte of the text).
  static Result<Template> parse(std::string_view text);
  Result<std::string> expand(const TemplateData& data) const;

 private:
  std::shared_ptr<const Tree> tree_;
};

}  // namespace hs::rules
