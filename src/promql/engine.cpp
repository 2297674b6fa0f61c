#include "promql/engine.h"

#include <fmt/format.h>
#include <algorithm>
#include <map>

#include "promql/evaluator.h"
#include "promql/functions.h"
#include "promql/parser.h"
#include "promql/prepare.h"

namespace hs::promql {
namespace {

// As many warnings, and as many infos, as Prometheus' API shows.
constexpr size_t max_notes = 10;

std::string with_commas(int64_t n) {
  std::string text = std::to_string(n);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

QueryResult<void> check_query(const Query& query, const Expr& expr, const Limits& limits) {
  const auto bad = [](std::string message) {
    return tl::unexpected(QueryError{ErrorKind::bad_data, std::move(message)});
  };
  if (query.step_ms == 0) {
    if (query.start_ms != query.end_ms) return bad("an instant query has one time");
    return {};
  }
  if (query.step_ms < 0)
    return bad("zero or negative query resolution step widths are not accepted. Try a positive integer");
  if (query.end_ms < query.start_ms) return bad("end timestamp must not be before start time");
  if ((query.end_ms - query.start_ms) / query.step_ms > limits.max_points) {
    return bad(
        fmt::format("exceeded maximum resolution of {} points per timeseries. Try decreasing the query resolution "
                    "(?step=XX)",
                    with_commas(limits.max_points)));
  }
  if (expr.type() == ValueType::vector || expr.type() == ValueType::scalar) return {};
  return bad(fmt::format("invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                         documented_name(expr.type())));
}

// Ranges leave stale markers out; without any the selection stays as it is.
std::shared_ptr<const Selection> without_stale(std::shared_ptr<const Selection> selection) {
  const auto stale_float = [](const FloatPoint& p) { return is_stale(p.v); };
  const auto stale_histogram = [](const HistogramPoint& p) { return is_stale(p.h->sum); };
  const auto dirty = [&](const Series& s) {
    return std::any_of(s.floats.begin(), s.floats.end(), stale_float) ||
           std::any_of(s.histograms.begin(), s.histograms.end(), stale_histogram);
  };
  if (std::none_of(selection->series.begin(), selection->series.end(), dirty)) return selection;
  auto copy = std::make_shared<Selection>(*selection);
  const auto clean = [](auto& points, std::vector<int64_t>& starts, auto stale) {
    if (starts.size() == points.size()) {
      size_t i = 0;
      std::erase_if(starts, [&](int64_t) { return stale(points[i++]); });
    }
    std::erase_if(points, stale);
  };
  for (Series& s : copy->series) {
    clean(s.floats, s.float_starts_ms, stale_float);
    clean(s.histograms, s.histogram_starts_ms, stale_histogram);
  }
  return copy;
}

// Asks the source for every selector, for equal ones once.
void select_all(QueryState& state, const Expr& expr) {
  std::map<std::string, std::shared_ptr<const Selection>> known;
  for (SelectorRange& range : selector_ranges(expr, state.query, state.options)) {
    const bool starts = state.options.features.start_timestamps && uses_starts(range.function);
    std::string key =
        fmt::format("{} {} {} {} {} ", range.start_ms, range.end_ms, range.range_ms != 0, range.only_totals, starts);
    for (const Matcher& m : range.selector->matchers) key += m.text() + ",";
    auto& selection = known[key];
    if (!selection) {
      Select select{.matchers = range.selector->matchers, .start_ms = range.start_ms, .end_ms = range.end_ms};
      select.step_ms = range.step_ms;
      select.range_ms = range.range_ms;
      select.starts = starts;
      select.function = std::move(range.function);
      selection = state.select(std::move(select), range.only_totals);
      if (!selection) return;
      if (range.range_ms != 0) selection = without_stale(std::move(selection));
    }
    state.selections[range.selector] = selection;
  }
}

// With delayed name removal the names go now.
bool remove_names(QueryState& state, Rows& rows) {
  if (!state.delayed_names()) return true;
  for (Row& row : rows) {
    if (row.drop_name) row.labels = row.labels.without_metadata();
  }
  if (merge_equal_labels(rows)) return true;
  state.fail("vector cannot contain metrics with the same labelset");
  return false;
}

Matrix to_matrix(Rows rows) {
  Matrix out;
  out.reserve(rows.size());
  for (Row& row : rows) {
    Series series;
    series.labels = std::move(row.labels);
    series.floats = std::move(row.floats);
    series.histograms = std::move(row.histograms);
    out.push_back(std::move(series));
  }
  std::sort(out.begin(), out.end(), [](const Series& a, const Series& b) { return a.labels < b.labels; });
  return out;
}

Value to_instant(Rows rows, ValueType type, int64_t t_ms) {
  if (type == ValueType::scalar) return Scalar{t_ms, rows[0].floats[0].v};
  if (type == ValueType::matrix) return to_matrix(std::move(rows));
  Vector out;
  out.reserve(rows.size());
  for (Row& row : rows) {
    const bool histogram = row.floats.empty();
    out.push_back(
        {std::move(row.labels), t_ms, histogram ? 0 : row.floats[0].v, histogram ? row.histograms[0].h : nullptr});
  }
  return out;
}

Value run(QueryState& state, const Expr& expr) {
  const Query& query = state.query;
  if (expr.type() == ValueType::string) return String{query.start_ms, as<StringLiteral>(unwrap(expr)).value};
  select_all(state, expr);
  if (state.failed()) return {};
  Evaluator evaluator(state, query.start_ms, query.end_ms, query.step_ms == 0 ? 1 : query.step_ms);
  Rows rows = expr.type() == ValueType::matrix ? evaluator.eval_matrix(expr) : evaluator.eval(expr);
  if (state.failed() || !remove_names(state, rows)) return {};
  return query.step_ms == 0 ? to_instant(std::move(rows), expr.type(), query.start_ms)
                            : Value(to_matrix(std::move(rows)));
}

}  // namespace

QueryResult<Outcome> evaluate(const Source& source, const Query& asked, const Options& options) {
  Query query = asked;
  query.start_ms = std::clamp(query.start_ms, min_time_ms, max_time_ms);
  query.end_ms = std::clamp(query.end_ms, min_time_ms, max_time_ms);
  auto expr = parse_expr(query.text, options.features, options.limits);
  if (!expr) return tl::unexpected(expr.error());
  if (auto checked = check_query(query, **expr, options.limits); !checked) return tl::unexpected(checked.error());
  if (auto prepared = prepare(*expr, query); !prepared) return tl::unexpected(prepared.error());
  QueryState state(source, query, options);
  Outcome out;
  if (state.work(1 << 20)) out.value = run(state, **expr);
  if (state.error()) return tl::unexpected(*state.error());
  state.notes.write(query.text, max_notes, out.warnings, out.infos);
  out.stats = {state.total, state.peak()};
  return out;
}

std::string_view name_of(ErrorKind kind) {
  static constexpr std::string_view names[] = {"bad_data", "execution", "timeout", "canceled", "internal"};
  return names[static_cast<size_t>(kind)];
}

int http_status(ErrorKind kind) {
  static constexpr int statuses[] = {400, 422, 503, 499, 500};
  return statuses[static_cast<size_t>(kind)];
}

bool enable(Features& features, std::string_view flag) {
  static constexpr std::pair<std::string_view, bool Features::*> flags[] = {
      {"promql-experimental-functions", &Features::experimental_functions},
      {"promql-duration-expr", &Features::duration_expressions},
      {"promql-delayed-name-removal", &Features::delayed_name_removal},
      {"promql-extended-range-selectors", &Features::extended_range_selectors},
      {"promql-binop-fill-modifiers", &Features::fill_modifiers},
      {"type-and-unit-labels", &Features::type_and_unit_labels},
      {"use-start-timestamps", &Features::start_timestamps},
  };
  for (const auto& [name, member] : flags) {
    if (name == flag) return features.*member = true;
  }
  return false;
}

}  // namespace hs::promql
