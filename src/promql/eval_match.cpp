// Arithmetic and comparisons between two vectors.

#include <fmt/format.h>
#include <algorithm>
#include <map>

#include "promql/element_op.h"
#include "promql/evaluator.h"
#include "promql/signatures.h"

namespace hs::promql {
namespace {

// What the "one" side has at a step.
struct OnePoint {
  int64_t row = -1;
  Operand value;
};

// The last note of a step is the one that is told, in the order of the left (then, of fills, the right) side.
struct StepNote {
  size_t order = 0;
  std::string text;
};

class Matching {
 public:
  Matching(QueryState& state, const BinaryExpr& node, Rows left, Rows right, size_t steps,
           std::function<size_t(int64_t)> step_of)
      : state_(state),
        node_(node),
        how_(*node.matching),
        swapped_(how_.card == Cardinality::one_to_many),
        many_(swapped_ ? std::move(right) : std::move(left)),
        one_(swapped_ ? std::move(left) : std::move(right)),
        steps_(steps),
        step_of_(std::move(step_of)) {}

  Rows run() {
    if (!state_.fits(steps_, sizeof(OnePoint) + 4)) return {};
    const Signatures signatures(how_, many_, one_);
    find_active();
    points_.resize(steps_);
    matched_.resize(steps_);
    for (const auto& group : signatures.groups()) {
      if (!state_.work(static_cast<int64_t>(steps_ + 1)) || !match(group)) return {};
    }
    for (const auto& [step, note] : notes_) state_.note(note.text, node_.range.start);
    return std::move(out_);
  }

 private:
  // Where a side is empty nothing matches and nothing is checked, unless values are filled in.
  void find_active() {
    std::vector<char> many(steps_);
    std::vector<char> one(steps_);
    for (const auto& [rows, seen] : {std::pair(&many_, &many), std::pair(&one_, &one)}) {
      for (const Row& row : *rows) {
        each_point(row, [&](int64_t t, double, const HistogramPtr&) { (*seen)[step_of_(t)] = 1; });
      }
    }
    const bool fills = how_.fill_left || how_.fill_right;
    active_.resize(steps_);
    for (size_t i = 0; i < steps_; ++i) active_[i] = fills ? many[i] || one[i] : many[i] && one[i];
  }

  bool match(const Signatures::Group& group) {
    std::fill(points_.begin(), points_.end(), OnePoint{});
    std::fill(matched_.begin(), matched_.end(), 0);
    inserted_.clear();
    check_inserted_ = how_.card != Cardinality::one_to_one && group.left.size() > 1;
    for (const size_t i : group.right) {
      if (!place(i)) return false;
    }
    for (const size_t i : group.left) {
      if (!match_many(i)) return false;
    }
    return !how_.fill_left || fill_many(group);
  }

  bool place(size_t i) {
    bool ok = true;
    each_point(one_[i], [&](int64_t t, double f, const HistogramPtr& h) {
      const size_t step = step_of_(t);
      if (!ok || !active_[step]) return;
      OnePoint& point = points_[step];
      if (point.row >= 0) {
        std::string a = one_[static_cast<size_t>(point.row)].labels.text();
        std::string b = one_[i].labels.text();
        if (b < a) std::swap(a, b);
        state_.fail(
            fmt::format("found duplicate series for the match group {} on the {} hand-side of the operation: "
                        "[{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
                        matching_labels(how_, one_[i].labels).text(), swapped_ ? "left" : "right", a, b));
        ok = false;
        return;
      }
      point = {static_cast<int64_t>(i), {f, h}};
    });
    return ok;
  }

  bool match_many(size_t i) {
    std::map<int64_t, size_t> rows;  // row of the one side (-1: filled in) -> row of the result
    bool ok = true;
    each_point(many_[i], [&](int64_t t, double f, const HistogramPtr& h) {
      const size_t step = step_of_(t);
      if (!ok || !active_[step]) return;
      const OnePoint& point = points_[step];
      if (point.row < 0 && !how_.fill_right) return;
      const Operand other = point.row >= 0 ? point.value : Operand{*how_.fill_right, nullptr};
      const auto at = rows.try_emplace(point.row, SIZE_MAX).first;
      if (at->second == SIZE_MAX) {
        const Labels& ls = many_[i].labels;
        at->second =
            add_row(ls, point.row >= 0 ? one_[static_cast<size_t>(point.row)].labels : matching_labels(how_, ls));
      }
      ok = apply(step, t, {f, h}, other, at->second, i);
    });
    return ok;
  }

  // As Prometheus 3.14 has it, fill_left is for the side of many and fill_right for the other, also with group_right.
  bool fill_many(const Signatures::Group& group) {
    for (const size_t i : group.right) {
      size_t row = SIZE_MAX;
      bool ok = true;
      each_point(one_[i], [&](int64_t t, double f, const HistogramPtr& h) {
        const size_t step = step_of_(t);
        if (!ok || !active_[step] || matched_[step]) return;
        if (row == SIZE_MAX) row = add_row(matching_labels(how_, one_[i].labels), one_[i].labels);
        ok = apply(step, t, {*how_.fill_left, nullptr}, {f, h}, row, many_.size() + i);
      });
      if (!ok) return false;
    }
    return true;
  }

  bool apply(size_t step, int64_t t, const Operand& many, const Operand& one, size_t row, size_t order) {
    ElementResult r = swapped_ ? element_op(node_.op, one, many) : element_op(node_.op, many, one);
    if (!r.note.empty()) {
      StepNote& note = notes_[step];
      if (note.text.empty() || order >= note.order) note = {order, std::move(r.note)};
    }
    if (r.dropped) return true;
    if (!unique(step, row)) return false;
    matched_[step] = 1;
    if (node_.return_bool) {
      out_[row].floats.push_back({t, r.keep ? 1.0 : 0.0});
    } else if (r.keep && r.h) {
      out_[row].histograms.push_back({t, std::move(r.h)});
    } else if (r.keep) {
      out_[row].floats.push_back({t, r.f});
    }
    return true;
  }

  bool unique(size_t step, size_t row) {
    if (how_.card == Cardinality::one_to_one) {
      if (!matched_[step]) return true;
      state_.fail("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
      return false;
    }
    if (!check_inserted_) return true;
    auto& seen = inserted_[out_[row].labels];
    seen.resize(steps_);
    if (seen[step]) {
      state_.fail("multiple matches for labels: grouping labels must ensure unique matches");
      return false;
    }
    return seen[step] = true;
  }

  size_t add_row(const Labels& many, const Labels& one) {
    Row row;
    const bool drop = changes_meaning(node_.op) || (node_.return_bool && !state_.delayed_names());
    row.labels = drop ? many.without_metadata() : many;
    if (how_.card == Cardinality::one_to_one) {
      if (how_.on)
        row.labels = row.labels.only(how_.labels);
      else
        for (const std::string& name : how_.labels) row.labels.erase(name);
    }
    for (const std::string& name : how_.include) row.labels.set(name, one.get(name));
    row.drop_name = node_.return_bool;
    out_.push_back(std::move(row));
    return out_.size() - 1;
  }

  QueryState& state_;
  const BinaryExpr& node_;
  const VectorMatching& how_;
  bool swapped_;
  Rows many_;
  Rows one_;
  size_t steps_;
  std::function<size_t(int64_t)> step_of_;
  std::vector<char> active_;
  std::vector<OnePoint> points_;
  std::vector<char> matched_;
  bool check_inserted_ = false;
  std::unordered_map<Labels, std::vector<bool>, LabelsHash> inserted_;
  std::map<size_t, StepNote> notes_;
  Rows out_;
};

}  // namespace

Rows Evaluator::eval_vector_vector(const BinaryExpr& node) {
  Rows lhs = eval(*node.lhs);
  Rows rhs = eval(*node.rhs);
  if (state_.failed()) return {};
  Matching matching(state_, node, std::move(lhs), std::move(rhs), steps_, [this](int64_t t) { return step_of(t); });
  Rows rows = matching.run();
  return state_.failed() ? Rows() : finish(std::move(rows));
}

}  // namespace hs::promql
