// histogram_quantile, histogram_quantiles and histogram_fraction: over classic buckets and native histograms.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "promql/evaluator.h"
#include "promql/quantile.h"
#include "promql/quote.h"

namespace hs::promql {
namespace {

constexpr std::string_view bucket_label = "le";

bool parse_bound(std::string_view text, double& out) {
  if (text.empty() || text[0] == ' ') return false;
  const std::string copy(text);
  char* end = nullptr;
  out = std::strtod(copy.c_str(), &end);
  return *end == '\0' && !std::isnan(out);
}

// Go's form of a number in a label value: 0.5, 1.0, 1e-05.
std::string quantile_text(double q) {
  if (!std::isfinite(q)) return std::isnan(q) ? "NaN" : q > 0 ? "+Inf" : "-Inf";
  std::string text = format_g(q);
  return text.find_first_of("e.") == std::string::npos ? text + ".0" : text;
}

struct BucketRow {
  double upper = 0;
  const Row* row = nullptr;
  size_t next = 0;  // float that comes next
};

// All that belongs to one histogram: its classic buckets, its native points.
struct Family {
  Labels labels;  // without le
  std::vector<BucketRow> buckets;
  std::vector<const Row*> natives;
  bool drop_name = false;
};

class Families {
 public:
  Families(QueryState& state, const Rows& rows, int pos) : state_(state) {
    for (const Row& row : rows) add(row, pos);
  }

  std::vector<Family>& all() { return all_; }

 private:
  void add(const Row& row, int pos) {
    if (!row.histograms.empty()) family(row.labels).natives.push_back(&row);
    if (row.floats.empty()) return;
    const std::string_view le = row.labels.get(bucket_label);
    double upper = 0;
    if (!parse_bound(le, upper)) {
      const std::string_view name = state_.delayed_names() ? row.labels.get(metric_name_label) : "";
      state_.note(note::bad_bucket_label(name, le), pos);
      return;
    }
    Labels labels = row.labels;
    labels.erase(bucket_label);
    family(labels).buckets.push_back({upper, &row, 0});
  }

  Family& family(const Labels& labels) {
    const auto [at, inserted] = index_.try_emplace(labels, all_.size());
    if (inserted) all_.push_back({labels, {}, {}, false});
    return all_[at->second];
  }

  QueryState& state_;
  std::vector<Family> all_;
  std::unordered_map<Labels, size_t, LabelsHash> index_;
};

// What is asked of each histogram: one value, at every step.
struct Question {
  bool fraction = false;
  std::vector<double> lower;  // or the quantile
  std::vector<double> upper;
  int pos = 0;
};

class Answerer {
 public:
  Answerer(QueryState& state, const Question& question) : state_(state), question_(question) {}

  double native(size_t step, const Histogram& h, std::string_view metric) {
    const double a = question_.lower[step];
    if (question_.fraction) {
      const NativeResult r = native_fraction(a, question_.upper[step], h);
      if (r.nan_skew) state_.note(note::fraction_nans(metric), question_.pos);
      return r.value;
    }
    const NativeResult r = native_quantile(a, h);
    if (r.nan_result) state_.note(note::quantile_nan_result(metric), question_.pos);
    if (r.nan_skew) state_.note(note::quantile_nan_skew(metric), question_.pos);
    return r.value;
  }

  double classic(size_t step, int64_t t, std::vector<ClassicBucket> buckets, std::string_view metric) {
    const double a = question_.lower[step];
    if (question_.fraction) return classic_fraction(a, question_.upper[step], buckets);
    const ClassicQuantile r = classic_quantile(a, buckets);
    if (r.forced_monotonic) {
      state_.notes.add({note::forced_monotonicity(metric), question_.pos,
                        Monotonicity{t, t, r.min_bucket, r.max_bucket, r.max_diff, 1}});
    }
    return r.value;
  }

 private:
  QueryState& state_;
  const Question& question_;
};

}  // namespace

Rows Evaluator::eval_histogram(const CallExpr& node) {
  const std::string_view name = node.function->name;
  const bool many = name == "histogram_quantiles";
  const bool fraction = name == "histogram_fraction";
  const auto pos_of = [&](size_t i) { return unwrap(*node.arguments[i]).range.start; };
  const size_t vector_argument = many ? 0 : node.arguments.size() - 1;
  const Rows rows = eval(*node.arguments[vector_argument]);
  std::vector<Question> questions;
  for (size_t i = many ? 2 : 0; i < (many ? node.arguments.size() : 1); ++i) {
    Question q{.fraction = fraction, .lower = scalars(*node.arguments[i])};
    q.pos = pos_of(vector_argument);
    if (fraction) q.upper = scalars(*node.arguments[1]);
    for (const double v : q.lower) {
      if (!fraction && (std::isnan(v) || v < 0 || v > 1)) state_.note(note::invalid_quantile(v), pos_of(i));
    }
    questions.push_back(std::move(q));
  }
  if (state_.failed()) return {};
  Families families(state_, rows, pos_of(vector_argument));
  const std::string label = many ? as<StringLiteral>(unwrap(*node.arguments[1])).value : "";
  Rows out;
  for (const Question& question : questions) {
    Answerer answerer(state_, question);
    for (Family& family : families.all()) {
      for (BucketRow& b : family.buckets) b.next = 0;
      const std::string metric(family.labels.get(metric_name_label));
      const std::string_view classic_metric = state_.delayed_names() ? std::string_view(metric) : "";
      const std::string_view native_metric = named(family.labels).get(metric_name_label);
      std::vector<size_t> next_native(family.natives.size());
      std::map<std::string, Row> results;  // by the quantile's label value, which may change with the step
      for (size_t step = 0; step < steps_; ++step) {
        const int64_t t = time_at(step);
        std::vector<ClassicBucket> buckets;
        for (BucketRow& b : family.buckets) {
          if (b.next < b.row->floats.size() && b.row->floats[b.next].t_ms == t) {
            buckets.push_back({b.upper, b.row->floats[b.next++].v});
          }
        }
        HistogramPtr native;
        for (size_t i = 0; i < family.natives.size(); ++i) {
          const auto& points = family.natives[i]->histograms;
          if (next_native[i] < points.size() && points[next_native[i]].t_ms == t) native = points[next_native[i]++].h;
        }
        if (native && !buckets.empty()) {
          state_.note(note::mixed_classic_native(classic_metric), pos_of(vector_argument));
          continue;
        }
        if (!native && buckets.empty()) continue;
        const double value = native ? answerer.native(step, *native, native_metric)
                                    : answerer.classic(step, t, std::move(buckets), classic_metric);
        results[many ? quantile_text(question.lower[step]) : ""].floats.push_back({t, value});
      }
      for (auto& [text, row] : results) {
        row.labels = named(family.labels);
        if (many) row.labels.set(label, text);
        row.drop_name = true;
        out.push_back(std::move(row));
      }
      if (!state_.work(static_cast<int64_t>(steps_ * (family.buckets.size() + 1)))) return {};
    }
  }
  return finish(std::move(out));
}

}  // namespace hs::promql
