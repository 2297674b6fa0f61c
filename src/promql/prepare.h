#pragma once
// What happens to a tree between parsing and evaluation.

#include <vector>

#include "promql/ast.h"
#include "promql/engine.h"

namespace hs::promql {

// Times are kept within this, so that no offset, range or look-back leaves 64 bits.
inline constexpr int64_t max_time_ms = int64_t{1} << 61;
inline constexpr int64_t min_time_ms = -max_time_ms;

// Puts values for start(), end(), range() and step(), evaluates durations, resolves `@ start()` and `@ end()`, marks
// what does not depend on the step. Fails with Prometheus' text when a duration comes out wrong.
QueryResult<void> prepare(ExprPtr& expr, const Query& query);

// When the info series for the first argument of info() are looked at: the time modifiers that all of its selectors
// share; nothing when they differ (then it is the time of evaluation).
std::optional<TimeModifier> info_time(const Expr& argument);

// What one selector needs from the source, over all steps and subqueries around it.
struct SelectorRange {
  const VectorSelector* selector = nullptr;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 0;
  int64_t range_ms = 0;  // 0: instant
  std::string function;
  bool only_totals = false;  // of native histograms only count and sum are asked for
};

std::vector<SelectorRange> selector_ranges(const Expr& expr, const Query& query, const Options& options);

}  // namespace hs::promql
