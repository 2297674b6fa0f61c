#pragma once
// The door of PromQL: evaluate a query over a Source; check, print and dissect query text. Pure and thread-safe: no
// clock, no state between calls. Language: https://prometheus.io/docs/prometheus/latest/querying/ (Prometheus 3.14).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "promql/source.h"
#include "promql/value.h"

namespace hs::promql {

// The kinds of the HTTP API's `errorType`.
enum class ErrorKind : uint8_t {
  bad_data,   // the text is wrong                                            400
  execution,  // it could not be evaluated, or a limit of samples was passed  422
  timeout,    //                                                              503
  canceled,   //                                                              499
  internal,   // the source failed                                            500
};

std::string_view name_of(ErrorKind kind);  // "bad_data", "execution", "timeout", "canceled", "internal"
int http_status(ErrorKind kind);

struct QueryError {
  ErrorKind kind = ErrorKind::internal;
  // Prometheus' text. Of bad_data without the prefix `invalid parameter "query": ` that its query endpoints put before.
  std::string message;
};

template <class T>
using QueryResult = tl::expected<T, QueryError>;

// Prometheus' --enable-feature flags.
struct Features {
  bool experimental_functions = false;    // promql-experimental-functions
  bool duration_expressions = false;      // promql-duration-expr
  bool delayed_name_removal = false;      // promql-delayed-name-removal
  bool extended_range_selectors = false;  // promql-extended-range-selectors
  bool fill_modifiers = false;            // promql-binop-fill-modifiers
  bool type_and_unit_labels = false;      // type-and-unit-labels
  bool start_timestamps = false;          // use-start-timestamps

  bool operator==(const Features&) const = default;
};

// Sets the feature of a flag's name; false when there is none.
bool enable(Features& features, std::string_view flag);

struct Limits {
  size_t max_samples = 50'000'000;       // alive at once in one query, as --query.max-samples; 16 bytes each
  size_t max_series = 500'000;           // of one selector
  int64_t max_points = 11'000;           // steps of a range query; Prometheus' bound on the resolution
  size_t max_query_bytes = 1024 * 1024;  // of the text
  int max_depth = 500;                   // nesting of the expression: recursion is bounded by it
};

struct Options {
  Features features;
  Limits limits;
  int64_t lookback_ms = 300'000;      // --query.lookback-delta
  int64_t subquery_step_ms = 60'000;  // of a subquery without a step: the global evaluation interval
  InterruptCheck interrupt;           // deadline and cancellation; checked every few thousand points
  std::shared_ptr<Budget> budget;     // of all queries together; none: no bound
};

struct Query {
  std::string text;
  int64_t start_ms = 0;
  int64_t end_ms = 0;   // instant: equals start_ms
  int64_t step_ms = 0;  // 0 = instant
};

struct Stats {
  int64_t total_samples = 0;  // totalQueryableSamples
  int64_t peak_samples = 0;
};

struct Outcome {
  Value value;
  std::vector<std::string> warnings;  // "PromQL warning: ... (1:6)", and those of the source
  std::vector<std::string> infos;     // "PromQL info: ..."
  Stats stats;
};

QueryResult<Outcome> evaluate(const Source& source, const Query& query, const Options& options);

// `{a="b"}` or `name{...}`: the argument of match[]. Unlike a query it may be only of matchers that match "".
QueryResult<std::vector<Matcher>> parse_selector(std::string_view text);
// /api/v1/format_query: the text, laid out.
QueryResult<std::string> format_query(std::string_view text, const Features& features);
// /api/v1/parse_query: the tree as JSON (the value of "data").
QueryResult<std::string> parse_query(std::string_view text, const Features& features);

}  // namespace hs::promql
