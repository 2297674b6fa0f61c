// topk, bottomk, limitk, limit_ratio: some of the series of each group, as they are.

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/evaluator.h"
#include "promql/quote.h"
#include "promql/xxhash.h"

namespace hs::promql {
namespace {

struct Candidate {
  size_t row = 0;
  double f = 0;
  HistogramPtr h;
};

// NaN is worse than anything, in both orders.
bool worse(bool top, const Candidate& a, const Candidate& b) {
  if (std::isnan(a.f)) return true;
  return top ? a.f < b.f : a.f > b.f;
}

// A heap with the worst on top. Which of equal values stay is decided by its exact moves, so they are spelled out.
class Best {
 public:
  Best(bool top, size_t k) : top_(top), k_(k) {}

  void offer(Candidate c) {
    if (heap_.size() < k_) {
      heap_.push_back(std::move(c));
      return up(heap_.size() - 1);
    }
    const Candidate& worst = heap_[0];
    const bool better = top_ ? worst.f < c.f : worst.f > c.f;
    if (!better && !(std::isnan(worst.f) && !std::isnan(c.f))) return;
    heap_[0] = std::move(c);
    down(0);
  }

  // Best first.
  std::vector<Candidate> sorted() {
    constexpr size_t few = 12;
    if (heap_.size() > few) {
      std::sort(heap_.begin(), heap_.end(), [&](const Candidate& a, const Candidate& b) {
        if (std::isnan(a.f) || std::isnan(b.f)) return !std::isnan(a.f) && std::isnan(b.f);
        return top_ ? a.f > b.f : a.f < b.f;
      });
      return std::move(heap_);
    }
    for (size_t i = 1; i < heap_.size(); ++i) {
      for (size_t j = i; j > 0 && worse(top_, heap_[j - 1], heap_[j]); --j) std::swap(heap_[j], heap_[j - 1]);
    }
    return std::move(heap_);
  }

 private:
  void up(size_t j) {
    while (j > 0) {
      const size_t parent = (j - 1) / 2;
      if (!worse(top_, heap_[j], heap_[parent])) break;
      std::swap(heap_[parent], heap_[j]);
      j = parent;
    }
  }

  void down(size_t i) {
    for (;;) {
      size_t child = 2 * i + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && worse(top_, heap_[child + 1], heap_[child])) ++child;
      if (!worse(top_, heap_[child], heap_[i])) break;
      std::swap(heap_[i], heap_[child]);
      i = child;
    }
  }

  bool top_;
  size_t k_;
  std::vector<Candidate> heap_;
};

void append_sized(std::string& out, std::string_view text) {
  if (text.size() < 255) {
    out += static_cast<char>(text.size());
  } else {
    out += '\xff';
    for (int shift = 0; shift < 24; shift += 8) out += static_cast<char>(text.size() >> shift);
  }
  out += text;
}

// Where a series lies between 0 and 1, always the same: the hash that Prometheus has for its labels.
double ratio_offset(const Labels& labels) {
  std::string text;
  for (const Label& label : labels) {
    append_sized(text, label.name);
    append_sized(text, label.value);
  }
  return static_cast<double>(xxhash64(text)) / static_cast<double>(std::numeric_limits<uint64_t>::max());
}

bool in_ratio(double ratio, const Labels& labels) {
  const double offset = ratio_offset(labels);
  return ratio >= 0 ? offset < ratio : offset >= 1 + ratio;
}

}  // namespace

bool Evaluator::check_parameter(const AggregateExpr& node, const std::vector<double>& params, bool& nothing) {
  if (!node.param || params.empty()) return true;
  const int pos = unwrap(*node.param).range.start;
  const bool any_nan = std::any_of(params.begin(), params.end(), [](double v) { return std::isnan(v); });
  const double max = any_nan ? NAN : *std::max_element(params.begin(), params.end());
  const double min = any_nan ? NAN : *std::min_element(params.begin(), params.end());
  constexpr double int_bound = 9223372036854775808.0;
  if (node.op == Tok::quantile) {
    if (any_nan) state_.note(note::invalid_quantile(NAN), pos);
    if (max > 1) state_.note(note::invalid_quantile(max), pos);
    if (min < 0) state_.note(note::invalid_quantile(min), pos);
  } else if (node.op == Tok::limit_ratio) {
    nothing = max == 0 && min == 0;
    if (any_nan) state_.fail("Ratio value is NaN");
    if (max > 1) state_.note(note::invalid_ratio(max, 1), pos);
    if (min < -1) state_.note(note::invalid_ratio(min, -1), pos);
  } else {
    nothing = max < 1;
    if (any_nan) state_.fail("Parameter value is NaN");
    if (!nothing && min <= -int_bound) state_.fail(fmt::format("Scalar value {} underflows int64", format_g(min)));
    if (!nothing && max >= int_bound) state_.fail(fmt::format("Scalar value {} overflows int64", format_g(max)));
  }
  return !state_.failed();
}

Rows Evaluator::eval_top(const AggregateExpr& node, const Rows& input, const std::vector<double>& params) {
  std::vector<std::vector<size_t>> groups;
  std::unordered_map<Labels, size_t, LabelsHash> index;
  for (size_t i = 0; i < input.size(); ++i) {
    Labels key = node.without ? input[i].labels.without(node.grouping) : input[i].labels.only(node.grouping);
    const auto [at, inserted] = index.try_emplace(std::move(key), groups.size());
    if (inserted) groups.emplace_back();
    groups[at->second].push_back(i);
  }
  Rows out;
  for (const auto& members : groups) {
    top_group(node, input, members, params, out);
    if (state_.failed()) return {};
  }
  return out;
}

void Evaluator::top_group(const AggregateExpr& node, const Rows& input, const std::vector<size_t>& members,
                          const std::vector<double>& params, Rows& out) {
  int64_t points = 0;
  for (const size_t i : members) points += sample_count(input[i]);
  const bool fits = state_.fits(steps_, sizeof(std::vector<Candidate>)) &&
                    state_.fits(static_cast<size_t>(points), 2 * sizeof(Candidate));
  if (!fits) return;
  std::vector<std::vector<Candidate>> candidates(steps_);
  const bool orders = node.op == Tok::topk || node.op == Tok::bottomk;
  for (const size_t i : members) {
    each_point(input[i], [&](int64_t t, double f, const HistogramPtr& h) {
      const double param = params[step_of(t)];
      if (orders && h && param >= 1) {
        state_.note(note::histogram_ignored_in_aggregation(text_of(node.op)), node.range.start);
      } else if (!orders || !h) {
        candidates[step_of(t)].push_back({i, f, h});
      }
    });
    if (!state_.work(sample_count(input[i]) + 1)) return;
  }
  std::unordered_map<size_t, size_t> rows;  // input -> output
  const auto emit = [&](size_t step, const Candidate& c) {
    const auto [at, inserted] = rows.try_emplace(c.row, out.size());
    if (inserted) {
      Row row;
      row.labels = input[c.row].labels;
      row.drop_name = input[c.row].drop_name;
      out.push_back(std::move(row));
    }
    Row& row = out[at->second];
    if (c.h)
      row.histograms.push_back({time_at(step), c.h});
    else
      row.floats.push_back({time_at(step), c.f});
  };
  for (size_t step = 0; step < steps_; ++step) {
    if (node.op == Tok::limit_ratio) {
      const double ratio = std::clamp(params[step], -1.0, 1.0);
      for (const Candidate& c : candidates[step]) {
        if (ratio != 0 && in_ratio(ratio, input[c.row].labels)) emit(step, c);
      }
      continue;
    }
    const auto k = static_cast<size_t>(std::clamp(params[step], 0.0, static_cast<double>(input.size())));
    if (k < 1) continue;
    if (node.op == Tok::limitk) {
      for (size_t i = 0; i < std::min(k, candidates[step].size()); ++i) emit(step, candidates[step][i]);
      continue;
    }
    Best best(node.op == Tok::topk, k);
    for (Candidate& c : candidates[step]) best.offer(std::move(c));
    for (const Candidate& c : best.sorted()) emit(step, c);
  }
}

}  // namespace hs::promql
