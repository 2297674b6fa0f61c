#include <algorithm>

#include "promql/element_op.h"
#include "promql/evaluator.h"
#include "promql/signatures.h"

namespace hs::promql {

Rows Evaluator::eval_binary(const BinaryExpr& node) {
  const bool left = node.lhs->type() == ValueType::scalar;
  const bool right = node.rhs->type() == ValueType::scalar;
  if (left && right) return eval_scalar_scalar(node);
  if (left || right) return eval_vector_scalar(node, left);
  return is_set_operator(node.op) ? eval_set(node) : eval_vector_vector(node);
}

Rows Evaluator::eval_scalar_scalar(const BinaryExpr& node) {
  const std::vector<double> lhs = scalars(*node.lhs);
  const std::vector<double> rhs = scalars(*node.rhs);
  if (state_.failed()) return {};
  if (node.op == Tok::trim_upper || node.op == Tok::trim_lower) {
    state_.fail("operator \"" + std::string(text_of(node.op)) + "\" not allowed for Scalar operations");
    return {};
  }
  Rows rows;
  rows.push_back(dense_each([&](size_t i) { return scalar_op(node.op, lhs[i], rhs[i]); }));
  return rows;
}

Rows Evaluator::eval_vector_scalar(const BinaryExpr& node, bool scalar_left) {
  Rows rows = eval(scalar_left ? *node.rhs : *node.lhs);
  const std::vector<double> values = scalars(scalar_left ? *node.lhs : *node.rhs);
  if (state_.failed()) return {};
  const bool comparison = is_comparison(node.op);
  for (Row& row : rows) {
    Row out;
    each_point(row, [&](int64_t t, double f, const HistogramPtr& h) {
      const Operand vector{f, h};
      const Operand scalar{values[step_of(t)], nullptr};
      ElementResult r = scalar_left ? element_op(node.op, scalar, vector) : element_op(node.op, vector, scalar);
      if (!r.note.empty()) state_.note(std::move(r.note), node.range.start);
      if (r.dropped) return;
      if (comparison && scalar_left) {  // a filter lets the vector's value through, whichever side it is on
        r.f = f;
        r.h = h;
      }
      if (node.return_bool) {
        out.floats.push_back({t, r.keep ? 1.0 : 0.0});
      } else if (r.keep && r.h) {
        out.histograms.push_back({t, std::move(r.h)});
      } else if (r.keep) {
        out.floats.push_back({t, r.f});
      }
    });
    row.floats = std::move(out.floats);
    row.histograms = std::move(out.histograms);
    if (changes_meaning(node.op) || node.return_bool) {
      row.labels = named(row.labels);
      row.drop_name = true;
    }
    if (!state_.work(static_cast<int64_t>(steps_))) return {};
  }
  return finish(std::move(rows));
}

Rows Evaluator::eval_set(const BinaryExpr& node) {
  Rows lhs = eval(*node.lhs);
  Rows rhs = eval(*node.rhs);
  if (state_.failed()) return {};
  const Signatures signatures(*node.matching, lhs, rhs);
  const bool is_or = node.op == Tok::lor;
  // `or` keeps all of the left and filters the right by it; the others filter the left by the right.
  Rows& filtered = is_or ? rhs : lhs;
  const Rows& filter = is_or ? lhs : rhs;
  std::vector<char> present(steps_);
  for (const auto& group : signatures.groups()) {
    const auto& members = is_or ? group.right : group.left;
    const auto& filters = is_or ? group.left : group.right;
    std::fill(present.begin(), present.end(), 0);
    for (const size_t i : filters) {
      for (const FloatPoint& p : filter[i].floats) present[step_of(p.t_ms)] = 1;
      for (const HistogramPoint& p : filter[i].histograms) present[step_of(p.t_ms)] = 1;
    }
    const char wanted = node.op == Tok::land ? 1 : 0;
    for (const size_t i : members) {
      const auto out = [&](const auto& p) { return present[step_of(p.t_ms)] != wanted; };
      std::erase_if(filtered[i].floats, out);
      std::erase_if(filtered[i].histograms, out);
    }
    if (!state_.work(static_cast<int64_t>(steps_ * (1 + members.size() + filters.size())))) return {};
  }
  if (is_or) {
    lhs.insert(lhs.end(), std::make_move_iterator(rhs.begin()), std::make_move_iterator(rhs.end()));
  }
  return finish(std::move(lhs));
}

}  // namespace hs::promql
