#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "promql/evaluator.h"
#include "promql/histogram_math.h"
#include "promql/json.h"
#include "promql/quantile.h"
#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool ignores_histograms(Tok op) {
  return op == Tok::min || op == Tok::max || op == Tok::stddev || op == Tok::stdvar || op == Tok::quantile;
}

// One group at one step.
class Cell {
 public:
  void add(Tok op, double f) {
    const bool first = !seen_;
    seen_ = has_float_ = true;
    ++count_;
    switch (op) {
      case Tok::sum:
        sum_.add(f);
        break;
      case Tok::avg:
        mean_.add(f);
        break;
      case Tok::min:
        if (first || value_ > f || std::isnan(value_)) value_ = f;
        break;
      case Tok::max:
        if (first || value_ < f || std::isnan(value_)) value_ = f;
        break;
      case Tok::stddev:
      case Tok::stdvar:
        add_deviation(f, first);
        break;
      case Tok::quantile:
        values_.push_back(f);
        break;
      default:
        break;
    }
  }

  Combined add(Tok op, const Histogram& h) {
    const bool first = !seen_;
    seen_ = has_histogram_ = true;
    ++count_;
    if (op != Tok::sum && op != Tok::avg) return {};
    if (incompatible_ || (!first && !total_ && !average_)) return {};  // mixed with floats: no result anyway
    resets_ |= h.hint == ResetHint::reset;
    not_resets_ |= h.hint == ResetHint::not_reset;
    Combined how;
    if (first && op == Tok::sum)
      total_.emplace(h);
    else if (first)
      average_.emplace(h);
    else
      how = op == Tok::sum ? total_->add(h) : average_->add(h);
    incompatible_ |= how.incompatible;
    return how;
  }

  bool seen() const { return seen_; }
  bool incompatible() const { return incompatible_; }
  bool mixed() const { return has_float_ && has_histogram_; }
  bool collision() const { return resets_ && not_resets_; }
  HistogramPtr histogram() const { return total_ ? total_->finish() : average_ ? average_->finish() : nullptr; }

  double value(Tok op, double q) {
    switch (op) {
      case Tok::sum:
        return sum_.sum + sum_.error;
      case Tok::avg:
        return mean_.value();
      case Tok::count:
        return count_;
      case Tok::group:
        return 1;
      case Tok::stdvar:
        return value_ / count_;
      case Tok::stddev:
        return std::sqrt(value_ / count_);
      case Tok::quantile:
        return quantile(q, values_);
      default:
        return value_;
    }
  }

 private:
  void add_deviation(double f, bool first) {
    if (first) {
      middle_ = f;
      value_ = std::isfinite(f) ? 0 : nan;
      return;
    }
    const double delta = f - middle_;
    middle_ += delta / count_;
    value_ += delta * (f - middle_);
  }

  bool seen_ = false;
  bool has_float_ = false;
  bool has_histogram_ = false;
  bool incompatible_ = false;
  bool resets_ = false;
  bool not_resets_ = false;
  double count_ = 0;
  double value_ = 0;
  double middle_ = 0;
  KahanSum sum_;
  KahanMean mean_;
  std::vector<double> values_;
  std::optional<HistogramSum> total_;
  std::optional<HistogramMean> average_;
};

struct Group {
  Labels labels;
  std::vector<size_t> members;  // rows, in their order
};

std::vector<Group> group_rows(const AggregateExpr& node, const Rows& input) {
  std::vector<Group> groups;
  GroupIndex index(node.grouping, node.without);
  for (size_t i = 0; i < input.size(); ++i) {
    const size_t at = index.of(input[i].labels);
    if (at == groups.size()) groups.push_back({index.labels(input[i].labels), {}});
    groups[at].members.push_back(i);
  }
  return groups;
}

}  // namespace

Rows Evaluator::eval_aggregate(const AggregateExpr& node) {
  if (node.op == Tok::count_values) return eval_count_values(node);
  std::vector<double> params(steps_);
  if (node.param) params = scalars(*node.param);
  if (std::optional<Rows> folded = eval_folded(node)) return std::move(*folded);
  const Rows input = eval(*node.expr);
  bool nothing = false;
  if (state_.failed() || !check_parameter(node, params, nothing) || nothing) return {};
  if (node.op == Tok::topk || node.op == Tok::bottomk || node.op == Tok::limitk || node.op == Tok::limit_ratio) {
    return eval_top(node, input, params);
  }
  const int pos = unwrap(*node.expr).range.start;
  Rows out;
  if (!state_.fits(steps_, sizeof(Cell))) return out;
  for (const Group& group : group_rows(node, input)) {
    std::vector<Cell> cells(steps_);
    Row row;
    row.labels = group.labels;
    for (const size_t i : group.members) {
      row.drop_name |= input[i].drop_name;
      each_point(input[i], [&](int64_t t, double f, const HistogramPtr& h) {
        Cell& cell = cells[step_of(t)];
        if (cell.incompatible()) return;
        if (!h) return cell.add(node.op, f);
        if (ignores_histograms(node.op)) {
          return state_.note(note::histogram_ignored_in_aggregation(text_of(node.op)), pos);
        }
        const Combined how = cell.add(node.op, *h);
        if (how.incompatible) {
          state_.note(note::mixed_exponential_custom(input[i].labels.get(metric_name_label)), pos);
        }
        if (how.reconciled) state_.note(note::mismatched_custom_buckets("aggregation"), pos);
      });
      if (!state_.work(sample_count(input[i]) + 1)) return {};
    }
    for (size_t step = 0; step < steps_; ++step) {
      Cell& cell = cells[step];
      if (!cell.seen()) continue;
      const bool sums = node.op == Tok::sum || node.op == Tok::avg;
      if (sums && cell.mixed()) {
        state_.note(note::mixed_floats_histograms_aggregation(), pos);
        continue;
      }
      if (sums && cell.incompatible()) continue;
      if (cell.collision()) state_.note(note::reset_collision("aggregation"), pos);
      if (HistogramPtr h = cell.histogram())
        row.histograms.push_back({time_at(step), std::move(h)});
      else
        row.floats.push_back({time_at(step), cell.value(node.op, params[step])});
    }
    if (!state_.take(sample_count(row)) || !state_.work(static_cast<int64_t>(steps_))) return {};
    if (!row.empty()) out.push_back(std::move(row));
  }
  return out;
}

Rows Evaluator::eval_count_values(const AggregateExpr& node) {
  const std::string& label = as<StringLiteral>(unwrap(*node.param)).value;
  if (label.empty() || !valid_utf8(label)) {
    state_.fail("invalid label name " + quote(label));
    return {};
  }
  std::vector<std::string> grouping = node.grouping;
  if (!node.without) grouping.push_back(label);
  const Rows input = eval(*node.expr);
  std::unordered_map<Labels, std::map<int64_t, double>, LabelsHash> counts;
  for (const Row& row : input) {
    each_point(row, [&](int64_t t, double f, const HistogramPtr& h) {
      Labels labels = row.labels;
      labels.set(label, h ? to_text(*h) : format_float(f));
      ++counts[node.without ? labels.without(grouping) : labels.only(grouping)][t];
    });
    if (!state_.take(sample_count(row)) || !state_.work(8 * sample_count(row))) return {};
  }
  Rows out;
  for (const auto& [labels, points] : counts) {
    Row row;
    row.labels = labels;
    for (const auto& [t, count] : points) row.floats.push_back({t, count});
    out.push_back(std::move(row));
  }
  std::sort(out.begin(), out.end(), [](const Row& a, const Row& b) { return a.labels < b.labels; });
  return finish(std::move(out));
}

}  // namespace hs::promql
