#include <re2/re2.h>

#include <vector>

#include "promql/evaluator.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

std::string argument(const CallExpr& node, size_t i) { return as<StringLiteral>(unwrap(*node.arguments[i])).value; }

bool valid_name(const std::string& name) { return !name.empty() && valid_utf8(name); }

bool word(char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Go's template: $1, ${name}, $$. A name that is no group is nothing; a $ before anything else is itself.
class Template {
 public:
  Template(const std::string& text, const re2::RE2& regex) {
    for (size_t at = 0; at < text.size();) {
      if (text[at] != '$') {
        literal() += text[at++];
      } else if (at + 1 < text.size() && text[at + 1] == '$') {
        literal() += '$';
        at += 2;
      } else {
        at = reference(text, at, regex);
      }
    }
  }

  std::string expand(const std::vector<re2::StringPiece>& groups) const {
    std::string out;
    for (const Part& part : parts_) {
      if (part.group < 0)
        out += part.text;
      else if (static_cast<size_t>(part.group) < groups.size())
        out += std::string(groups[static_cast<size_t>(part.group)]);
    }
    return out;
  }

 private:
  struct Part {
    std::string text;
    int group = -1;
  };

  std::string& literal() {
    if (parts_.empty() || parts_.back().group >= 0) parts_.emplace_back();
    return parts_.back().text;
  }

  size_t reference(const std::string& text, size_t at, const re2::RE2& regex) {
    const bool braced = at + 1 < text.size() && text[at + 1] == '{';
    const size_t first = at + (braced ? 2 : 1);
    size_t end = first;
    while (end < text.size() && word(text[end])) ++end;
    if (end == first || (braced && (end == text.size() || text[end] != '}'))) {
      literal() += '$';
      return at + 1;
    }
    const std::string name = text.substr(first, end - first);
    int group = 1 << 20;  // no such group
    if (name.find_first_not_of("0123456789") == std::string::npos && name.size() < 9) {
      group = std::stoi(name);
    } else if (const auto known = regex.NamedCapturingGroups().find(name);
               known != regex.NamedCapturingGroups().end()) {
      group = known->second;
    }
    parts_.push_back({"", group});
    return end + (braced ? 1 : 0);
  }

  std::vector<Part> parts_;
};

}  // namespace

Rows Evaluator::eval_label_replace(const CallExpr& node) {
  const std::string to = argument(node, 1);
  const std::string from = argument(node, 3);
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  const re2::RE2 regex(argument(node, 4), options);
  if (!regex.ok()) return state_.fail("invalid regular expression in label_replace(): " + argument(node, 4)), Rows();
  if (!valid_name(to)) return state_.fail("invalid destination label name in label_replace(): " + to), Rows();
  const Template replacement(argument(node, 2), regex);
  Rows rows = eval(*node.arguments[0]);
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  for (Row& row : rows) {
    const std::string value(row.labels.get(from));
    if (!regex.Match(value, 0, value.size(), re2::RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size()))) {
      continue;
    }
    row.labels.set(to, replacement.expand(groups));
    if (to == metric_name_label) row.drop_name = false;
    if (!state_.work(8)) return {};
  }
  if (!merge_equal_labels(rows)) state_.fail("vector cannot contain metrics with the same labelset");
  return rows;
}

Rows Evaluator::eval_label_join(const CallExpr& node) {
  const std::string to = argument(node, 1);
  const std::string separator = argument(node, 2);
  for (size_t i = 3; i < node.arguments.size(); ++i) {
    if (!valid_name(argument(node, i))) {
      return state_.fail("invalid source label name in label_join(): " + argument(node, i)), Rows();
    }
  }
  if (!valid_name(to)) return state_.fail("invalid destination label name in label_join(): " + to), Rows();
  Rows rows = eval(*node.arguments[0]);
  for (Row& row : rows) {
    std::string value;
    for (size_t i = 3; i < node.arguments.size(); ++i) {
      if (i > 3) value += separator;
      value += row.labels.get(argument(node, i));
    }
    row.labels.set(to, value);
    if (to == metric_name_label) row.drop_name = false;
    if (!state_.work(8)) return {};
  }
  if (!merge_equal_labels(rows)) state_.fail("vector cannot contain metrics with the same labelset");
  return rows;
}

}  // namespace hs::promql
