#include "promql/evaluator.h"

#include <algorithm>

#include "promql/histogram_math.h"
#include "promql/prepare.h"

namespace hs::promql {
namespace {

using Kind = Expr::Kind;

// Points of work between two looks at the deadline.
constexpr int64_t check_interval = 4096;
constexpr size_t sample_bytes = 16;

}  // namespace

void QueryState::fail(ErrorKind kind, std::string message) {
  if (!error_) error_ = {kind, std::move(message)};
}

bool QueryState::take(int64_t samples) {
  alive_ += samples;
  peak_ = std::max(peak_, alive_);
  if (alive_ > static_cast<int64_t>(options.limits.max_samples))
    fail("query processing would load too many samples into memory in query execution");
  else if (!lease_.reach(static_cast<size_t>(std::max<int64_t>(peak_, 0))))
    fail(ErrorKind::timeout, std::string(no_room_text));
  return !failed();
}

bool QueryState::fits(size_t items, size_t item_bytes) {
  const size_t bytes = options.limits.max_samples * sample_bytes;
  if (items <= bytes / std::max(item_bytes, sample_bytes))
    return take(static_cast<int64_t>(items * item_bytes / sample_bytes));
  return take(static_cast<int64_t>(options.limits.max_samples) + 1);
}

bool QueryState::work(int64_t points) {
  since_check_ += points;
  if (since_check_ < check_interval) return !failed();
  since_check_ = 0;
  const Interrupt reason = options.interrupt ? options.interrupt() : Interrupt::none;
  if (reason == Interrupt::timeout) fail(ErrorKind::timeout, "query timed out in expression evaluation");
  if (reason == Interrupt::canceled) fail(ErrorKind::canceled, "query was canceled in expression evaluation");
  return !failed();
}

std::shared_ptr<const Selection> QueryState::select(Select select, bool tell_resets) {
  select.max_series = options.limits.max_series;
  // 0 would be no bound at all.
  const auto alive = static_cast<size_t>(alive_);
  select.max_samples = options.limits.max_samples > alive ? options.limits.max_samples - alive : 1;
  select.lease = &lease_;
  select.held = alive;
  select.interrupt = options.interrupt;
  auto found = source.select(select);
  if (!found) {
    const Error& e = found.error();
    const ErrorKind kind = e.code == Code::resource_exhausted                         ? ErrorKind::execution
                           : e.code == Code::deadline_exceeded                        ? ErrorKind::timeout
                           : e.code == Code::unavailable && e.message == no_room_text ? ErrorKind::timeout
                                                                                      : ErrorKind::internal;
    fail(kind, "expanding series: " + e.message);
    return nullptr;
  }
  for (const std::string& warning : found->warnings) notes.add_plain(warning);
  int64_t samples = 0;
  found->only_floats = true;
  for (Series& series : found->series) {
    found->only_floats = found->only_floats && series.histograms.empty();
    if (series.temporality == Temporality::cumulative) derive_hints(series.histograms, tell_resets);
    samples += static_cast<int64_t>(series.floats.size());
    for (const HistogramPoint& p : series.histograms) samples += static_cast<int64_t>(size_in_samples(*p.h));
  }
  if (!take(samples) || !work(samples)) return nullptr;
  return std::make_shared<const Selection>(std::move(*found));
}

Evaluator::Evaluator(QueryState& state, int64_t start_ms, int64_t end_ms, int64_t step_ms)
    : state_(state),
      start_ms_(start_ms),
      end_ms_(end_ms),
      step_ms_(std::max<int64_t>(step_ms, 1)),
      steps_(end_ms < start_ms ? 0 : static_cast<size_t>((end_ms - start_ms) / step_ms_) + 1) {}

Rows Evaluator::eval(const Expr& expr) {
  if (steps_ == 0 || !state_.work(64)) return {};
  if (!state_.fits(steps_)) return {};  // everything below has room for every step
  const int64_t before = state_.alive();
  Rows rows = expr.step_invariant && !instant() ? eval_once(expr) : eval_node(expr);
  if (state_.failed()) return {};
  state_.set_alive(before);
  if (!state_.take(sample_count(rows))) return {};
  return rows;
}

Rows Evaluator::eval_once(const Expr& expr) {
  Rows rows = Evaluator(state_, start_ms_, start_ms_, step_ms_).eval(expr);
  for (Row& row : rows) {
    if (!state_.take(sample_count(row) * static_cast<int64_t>(steps_))) return {};
    for (size_t i = 1; i < steps_; ++i) {
      if (!row.floats.empty())
        row.floats.push_back({time_at(i), row.floats[0].v});
      else if (!row.histograms.empty())
        row.histograms.push_back({time_at(i), row.histograms[0].h});
    }
  }
  return rows;
}

Rows Evaluator::eval_node(const Expr& expr) {
  switch (expr.kind) {
    case Kind::paren:
      return eval(*as<ParenExpr>(expr).expr);
    case Kind::number: {
      Rows rows;
      rows.push_back(dense(as<NumberLiteral>(expr).value));
      return rows;
    }
    case Kind::vector_selector:
      return eval_selector(as<VectorSelector>(expr));
    case Kind::unary:
      return eval_unary(as<UnaryExpr>(expr));
    case Kind::binary:
      return eval_binary(as<BinaryExpr>(expr));
    case Kind::aggregate:
      return eval_aggregate(as<AggregateExpr>(expr));
    case Kind::call:
      return eval_call(as<CallExpr>(expr));
    default:
      return {};
  }
}

Rows Evaluator::eval_unary(const UnaryExpr& node) {
  Rows rows = eval(*node.expr);
  if (node.op != Tok::sub) return rows;
  for (Row& row : rows) {
    row.labels = named(row.labels);
    row.drop_name = true;
    for (FloatPoint& p : row.floats) p.v = -p.v;
    for (HistogramPoint& p : row.histograms) p.h = scaled(*p.h, -1);
    if (!state_.work(sample_count(row))) return {};
  }
  return state_.delayed_names() ? std::move(rows) : finish(std::move(rows));
}

Row Evaluator::dense(double value) const {
  return dense_each([&](size_t) { return value; });
}

std::vector<double> Evaluator::scalars(const Expr& expr) {
  const Rows rows = eval(expr);
  std::vector<double> out;
  if (rows.empty()) return out;
  for (const FloatPoint& p : rows[0].floats) out.push_back(p.v);
  return out;
}

Labels Evaluator::named(const Labels& labels) const {
  return state_.delayed_names() ? labels : labels.without_metadata();
}

Rows Evaluator::finish(Rows rows) {
  remove_empty(rows);
  if (instant() && state_.delayed_names()) return rows;
  if (!merge_equal_labels(rows)) {
    state_.fail("vector cannot contain metrics with the same labelset");
    return {};
  }
  return rows;
}

}  // namespace hs::promql
