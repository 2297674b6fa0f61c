#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "promql/ast.h"
#include "promql/json.h"
#include "promql/quote.h"

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

constexpr size_t line_max = 100;  // as Prometheus breaks lines

std::string names(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    if (!out.empty()) out += ", ";
    out += plain_label_name(label) ? label : quote(label);
  }
  return out;
}

std::string duration_text(const std::unique_ptr<DurationExpr>& expression, int64_t ms) {
  return expression ? to_text(*expression) : format_duration(ms);
}

std::string offset_text(const TimeModifier& time) {
  if (time.offset_expr) return " offset " + to_text(*time.offset_expr);
  if (time.original_offset_ms > 0) return " offset " + format_duration(time.original_offset_ms);
  if (time.original_offset_ms < 0) return " offset -" + format_duration(-time.original_offset_ms);
  return "";
}

std::string at_text(const TimeModifier& time) {
  if (time.preprocessor) return *time.preprocessor == Tok::start ? " @ start()" : " @ end()";
  if (time.timestamp_ms) return fmt::format(" @ {:.3f}", static_cast<double>(*time.timestamp_ms) / 1000);
  return "";
}

std::string extension_text(const VectorSelector& node) {
  if (node.anchored) return " anchored";
  return node.smoothed ? " smoothed" : "";
}

std::string selector_text(const VectorSelector& node) {
  std::vector<std::string> matchers;
  for (const Matcher& m : node.matchers) {
    const bool is_name = m.name() == metric_name_label && m.type() == MatchType::equal && m.value() == node.name;
    if (!is_name || m.value().empty()) matchers.push_back(m.text());
  }
  std::sort(matchers.begin(), matchers.end());
  std::string out = node.name;
  if (!matchers.empty()) out += fmt::format("{{{}}}", fmt::join(matchers, ","));
  return out;
}

std::string subquery_suffix(const SubqueryExpr& node) {
  const std::string step = node.step_ms != 0 || node.step_expr ? duration_text(node.step_expr, node.step_ms) : "";
  return fmt::format("[{}:{}]{}{}", duration_text(node.range_expr, node.range_ms), step, at_text(node.time),
                     offset_text(node.time));
}

std::string fill_text(const VectorMatching& m) {
  if (m.fill_left && m.fill_right && *m.fill_left == *m.fill_right) {
    return fmt::format(" fill ({})", format_g(*m.fill_left));
  }
  std::string out;
  if (m.fill_left) out += fmt::format(" fill_left ({})", format_g(*m.fill_left));
  if (m.fill_right) out += fmt::format(" fill_right ({})", format_g(*m.fill_right));
  return out;
}

// The operator with all that belongs to it: `== bool on (a) group_left (b)`.
std::string operator_text(const BinaryExpr& node) {
  std::string out(text_of(node.op));
  if (node.return_bool) out += " bool";
  if (!node.matching) return out;
  const VectorMatching& m = *node.matching;
  const bool grouped = m.card == Cardinality::many_to_one || m.card == Cardinality::one_to_many;
  if (!m.labels.empty() || m.on || grouped) out += fmt::format(" {} ({})", m.on ? "on" : "ignoring", names(m.labels));
  if (grouped) {
    out += fmt::format(" group_{} ({})", m.card == Cardinality::many_to_one ? "left" : "right", names(m.include));
  }
  return out + fill_text(m);
}

std::string aggregate_head(const AggregateExpr& node) {
  std::string out(text_of(node.op));
  if (node.without) return out + fmt::format(" without ({}) ", names(node.grouping));
  return node.grouping.empty() ? out : out + fmt::format(" by ({}) ", names(node.grouping));
}

std::string duration_expr_text(const DurationExpr& node) {
  std::string out;
  switch (node.op) {
    case Tok::step:
      out = "step()";
      break;
    case Tok::range:
      out = "range()";
      break;
    case Tok::min_of:
    case Tok::max_of:
      out = fmt::format("{}({}, {})", text_of(node.op), to_text(*node.lhs), to_text(*node.rhs));
      break;
    default:
      if (node.lhs) {
        out = fmt::format("{} {} {}", to_text(*node.lhs), text_of(node.op), to_text(*node.rhs));
      } else {
        out = (node.op == Tok::sub ? "-" : "") + to_text(*node.rhs);
      }
  }
  return node.wrapped ? "(" + out + ")" : out;
}

std::string number_text(const NumberLiteral& node) {
  if (!node.is_duration) return format_float(node.value);
  const auto ms = static_cast<int64_t>(std::abs(node.value) * 1e9 / 1e6);
  return (node.value < 0 ? "-" : "") + format_duration(ms);
}

std::string arguments_text(const std::vector<ExprPtr>& arguments) {
  std::string out;
  for (const ExprPtr& argument : arguments) {
    if (!out.empty()) out += ", ";
    out += to_text(*argument);
  }
  return out;
}

std::string aggregate_text(const AggregateExpr& node) {
  const std::string param = node.param ? to_text(*node.param) + ", " : "";
  return aggregate_head(node) + "(" + param + to_text(*node.expr) + ")";
}

std::string matrix_text(const MatrixSelector& node) {
  const auto& selector = as<VectorSelector>(*node.selector);
  return fmt::format("{}[{}]{}{}{}", selector_text(selector), duration_text(node.range_expr, node.range_ms),
                     extension_text(selector), at_text(selector.time), offset_text(selector.time));
}

std::string indent(int level) { return std::string(static_cast<size_t>(level) * 2, ' '); }

std::string pretty(const Expr& expr, int level);

std::string pretty_call(const CallExpr& node, int level) {
  std::string out = indent(level) + std::string(node.function->name) + "(\n";
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (i > 0) out += ",\n";
    out += pretty(*node.arguments[i], level + 1);
  }
  return out + "\n" + indent(level) + ")";
}

std::string pretty_aggregate(const AggregateExpr& node, int level) {
  std::string out = indent(level) + aggregate_head(node) + "(\n";
  if (node.param) out += pretty(*node.param, level + 1) + ",\n";
  return out + pretty(*node.expr, level + 1) + "\n" + indent(level) + ")";
}

std::string pretty_unary(const UnaryExpr& node, int level) {
  const std::string child = pretty(*node.expr, level);
  return indent(level) + std::string(text_of(node.op)) +
         child.substr(std::min(child.find_first_not_of(' '), child.size()));
}

std::string pretty(const Expr& expr, int level) {
  const std::string line = to_text(expr);
  if (expr.kind == Kind::unary) return pretty_unary(as<UnaryExpr>(expr), level);
  if (line.size() <= line_max) return (expr.kind == Kind::subquery ? "" : indent(level)) + line;
  switch (expr.kind) {
    case Kind::aggregate:
      return pretty_aggregate(as<AggregateExpr>(expr), level);
    case Kind::call:
      return pretty_call(as<CallExpr>(expr), level);
    case Kind::binary: {
      const auto& node = as<BinaryExpr>(expr);
      return fmt::format("{}\n{}{}\n{}", pretty(*node.lhs, level + 1), indent(level), operator_text(node),
                         pretty(*node.rhs, level + 1));
    }
    case Kind::paren:
      return fmt::format("{}(\n{}\n{})", indent(level), pretty(*as<ParenExpr>(expr).expr, level + 1), indent(level));
    case Kind::subquery:
      return pretty(*as<SubqueryExpr>(expr).expr, level) + subquery_suffix(as<SubqueryExpr>(expr));
    default:
      return indent(level) + line;
  }
}

}  // namespace

std::string to_text(const Expr& expr) {
  switch (expr.kind) {
    case Kind::aggregate:
      return aggregate_text(as<AggregateExpr>(expr));
    case Kind::binary: {
      const auto& node = as<BinaryExpr>(expr);
      return fmt::format("{} {} {}", to_text(*node.lhs), operator_text(node), to_text(*node.rhs));
    }
    case Kind::call: {
      const auto& node = as<CallExpr>(expr);
      return fmt::format("{}({})", node.function->name, arguments_text(node.arguments));
    }
    case Kind::matrix_selector:
      return matrix_text(as<MatrixSelector>(expr));
    case Kind::subquery:
      return to_text(*as<SubqueryExpr>(expr).expr) + subquery_suffix(as<SubqueryExpr>(expr));
    case Kind::number:
      return number_text(as<NumberLiteral>(expr));
    case Kind::paren:
      return "(" + to_text(*as<ParenExpr>(expr).expr) + ")";
    case Kind::string:
      return quote(as<StringLiteral>(expr).value);
    case Kind::unary:
      return std::string(text_of(as<UnaryExpr>(expr).op)) + to_text(*as<UnaryExpr>(expr).expr);
    case Kind::duration:
      return duration_expr_text(as<DurationExpr>(expr));
    case Kind::vector_selector: {
      const auto& node = as<VectorSelector>(expr);
      return selector_text(node) + at_text(node.time) + extension_text(node) + offset_text(node.time);
    }
  }
  return "";
}

std::string to_pretty(const Expr& expr) { return pretty(expr, 0); }

}  // namespace hs::promql
