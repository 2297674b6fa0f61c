#include "promql/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

double seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

ExprPtr number_at(const Expr& place, double value) {
  auto node = std::make_unique<NumberLiteral>();
  node->value = value;
  node->range = place.range;
  return node;
}

// The instants that the selectors below an argument of info() look at.
struct InfoTimes {
  struct Time {
    std::optional<int64_t> timestamp_ms;
    int64_t offset_ms = 0;

    bool same(const Time& other) const {
      if (!timestamp_ms || !other.timestamp_ms) {
        return timestamp_ms.has_value() == other.timestamp_ms.has_value() && offset_ms == other.offset_ms;
      }
      return *timestamp_ms - offset_ms == *other.timestamp_ms - other.offset_ms;
    }
  };

  std::vector<Time> found;
  bool uniform = true;

  // `around`: the subqueries around the expression, outermost first. True when there is a selector below.
  bool visit(const Expr& expr, std::vector<const SubqueryExpr*> around) {
    if (expr.type() != ValueType::vector && expr.type() != ValueType::matrix) return false;
    if (expr.kind == Kind::vector_selector) {
      const TimeModifier& own = as<VectorSelector>(expr).time;
      add({own.timestamp_ms, own.original_offset_ms}, around);
      return true;
    }
    if (expr.kind == Kind::subquery) around.push_back(&as<SubqueryExpr>(expr));
    const bool info = expr.kind == Kind::call && as<CallExpr>(expr).function->name == "info";
    bool any = false;
    for (const Expr* child : children(const_cast<Expr&>(expr))) {
      any = visit(*child, around) || any;
      if (info) return any;
    }
    uniform = uniform && any;  // a vector without selectors has the time of evaluation
    return any;
  }

 private:
  void add(Time time, const std::vector<const SubqueryExpr*>& around) {
    for (auto at = around.rbegin(); at != around.rend() && !time.timestamp_ms; ++at) {
      time.offset_ms += (*at)->time.original_offset_ms;
      time.timestamp_ms = (*at)->time.timestamp_ms;
    }
    uniform = uniform && (found.empty() || found[0].same(time));
    found.push_back(time);
  }
};

class Preparer {
 public:
  explicit Preparer(const Query& query) : query_(query) {}

  std::optional<QueryError> error;

  // True when the value of `expr` is the same at every step.
  bool visit(ExprPtr& expr) {
    fold(expr);
    return visit_node(*expr);
  }

 private:
  void fold(ExprPtr& expr) {
    if (expr->kind != Kind::call) return;
    const std::string_view name = as<CallExpr>(*expr).function->name;
    const bool instant = query_.start_ms == query_.end_ms;
    if (name == "start")
      expr = number_at(*expr, seconds(query_.start_ms));
    else if (name == "end")
      expr = number_at(*expr, seconds(query_.end_ms));
    else if (name == "range")
      expr = number_at(*expr, seconds(query_.end_ms - query_.start_ms));
    else if (name == "step")
      expr = number_at(*expr, instant ? 0 : seconds(query_.step_ms));
  }

  bool visit_node(Expr& expr) {
    switch (expr.kind) {
      case Kind::vector_selector:
        return mark(expr, time(as<VectorSelector>(expr).time));
      case Kind::matrix_selector:
        return matrix(as<MatrixSelector>(expr));
      case Kind::subquery:
        return subquery(as<SubqueryExpr>(expr));
      case Kind::aggregate:
        return aggregate(as<AggregateExpr>(expr));
      case Kind::binary:
        return binary(as<BinaryExpr>(expr));
      case Kind::call:
        return call(as<CallExpr>(expr));
      case Kind::paren:
        return visit(as<ParenExpr>(expr).expr);
      case Kind::unary:
        return mark(expr, visit(as<UnaryExpr>(expr).expr));
      default:
        return true;
    }
  }

  static bool mark(Expr& expr, bool invariant) { return expr.step_invariant = invariant; }

  bool aggregate(AggregateExpr& node) {
    const bool param = !node.param || visit(node.param);
    return mark(node, visit(node.expr) && param);
  }

  bool binary(BinaryExpr& node) {
    const bool left = visit(node.lhs);
    return mark(node, visit(node.rhs) && left);
  }

  bool call(CallExpr& node) {
    static constexpr std::array<std::string_view, 11> unsafe = {
        "day_of_month", "day_of_week",    "day_of_year", "days_in_month", "hour", "minute",
        "month",        "predict_linear", "time",        "timestamp",     "year"};
    const std::string_view name = node.function->name;
    const bool info = name == "info";
    bool invariant = true;
    for (ExprPtr& argument : node.arguments) {
      const bool same = visit(argument);
      invariant = invariant && (same || (info && argument != node.arguments[0]));
    }
    if (info) invariant = invariant && info_time(*node.arguments[0]).has_value();
    const bool direct = name == "timestamp" && unwrap(*node.arguments[0]).kind == Kind::vector_selector;
    const bool safe = direct || std::find(unsafe.begin(), unsafe.end(), name) == unsafe.end();
    return mark(node, invariant && safe);
  }

  bool time(TimeModifier& modifier) {
    if (modifier.preprocessor) {
      modifier.timestamp_ms = *modifier.preprocessor == Tok::start ? query_.start_ms : query_.end_ms;
    }
    if (modifier.timestamp_ms) modifier.timestamp_ms = std::clamp(*modifier.timestamp_ms, min_time_ms, max_time_ms);
    if (modifier.offset_expr) modifier.original_offset_ms = duration(*modifier.offset_expr, true);
    return modifier.timestamp_ms.has_value();
  }

  bool matrix(MatrixSelector& node) {
    const bool invariant = visit_node(*node.selector);
    if (node.range_expr) node.range_ms = duration(*node.range_expr, false);
    return invariant;
  }

  bool subquery(SubqueryExpr& node) {
    visit(node.expr);
    const bool invariant = time(node.time);
    if (node.step_expr) node.step_ms = duration(*node.step_expr, false);
    if (node.range_expr) node.range_ms = duration(*node.range_expr, false);
    return invariant;
  }

  double wrong(const Expr& expr, std::string_view what) {
    if (!error) {
      error = {ErrorKind::bad_data, fmt::format("{}:{}: {}", expr.range.start, expr.range.end, what)};
    }
    return 0;
  }

  int64_t duration(const Expr& expr, bool may_be_negative) {
    constexpr double bound = 9223372036.854775808;
    const double value = evaluate(expr);
    if (error) return 0;
    if (!std::isfinite(value)) return static_cast<int64_t>(wrong(expr, "duration is NaN or infinite"));
    if (value <= 0 && !may_be_negative) return static_cast<int64_t>(wrong(expr, "duration must be greater than 0"));
    if (std::abs(value) > bound) return static_cast<int64_t>(wrong(expr, "duration is out of range"));
    return static_cast<int64_t>(value * 1000);
  }

  double evaluate(const Expr& expr) {
    if (expr.kind == Kind::number) return as<NumberLiteral>(expr).value;
    const auto& node = as<DurationExpr>(expr);
    const double lhs = node.lhs ? evaluate(*node.lhs) : 0;
    const double rhs = node.rhs ? evaluate(*node.rhs) : 0;
    switch (node.op) {
      case Tok::step:
        return seconds(query_.step_ms);
      case Tok::range:
        return seconds(query_.end_ms - query_.start_ms);
      case Tok::min_of:
        return std::fmin(lhs, rhs);
      case Tok::max_of:
        return std::fmax(lhs, rhs);
      case Tok::add:
        return lhs + rhs;
      case Tok::sub:
        return lhs - rhs;
      case Tok::mul:
        return lhs * rhs;
      case Tok::div:
        return rhs == 0 ? wrong(expr, "division by zero") : lhs / rhs;
      case Tok::mod:
        return rhs == 0 ? wrong(expr, "modulo by zero") : std::fmod(lhs, rhs);
      default:
        return std::pow(lhs, rhs);
    }
  }

  const Query& query_;
};

struct Span {
  int64_t start_ms;
  int64_t end_ms;
  int64_t step_ms;
  bool totals = false;   // below histogram_count() and its like
  bool buckets = false;  // below what needs buckets

  void enter(const Expr& expr) {
    if (expr.kind == Kind::subquery) buckets = true;
    if (expr.kind == Kind::binary) {
      const Tok op = as<BinaryExpr>(expr).op;
      buckets = buckets || op == Tok::trim_upper || op == Tok::trim_lower;
    }
    if (expr.kind != Kind::call) return;
    const std::string_view name = as<CallExpr>(expr).function->name;
    totals = totals || name == "histogram_count" || name == "histogram_sum" || name == "histogram_avg";
    buckets = buckets || name.starts_with("histogram_quantile") || name == "histogram_fraction";
  }
};

class RangeCollector {
 public:
  RangeCollector(const Options& options, std::vector<SelectorRange>& out) : options_(options), out_(out) {}

  void visit(const Expr& expr, Span span, const std::string& function, int64_t range_ms) {
    span.enter(expr);
    switch (expr.kind) {
      case Kind::vector_selector:
        return selector(as<VectorSelector>(expr), span, function, range_ms);
      case Kind::matrix_selector:
        return visit(*as<MatrixSelector>(expr).selector, span, function, as<MatrixSelector>(expr).range_ms);
      case Kind::subquery: {
        const auto& node = as<SubqueryExpr>(expr);
        if (node.time.timestamp_ms) span.start_ms = span.end_ms = *node.time.timestamp_ms;
        span.start_ms -= node.time.original_offset_ms + node.range_ms;
        span.end_ms -= node.time.original_offset_ms;
        span.step_ms = node.step_ms != 0 ? node.step_ms : options_.subquery_step_ms;
        return visit(*node.expr, span, function, 0);
      }
      default:
        break;
    }
    std::string inner = expr.kind == Kind::binary ? "" : function;
    if (expr.kind == Kind::aggregate) inner = text_of(as<AggregateExpr>(expr).op);
    if (expr.kind == Kind::call) inner = as<CallExpr>(expr).function->name;
    // The labels of info()'s second argument are selected when the series of the first are known.
    const bool info = expr.kind == Kind::call && inner == "info";
    for (const Expr* child : children(const_cast<Expr&>(expr))) {
      visit(*child, span, inner, 0);
      if (info) break;
    }
  }

 private:
  void selector(const VectorSelector& node, Span span, const std::string& function, int64_t range_ms) {
    if (node.time.timestamp_ms) span.start_ms = span.end_ms = *node.time.timestamp_ms;
    const int64_t back = range_ms == 0                    ? options_.lookback_ms
                         : node.anchored || node.smoothed ? options_.lookback_ms + range_ms
                                                          : range_ms;
    span.start_ms -= back - 1;
    if (node.smoothed) span.end_ms += options_.lookback_ms;
    out_.push_back({&node, span.start_ms - node.time.original_offset_ms, span.end_ms - node.time.original_offset_ms,
                    span.step_ms, range_ms, function, span.totals && !span.buckets});
  }

  const Options& options_;
  std::vector<SelectorRange>& out_;
};

}  // namespace

std::optional<TimeModifier> info_time(const Expr& argument) {
  InfoTimes times;
  times.visit(argument, {});
  if (times.found.empty() || !times.uniform) return std::nullopt;
  TimeModifier out;
  out.timestamp_ms = times.found[0].timestamp_ms;
  out.original_offset_ms = times.found[0].offset_ms;
  return out;
}

QueryResult<void> prepare(ExprPtr& expr, const Query& query) {
  Preparer preparer(query);
  preparer.visit(expr);
  if (preparer.error) return tl::unexpected(*preparer.error);
  return {};
}

std::vector<SelectorRange> selector_ranges(const Expr& expr, const Query& query, const Options& options) {
  std::vector<SelectorRange> out;
  RangeCollector(options, out).visit(expr, {query.start_ms, query.end_ms, query.step_ms}, "", 0);
  return out;
}

}  // namespace hs::promql
