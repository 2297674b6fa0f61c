// Aggregations of numbers straight from the series that a selector or a function over a range goes through: a row is
// folded into its group as soon as it is made, so that a sum over many series holds one row and the groups.

#include <cmath>
#include <unordered_map>

#include "promql/evaluator.h"
#include "promql/kahan.h"

namespace hs::promql {
namespace {

struct SumCell {
  KahanSum total;
  bool seen = false;
  void add(double v) {
    seen = true;
    total.add(v);
  }
  double value() const { return total.sum + total.error; }
};

struct MeanCell {
  KahanMean mean;
  bool seen = false;
  void add(double v) {
    seen = true;
    mean.add(v);
  }
  double value() const { return mean.value(); }
};

template <bool greatest>
struct ExtremeCell {
  double extreme = 0;
  bool seen = false;
  void add(double v) {
    if (!seen || (greatest ? extreme < v : extreme > v) || std::isnan(extreme)) extreme = v;
    seen = true;
  }
  double value() const { return extreme; }
};

struct CountCell {
  double count = 0;
  bool seen = false;
  void add(double) {
    seen = true;
    ++count;
  }
  double value() const { return count; }
};

struct GroupCell {
  bool seen = false;
  void add(double) { seen = true; }
  double value() const { return 1; }
};

}  // namespace

// Is it a selector, or a function over one's range, whose series have no histograms?
bool Evaluator::streams(const Expr& expr) {
  const Expr& node = unwrap(expr);
  if (node.step_invariant && !instant()) return false;
  const VectorSelector* selector = nullptr;
  if (node.kind == Expr::Kind::vector_selector) {
    selector = &as<VectorSelector>(node);
    if (selector->smoothed) return false;
  } else if (node.kind == Expr::Kind::call) {
    const auto& call = as<CallExpr>(node);
    if (call.function->name == "absent_over_time") return false;
    for (const auto& argument : call.arguments) {
      const Expr& inner = unwrap(*argument);
      if (inner.kind == Expr::Kind::subquery) return false;
      if (inner.kind == Expr::Kind::matrix_selector)
        selector = &as<VectorSelector>(*as<MatrixSelector>(inner).selector);
    }
  }
  if (selector == nullptr) return false;
  const auto selection = state_.selections[selector];
  return selection != nullptr && selection->only_floats;
}

// The rows of what streams(): `sink` gets each one, and may take from it what it likes.
void Evaluator::each_row(const Expr& expr, const RowSink& sink) {
  const Expr& node = unwrap(expr);
  if (node.kind == Expr::Kind::vector_selector) {
    const auto& selector = as<VectorSelector>(node);
    return each_selected(state_.selections[&selector]->series, selector.time, false, sink);
  }
  const auto& call = as<CallExpr>(node);
  for (size_t i = 0; i < call.arguments.size(); ++i)
    if (unwrap(*call.arguments[i]).kind == Expr::Kind::matrix_selector) return each_window(call, i, sink);
}

template <class Cell>
Rows Evaluator::fold(const AggregateExpr& node) {
  struct Group {
    Row row;
    std::vector<Cell> cells;
  };
  std::vector<Group> groups;
  GroupIndex index(node.grouping, node.without);
  const int64_t before = state_.alive();
  each_row(*node.expr, [&](Row& row) {
    const size_t at = index.of(row.labels);
    if (at == groups.size()) {
      if (!state_.fits(steps_, sizeof(Cell))) return;
      groups.push_back({.row = {.labels = index.labels(row.labels)}, .cells = std::vector<Cell>(steps_)});
    }
    Group& group = groups[at];
    group.row.drop_name |= row.drop_name;
    for (const FloatPoint& p : row.floats) group.cells[step_of(p.t_ms)].add(p.v);
    (void)state_.work(static_cast<int64_t>(row.floats.size()) + 1);
  });
  Rows out;
  if (state_.failed()) return out;
  for (Group& group : groups) {
    for (size_t step = 0; step < steps_; ++step)
      if (group.cells[step].seen) group.row.floats.push_back({time_at(step), group.cells[step].value()});
    group.cells = {};
    if (!group.row.empty()) out.push_back(std::move(group.row));
  }
  state_.set_alive(before);
  (void)state_.take(sample_count(out));
  return out;
}

// Nothing when `node` is to be evaluated otherwise.
std::optional<Rows> Evaluator::eval_folded(const AggregateExpr& node) {
  if (!streams(*node.expr)) return std::nullopt;
  switch (node.op) {
    case Tok::sum:
      return fold<SumCell>(node);
    case Tok::avg:
      return fold<MeanCell>(node);
    case Tok::min:
      return fold<ExtremeCell<false>>(node);
    case Tok::max:
      return fold<ExtremeCell<true>>(node);
    case Tok::count:
      return fold<CountCell>(node);
    case Tok::group:
      return fold<GroupCell>(node);
    default:
      return std::nullopt;
  }
}

}  // namespace hs::promql
