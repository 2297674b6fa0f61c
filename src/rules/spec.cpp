#include "rules/spec.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "promql/parser.h"
#include "promql/quote.h"
#include "rules/template.h"
#include "rules/yaml.h"

namespace hs::rules {
namespace {

using promql::Label;
using promql::quote;

// One rule as it stands in the file.
struct Written {
  YAML::Node node, record_node, alert_node, expr_node;
  std::string record, alert, expr;
  bool has_for = false, has_keep = false, has_annotations = false;
};

class FileReader {
 public:
  FileReader(const std::string& name, const ParseOptions& options, RuleFile& out)
      : name_(name), options_(options), out_(out), yaml_(name, options.ignore_unknown_fields, out.problems) {}

  void read(const std::string& text) {
    YAML::Node root;
    if (!yaml_.load(text, root)) return;
    yaml_.fields(root, "a rule file", {{"groups", [&](const YAML::Node& list) {
                                          yaml_.each(list, "groups", [&](const YAML::Node& one) { group(one); });
                                        }}});
  }

 private:
  void group(const YAML::Node& node) {
    GroupSpec group;
    group.file = name_;
    std::vector<Label> labels;
    YAML::Node rules;
    // The name first: every problem names its group.
    if (node.IsMap() && node["name"] && node["name"].IsScalar()) group.name = node["name"].Scalar();
    yaml_.context(fmt::format("group {}: ", quote(group.name)));
    yaml_.fields(
        node, "a group",
        {{"name", [&](const YAML::Node& v) { group.name = yaml_.text(v, "name"); }},
         {"interval", [&](const YAML::Node& v) { group.interval_ms = yaml_.duration_ms(v, "interval"); }},
         {"query_offset", [&](const YAML::Node& v) { group.query_offset_ms = yaml_.duration_ms(v, "query_offset"); }},
         {"limit", [&](const YAML::Node& v) { group.limit = yaml_.count(v, "limit"); }},
         {"labels", [&](const YAML::Node& v) { labels = yaml_.texts(v, "labels"); }},
         {"rules", [&](const YAML::Node& v) { rules = v; }}});
    if (group.name.empty()) yaml_.problem(node, "a group needs a name: add 'name: ...'");
    if (!names_.insert(group.name).second)
      yaml_.problem(node, "the name is repeated in the same file: give each group its own");
    check_names(node, labels, "label");
    if (rules.IsDefined() && !rules.IsNull())
      yaml_.each(rules, "rules", [&](const YAML::Node& one) { rule(one, group, labels); });
    yaml_.context("");
    out_.groups.push_back(std::move(group));
  }

  void rule(const YAML::Node& node, GroupSpec& group, const std::vector<Label>& group_labels) {
    if (++count_ == rules_max + 1) yaml_.problem(node, fmt::format("more than {} rules in one file", rules_max));
    if (count_ > rules_max) return;
    RuleSpec spec;
    Written written;
    written.node = node;
    yaml_.context(fmt::format("group {}, rule {}: ", quote(group.name), group.rules.size() + 1));
    read_rule(node, spec, written);
    spec.alerting = !written.alert.empty();
    spec.name = spec.alerting ? written.alert : written.record;
    yaml_.context(fmt::format("group {}, rule {}, {}: ", quote(group.name), group.rules.size() + 1, quote(spec.name)));
    check_kind(written);
    check_expr(written, spec);
    check_names(node, spec.labels, "label");
    check_names(node, spec.annotations, "annotation");
    if (spec.alerting) check_templates(node, spec);
    for (const Label& label : group_labels) {
      const bool own =
          std::any_of(spec.labels.begin(), spec.labels.end(), [&](const Label& l) { return l.name == label.name; });
      if (!own) spec.labels.push_back(label);
    }
    std::sort(spec.labels.begin(), spec.labels.end());
    group.rules.push_back(std::move(spec));
  }

  void read_rule(const YAML::Node& node, RuleSpec& spec, Written& written) {
    const auto take = [&](YAML::Node& to_node, std::string& to, std::string_view field) {
      return [this, &to_node, &to, field](const YAML::Node& v) { to_node = v, to = yaml_.text(v, field); };
    };
    yaml_.fields(
        node, "a rule",
        {{"record", take(written.record_node, written.record, "record")},
         {"alert", take(written.alert_node, written.alert, "alert")},
         {"expr", take(written.expr_node, written.expr, "expr")},
         {"for", [&](const YAML::Node& v) { spec.for_ms = yaml_.duration_ms(v, "for"), written.has_for = true; }},
         {"keep_firing_for",
          [&](const YAML::Node& v) {
            spec.keep_firing_for_ms = yaml_.duration_ms(v, "keep_firing_for");
            written.has_keep = true;
          }},
         {"labels", [&](const YAML::Node& v) { spec.labels = yaml_.texts(v, "labels"); }},
         {"annotations", [&](const YAML::Node& v) {
            spec.annotations = yaml_.texts(v, "annotations");
            written.has_annotations = !spec.annotations.empty();
          }}});
  }

  void check_kind(const Written& w) {
    if (!w.record.empty() && !w.alert.empty())
      yaml_.problem(w.node, "only one of 'record' and 'alert' must be set: make two rules of it");
    if (w.record.empty() && w.alert.empty()) yaml_.problem(w.node, "one of 'record' or 'alert' must be set");
    if (w.record.empty()) return;
    if (w.has_annotations)
      yaml_.problem(w.node, "invalid field 'annotations' in recording rule: only alerts have them");
    if (w.has_for) yaml_.problem(w.node, "invalid field 'for' in recording rule: only alerts have it");
    if (w.has_keep) yaml_.problem(w.node, "invalid field 'keep_firing_for' in recording rule: only alerts have it");
    if (w.record.find_first_of("{}") != std::string::npos)
      yaml_.problem(w.record_node,
                    fmt::format("braces present in the recording rule name; should it be in expr?: {}", w.record));
    else if (repair_utf8(w.record) != w.record)
      yaml_.problem(w.record_node, "invalid recording rule name: not UTF-8");
  }

  void check_expr(const Written& w, RuleSpec& spec) {
    if (w.expr.empty()) return yaml_.problem(w.node, "field 'expr' must be set in rule");
    const auto parsed = promql::parse_expr(w.expr, options_.features, promql::Limits{});
    if (!parsed) return yaml_.problem(w.expr_node, "could not parse expression: " + parsed.error().message);
    spec.expr = to_text(**parsed);
  }

  void check_names(const YAML::Node& node, const std::vector<Label>& labels, std::string_view what) {
    for (const Label& label : labels) {
      const bool name = !label.name.empty() && repair_utf8(label.name) == label.name;
      if (!name || (what == "label" && label.name == promql::metric_name_label))
        yaml_.problem(node, fmt::format("invalid {} name: {}", what, label.name));
      if (repair_utf8(label.value) != label.value)
        yaml_.problem(node, fmt::format("invalid {} value of {}: not UTF-8", what, label.name));
    }
  }

  void check_templates(const YAML::Node& node, const RuleSpec& spec) {
    const auto check = [&](const std::vector<Label>& texts, std::string_view what) {
      for (const Label& one : texts)
        if (const auto good = Template::parse(one.value); !good)
          yaml_.problem(node, fmt::format("{} {}: {}", what, quote(one.name), good.error().message));
    };
    check(spec.labels, "label");
    check(spec.annotations, "annotation");
  }

  const std::string& name_;
  const ParseOptions& options_;
  RuleFile& out_;
  YamlReader yaml_;
  std::set<std::string> names_;
  size_t count_ = 0;
};

}  // namespace

RuleFile parse_rules(const std::string& yaml, const std::string& name, const ParseOptions& options) {
  RuleFile out;
  if (yaml.size() > rule_file_bytes_max)
    out.problems.push_back(fmt::format("{}: more than {} MiB; split it", name, rule_file_bytes_max >> 20));
  else
    FileReader(name, options, out).read(yaml);
  return out;
}

}  // namespace hs::rules
