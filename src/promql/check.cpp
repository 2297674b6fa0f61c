#include <fmt/format.h>

#include <algorithm>

#include "promql/parser.h"
#include "promql/quote.h"

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

// Stops at the first problem.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  bool check(Expr& expr) {
    switch (expr.kind) {
      case Kind::aggregate:
        return aggregate(as<AggregateExpr>(expr));
      case Kind::binary:
        return binary(as<BinaryExpr>(expr));
      case Kind::call:
        return call(as<CallExpr>(expr));
      case Kind::paren:
        return check(*as<ParenExpr>(expr).expr);
      case Kind::unary:
        return unary(as<UnaryExpr>(expr));
      case Kind::subquery:
        return subquery(as<SubqueryExpr>(expr));
      case Kind::matrix_selector:
        return check(*as<MatrixSelector>(expr).selector);
      case Kind::vector_selector:
        return selector(as<VectorSelector>(expr));
      default:
        return true;
    }
  }

  QueryError error;

 private:
  bool wrong(int pos, const std::string& message) {
    error = {ErrorKind::bad_data, position_text(text_, pos) + ": parse error: " + message};
    return false;
  }

  bool expect(Expr& expr, ValueType wanted, const std::string& context) {
    if (!check(expr)) return false;
    if (expr.type() == wanted) return true;
    return wrong(expr.range.start, fmt::format("expected type {} in {}, got {}", documented_name(wanted), context,
                                               documented_name(expr.type())));
  }

  bool aggregate(AggregateExpr& node) {
    if (!expect(*node.expr, ValueType::vector, "aggregation expression")) return false;
    if (!node.param) return true;
    const bool text = node.op == Tok::count_values;
    return expect(*node.param, text ? ValueType::string : ValueType::scalar, "aggregation parameter");
  }

  // Where the operator stands.
  int operator_position(const BinaryExpr& node) const {
    const size_t at = text_.find_first_not_of(" \t\n\r", static_cast<size_t>(node.lhs->range.end));
    return at == std::string_view::npos ? node.lhs->range.end : static_cast<int>(at);
  }

  bool binary(BinaryExpr& node) {
    if (!check(*node.lhs) || !check(*node.rhs)) return false;
    const ValueType left = node.lhs->type();
    const ValueType right = node.rhs->type();
    VectorMatching& matching = *node.matching;
    if (node.return_bool && !is_comparison(node.op)) {
      return wrong(operator_position(node), "bool modifier can only be used on comparison operators");
    }
    if (is_comparison(node.op) && !node.return_bool && left == ValueType::scalar && right == ValueType::scalar) {
      return wrong(operator_position(node), "comparisons between scalars must use BOOL modifier");
    }
    if (is_set_operator(node.op) && matching.card == Cardinality::one_to_one) {
      matching.card = Cardinality::many_to_many;
    }
    for (const std::string& label : matching.labels) {
      const auto& include = matching.include;
      if (matching.on && std::find(include.begin(), include.end(), label) != include.end()) {
        return wrong(operator_position(node),
                     fmt::format("label {} must not occur in ON and GROUP clause at once", quote(label)));
      }
    }
    for (const auto& [operand, type] : {std::pair(node.lhs.get(), left), std::pair(node.rhs.get(), right)}) {
      if (type != ValueType::scalar && type != ValueType::vector) {
        return wrong(operand->range.start, "binary expression must contain only scalar and instant vector types");
      }
    }
    return left == ValueType::vector && right == ValueType::vector ? vectors(node) : scalars(node);
  }

  bool scalars(BinaryExpr& node) {
    const VectorMatching& matching = *node.matching;
    if (!matching.labels.empty()) {
      return wrong(node.range.start, "vector matching only allowed between instant vectors");
    }
    if (matching.fill_left || matching.fill_right) {
      return wrong(node.range.start, "filling in missing series only allowed between instant vectors");
    }
    node.matching.reset();
    if (!is_set_operator(node.op)) return true;
    return wrong(node.range.start,
                 fmt::format("set operator {} not allowed in binary scalar expression", quote(text_of(node.op))));
  }

  bool vectors(BinaryExpr& node) {
    if (!is_set_operator(node.op)) return true;
    const VectorMatching& matching = *node.matching;
    if (matching.card != Cardinality::many_to_many) {
      return wrong(node.range.start, fmt::format("no grouping allowed for {} operation", quote(text_of(node.op))));
    }
    if (matching.fill_left || matching.fill_right) {
      return wrong(node.range.start, "filling in missing series not allowed for set operators");
    }
    return true;
  }

  bool count_arguments(const CallExpr& node) {
    const Function& f = *node.function;
    const size_t got = node.arguments.size();
    const size_t named = f.arguments.size();
    const auto bad = [&](std::string_view how, size_t n) {
      return wrong(node.range.start,
                   fmt::format("expected {}{} argument(s) in call to {}, got {}", how, n, quote(f.name), got));
    };
    if (f.variadic == 0) return got == named || bad("", named);
    if (named - 1 > got) return bad("at least ", named - 1);
    const size_t most = named - 1 + static_cast<size_t>(std::max(f.variadic, 0));
    return f.variadic < 0 || got <= most || bad("at most ", most);
  }

  bool info_selector(CallExpr& node) {
    Expr& second = *node.arguments[1];
    if (second.type() != ValueType::vector) {
      return wrong(node.range.start, fmt::format("expected type instant vector in call to function \"info\", got {}",
                                                 documented_name(second.type())));
    }
    if (second.kind != Kind::vector_selector) return wrong(second.range.start, "expected label selectors only");
    auto& labels = as<VectorSelector>(second);
    if (!labels.name.empty()) {
      return wrong(second.range.start, "expected label selectors only, got vector selector instead");
    }
    labels.may_match_empty = true;
    return true;
  }

  bool call(CallExpr& node) {
    const Function& f = *node.function;
    if (!count_arguments(node)) return false;
    if (f.name == "info" && node.arguments.size() > 1 && !info_selector(node)) return false;
    for (size_t i = 0; i < node.arguments.size(); ++i) {
      const ValueType wanted = f.arguments[std::min(i, f.arguments.size() - 1)];
      if (!expect(*node.arguments[i], wanted, fmt::format("call to function {}", quote(f.name)))) return false;
    }
    return true;
  }

  bool unary(UnaryExpr& node) {
    if (!check(*node.expr)) return false;
    const ValueType type = node.expr->type();
    if (type == ValueType::scalar || type == ValueType::vector) return true;
    return wrong(node.range.start,
                 fmt::format("unary expression only allowed on expressions of type scalar or instant vector, got {}",
                             quote(documented_name(type))));
  }

  bool subquery(SubqueryExpr& node) {
    if (!check(*node.expr)) return false;
    if (node.expr->type() == ValueType::vector) return true;
    return wrong(node.range.start,
                 fmt::format("subquery is only allowed on instant vector, got {} instead", name_of(node.expr->type())));
  }

  bool selector(VectorSelector& node) {
    if (!node.name.empty()) {
      for (size_t i = 0; i + 1 < node.matchers.size(); ++i) {
        if (node.matchers[i].name() != metric_name_label) continue;
        return wrong(node.range.start, fmt::format("metric name must not be set twice: {} or {}", quote(node.name),
                                                   quote(node.matchers[i].value())));
      }
      return true;
    }
    const bool selective =
        std::any_of(node.matchers.begin(), node.matchers.end(), [](const Matcher& m) { return !m.matches_empty(); });
    if (selective || node.may_match_empty) return true;
    return wrong(node.range.start, "vector selector must contain at least one non-empty matcher");
  }

  std::string_view text_;
};

}  // namespace

QueryResult<void> check_types(std::string_view text, Expr& expr) {
  Checker checker(text);
  if (!checker.check(expr)) return tl::unexpected(checker.error);
  return {};
}

}  // namespace hs::promql
