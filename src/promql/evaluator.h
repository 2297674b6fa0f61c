#pragma once
// Evaluates a prepared tree over a grid of steps; each node once for all steps, row by row.

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "promql/annotations.h"
#include "promql/ast.h"
#include "promql/engine.h"
#include "promql/group_index.h"
#include "promql/rows.h"
#include "promql/window.h"

namespace hs::promql {

// One query in flight. The first error stays; every evaluation returns early once there is one.
class QueryState {
 public:
  QueryState(const Source& source, const Query& query, const Options& options)
      : source(source), query(query), options(options), lease_(options.budget) {}

  const Source& source;
  const Query& query;
  const Options& options;
  Annotations notes;
  std::unordered_map<const VectorSelector*, std::shared_ptr<const Selection>> selections;

  bool failed() const { return error_.has_value(); }
  const std::optional<QueryError>& error() const { return error_; }
  void fail(ErrorKind kind, std::string message);
  void fail(std::string message) { fail(ErrorKind::execution, std::move(message)); }
  void note(std::string text, int pos) { notes.add({std::move(text), pos, std::nullopt}); }
  bool delayed_names() const { return options.features.delayed_name_removal; }

  // Counts samples that are alive; false (and an error) when there are too many.
  bool take(int64_t samples);
  // The same for working memory, which goes when the node is evaluated.
  bool fits(size_t items, size_t item_bytes = 0);
  int64_t alive() const { return alive_; }
  void set_alive(int64_t samples) { alive_ = samples; }
  int64_t peak() const { return peak_; }
  int64_t total = 0;  // samples that selectors and windows handed out

  // To be called for every few points of work; false when the query shall stop.
  bool work(int64_t points);
  // Asks the source. Null after a failure.
  std::shared_ptr<const Selection> select(Select select, bool tell_resets = false);

 private:
  std::optional<QueryError> error_;
  Lease lease_;
  int64_t alive_ = 0;
  int64_t peak_ = 0;
  int64_t since_check_ = 0;
};

class Evaluator {
 public:
  Evaluator(QueryState& state, int64_t start_ms, int64_t end_ms, int64_t step_ms);

  // A scalar is one row without labels that has a float at every step. Strings have no rows.
  Rows eval(const Expr& expr);
  // A range selector or subquery at one instant: its raw points.
  Rows eval_matrix(const Expr& expr);

 private:
  struct SelectedWindow;
  // Gets rows one by one and may take from them what it likes. A failure of the state ends it.
  using RowSink = std::function<void(Row&)>;

  size_t steps() const { return steps_; }
  int64_t time_at(size_t step) const { return start_ms_ + static_cast<int64_t>(step) * step_ms_; }
  size_t step_of(int64_t t) const { return static_cast<size_t>((t - start_ms_) / step_ms_); }
  bool instant() const { return steps_ == 1; }
  Row dense(double value) const;
  template <class F>
  Row dense_each(F f) const;
  // The values of a scalar expression, one per step.
  std::vector<double> scalars(const Expr& expr);
  // Merges equal label sets, as every function over instant vectors does.
  Rows finish(Rows rows);
  Labels named(const Labels& labels) const;  // without metadata, unless names are removed later

  // evaluator.cpp
  Rows eval_node(const Expr& expr);
  Rows eval_once(const Expr& expr);
  Rows eval_unary(const UnaryExpr& node);
  // eval_selector.cpp
  Rows eval_selector(const VectorSelector& node);
  Rows eval_series(const std::vector<Series>& series, const TimeModifier& time, bool original_times);
  void each_selected(const std::vector<Series>& series, const TimeModifier& time, bool original_times,
                     const RowSink& sink);
  Rows eval_smoothed(const VectorSelector& node, const std::vector<Series>& series);
  void smooth_floats(const VectorSelector& node, const Series& series, Row& out);
  void smooth_histograms(const VectorSelector& node, const Series& series, Row& out);
  Rows eval_subquery(const SubqueryExpr& node);
  // eval_binary.cpp
  Rows eval_binary(const BinaryExpr& node);
  Rows eval_scalar_scalar(const BinaryExpr& node);
  Rows eval_vector_scalar(const BinaryExpr& node, bool scalar_left);
  Rows eval_set(const BinaryExpr& node);
  Rows eval_vector_vector(const BinaryExpr& node);
  // eval_aggregate.cpp, eval_topk.cpp
  Rows eval_aggregate(const AggregateExpr& node);
  // eval_fold.cpp
  bool streams(const Expr& expr);
  void each_row(const Expr& expr, const RowSink& sink);
  template <class Cell>
  Rows fold(const AggregateExpr& node);
  std::optional<Rows> eval_folded(const AggregateExpr& node);
  Rows eval_count_values(const AggregateExpr& node);
  Rows eval_top(const AggregateExpr& node, const Rows& input, const std::vector<double>& params);
  void top_group(const AggregateExpr& node, const Rows& input, const std::vector<size_t>& members,
                 const std::vector<double>& params, Rows& out);
  bool check_parameter(const AggregateExpr& node, const std::vector<double>& params, bool& nothing);
  // eval_call.cpp
  Rows eval_call(const CallExpr& node);
  Rows eval_timestamp(const CallExpr& node, bool start);
  Rows eval_absent(const CallExpr& node);
  Rows eval_scalar(const CallExpr& node);
  Rows eval_sort(const CallExpr& node);
  Rows map_floats(const CallExpr& node);
  Rows map_histograms(const CallExpr& node);
  Rows map_dates(const CallExpr& node);
  // eval_label.cpp, info.cpp, eval_histogram.cpp
  Rows eval_label_replace(const CallExpr& node);
  Rows eval_label_join(const CallExpr& node);
  Rows eval_info(const CallExpr& node);
  Rows eval_histogram(const CallExpr& node);
  // eval_window.cpp
  Rows eval_window(const CallExpr& node, size_t matrix_argument);
  void each_window(const CallExpr& node, size_t matrix_argument, const RowSink& sink);
  void note_counter(const Series& series, int pos);
  Rows absent_over_time(const CallExpr& node, const Expr& matrix, const Rows& rows);
  bool window_source(const Expr& matrix, SelectedWindow& out);
  void window_row(const CallExpr& node, const SelectedWindow& window, const Series& series,
                  const WindowFunction& function, const std::vector<std::vector<double>>& parameters, Row& row);
  bool extension_allowed(const CallExpr& node, const SelectedWindow& window);

  QueryState& state_;
  int64_t start_ms_;
  int64_t end_ms_;
  int64_t step_ms_;
  size_t steps_;
};

// The labels that a selector pins down: what absent() answers with.
Labels absent_labels(const Expr& expr);

template <class F>
Row Evaluator::dense_each(F f) const {
  Row row;
  row.floats.reserve(steps_);
  for (size_t i = 0; i < steps_; ++i) row.floats.push_back({time_at(i), f(i)});
  return row;
}

}  // namespace hs::promql
