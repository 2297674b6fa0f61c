#pragma once
// What the evaluator reads from: anything that turns matchers and a time range into series. Implemented by the store
// (and by memory in tests). Pure interface; the evaluator never asks for the same selector twice in one query.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "promql/budget.h"
#include "promql/histogram.h"
#include "promql/labels.h"
#include "promql/matcher.h"

namespace hs::promql {

// A series that ended says so with one sample of exactly these bits (a NaN like no computed one). Sources hand stale
// markers on as samples; a stale histogram is a histogram whose `sum` has these bits.
inline constexpr uint64_t stale_bits = 0x7ff0000000000002;
bool is_stale(double value);
double stale_marker();

struct FloatPoint {
  int64_t t_ms = 0;
  double v = 0;
};

struct HistogramPoint {
  int64_t t_ms = 0;
  HistogramPtr h;  // never null
};

// What a value of a counter or histogram counts from.
enum class Temporality : uint8_t {
  cumulative,  // since the start of the process (Prometheus; also every gauge)
  delta,       // since the point before (OpenTelemetry's delta): rate and increase add instead of subtract
};

// Points ascend strictly in time over both lists together (no instant has a float and a histogram).
struct Series {
  Labels labels;
  std::vector<FloatPoint> floats;
  std::vector<HistogramPoint> histograms;
  // When what a point counts began; 0 = not known. Empty, or as long as the list that it belongs to.
  std::vector<int64_t> float_starts_ms;
  std::vector<int64_t> histogram_starts_ms;
  Temporality temporality = Temporality::cumulative;
};

enum class Interrupt : uint8_t { none, timeout, canceled };
// Asked now and then, on the thread that evaluates; `none` = go on. Empty = never stop.
using InterruptCheck = std::function<Interrupt()>;

struct Select {
  std::vector<Matcher> matchers;  // all must match; at least one does not match ""
  int64_t start_ms = 0;           // inclusive
  int64_t end_ms = 0;             // inclusive
  // Hints for pushing work down; a source may ignore them all.
  int64_t step_ms = 0;       // of the query; 0 = instant
  int64_t range_ms = 0;      // of a range selector; 0 = instant selector
  std::string function;      // the function or aggregation directly around the selector, or ""
  bool labels_only = false;  // the query needs labels and times, no values
  bool starts = false;       // the query looks at when what its points count began; else sources may leave it out
  // Bounds of this select: more is a failure with Code::resource_exhausted, never a cut answer.
  size_t max_series = 0;   // 0 = no bound
  size_t max_samples = 0;  // a histogram counts as its size in 16-byte samples
  // The query's part of what all may hold; it has `held` samples already. nullptr: no bound. Without room the select is
  // a failure with Code::unavailable.
  Lease* lease = nullptr;
  size_t held = 0;
  InterruptCheck interrupt;
};

struct Selection {
  std::vector<Series> series;         // in any order; label sets unique
  std::vector<std::string> warnings;  // handed on with the result (partial answers, say)
  bool only_floats = false;           // no series has histograms; the evaluator finds out
};

class Source {
 public:
  virtual ~Source() = default;
  // Thread-safe for concurrent queries. Errors: resource_exhausted (a bound of `select`), deadline_exceeded
  // (interrupted), anything else becomes an "internal" error of the query.
  virtual Result<Selection> select(const Select& select) const = 0;
};

}  // namespace hs::promql
