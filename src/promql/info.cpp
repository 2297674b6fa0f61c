// info(): labels of info series (target_info, say) put onto the series that they describe.

#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>

#include "promql/evaluator.h"
#include "promql/prepare.h"

namespace hs::promql {
namespace {

constexpr std::string_view default_info = "target_info";
bool metadata(std::string_view name) { return name == metric_name_label || name == "__type__" || name == "__unit__"; }

const std::vector<std::string>& identifying() {
  static const std::vector<std::string> names = {"instance", "job"};
  return names;
}

// What info() was asked to add, and from where.
struct InfoQuery {
  std::vector<Matcher> names;  // of the info metrics
  std::vector<Matcher> data;   // of the labels to add

  bool wants(const std::string& label) const {
    return data.empty() || std::any_of(data.begin(), data.end(), [&](const Matcher& m) { return m.name() == label; });
  }
  bool needs_a_match() const {
    return std::any_of(data.begin(), data.end(), [](const Matcher& m) { return !m.matches_empty(); });
  }
  bool is_info(std::string_view name) const {
    return std::all_of(names.begin(), names.end(), [&](const Matcher& m) { return m.matches(name); });
  }
};

InfoQuery read_query(const CallExpr& node) {
  InfoQuery out;
  if (node.arguments.size() > 1) {
    for (const Matcher& m : as<VectorSelector>(unwrap(*node.arguments[1])).matchers) {
      (m.name() == metric_name_label ? out.names : out.data).push_back(m);
    }
  }
  const bool positive = std::any_of(out.names.begin(), out.names.end(), [](const Matcher& m) {
    return m.type() == MatchType::equal || m.type() == MatchType::regex;
  });
  const std::string name(metric_name_label);
  if (out.names.empty())
    out.names.push_back(*Matcher::make(MatchType::equal, name, std::string(default_info)));
  else if (!positive)
    out.names.insert(out.names.begin(), *Matcher::make(MatchType::regex, name, ".+_info"));
  return out;
}

// Matchers for info series of the same instances and jobs as `rows`: one set for those that have both labels, one for
// those that have only the one or the other.
std::vector<std::vector<Matcher>> info_matchers(const InfoQuery& query, const Rows& rows) {
  std::map<std::vector<bool>, std::map<std::string, std::set<std::string>>> groups;  // by which labels are there
  for (const Row& row : rows) {
    if (query.is_info(row.labels.get(metric_name_label))) continue;
    std::vector<bool> present;
    for (const std::string& label : identifying()) present.push_back(row.labels.has(label));
    if (std::find(present.begin(), present.end(), true) == present.end()) continue;
    auto& group = groups[present];
    for (const std::string& label : identifying()) group[label].emplace(row.labels.get(label));
  }
  std::vector<std::vector<Matcher>> out;
  for (const auto& [present, group] : groups) {
    std::vector<Matcher> set;
    for (const auto& [label, values] : group) {
      std::string pattern;
      for (const std::string& value : values) pattern += (pattern.empty() ? "" : "|") + re2::RE2::QuoteMeta(value);
      if (auto matcher = Matcher::make(MatchType::regex, label, pattern)) set.push_back(std::move(*matcher));
    }
    set.insert(set.end(), query.data.begin(), query.data.end());
    set.insert(set.end(), query.names.begin(), query.names.end());
    out.push_back(std::move(set));
  }
  return out;
}

// Of every identity and info metric the newest series at each step.
class InfoIndex {
 public:
  struct Found {
    const Labels* labels = nullptr;
    double t_ms = 0;
  };
  using ByName = std::map<std::string, std::vector<Found>, std::less<>>;

  InfoIndex(QueryState& state, size_t steps) : state_(state), steps_(steps) {}

  void add(const Row& row, size_t step, double original_t_ms) {
    auto& found = by_identity_[row.labels.only(identifying())][std::string(row.labels.get(metric_name_label))];
    found.resize(steps_);
    Found& at = found[step];
    if (at.labels != nullptr && at.t_ms == original_t_ms) {
      state_.fail("found duplicate series for info metric: existing " + at.labels->text() + " @ " +
                  std::to_string(static_cast<int64_t>(at.t_ms)) + ", new " + row.labels.text() + " @ " +
                  std::to_string(static_cast<int64_t>(original_t_ms)));
    }
    if (at.labels == nullptr || at.t_ms < original_t_ms) at = {&row.labels, original_t_ms};
  }

  const ByName* of(const Labels& labels) const {
    const auto at = by_identity_.find(labels.only(identifying()));
    return at == by_identity_.end() ? nullptr : &at->second;
  }

 private:
  QueryState& state_;
  size_t steps_;
  std::unordered_map<Labels, ByName, LabelsHash> by_identity_;
};

// The labels of a series at a step; nothing when it must be left out.
std::optional<Labels> enriched(QueryState& state, const InfoQuery& query, const Labels& base,
                               const InfoIndex::ByName* infos, size_t step) {
  Labels added;
  bool matched = false;
  for (const auto& [name, found] : infos != nullptr ? *infos : InfoIndex::ByName()) {
    const Labels* info = found[step].labels;
    if (info == nullptr) continue;
    matched = true;
    for (const Label& label : *info) {
      if (metadata(label.name) || !query.wants(label.name)) continue;
      const std::string_view other = added.get(label.name);
      if (!other.empty() && other != label.value) {
        state.fail("conflicting label: " + label.name);
        return std::nullopt;
      }
      if (!base.has(label.name)) added.set(label.name, label.value);
    }
  }
  if (!matched && query.needs_a_match()) return std::nullopt;
  Labels out = base;
  for (const Label& label : added) out.set(label.name, label.value);
  return out;
}

}  // namespace

Rows Evaluator::eval_info(const CallExpr& node) {
  Rows base = eval(*node.arguments[0]);
  const InfoQuery query = read_query(node);
  if (state_.failed()) return {};
  const TimeModifier at = info_time(*node.arguments[0]).value_or(TimeModifier{});
  const int64_t lookback = state_.options.lookback_ms;
  Rows infos;
  for (std::vector<Matcher>& matchers : info_matchers(query, base)) {
    Select select{.matchers = std::move(matchers), .step_ms = step_ms_, .function = "info"};
    select.start_ms = at.timestamp_ms.value_or(start_ms_) - at.original_offset_ms - lookback + 1;
    select.end_ms = at.timestamp_ms.value_or(end_ms_) - at.original_offset_ms;
    const auto selection = state_.select(std::move(select));
    if (!selection) return {};
    for (Row& row : eval_series(selection->series, at, true)) infos.push_back(std::move(row));
  }
  if (!state_.fits(steps_ * std::max<size_t>(infos.size(), 1), sizeof(InfoIndex::Found))) return {};
  InfoIndex index(state_, steps_);
  for (const Row& row : infos) {
    for (const FloatPoint& p : row.floats) index.add(row, step_of(p.t_ms), p.v);
    if (!state_.work(static_cast<int64_t>(steps_))) return {};
  }
  Rows out;
  for (Row& row : base) {
    if (query.is_info(row.labels.get(metric_name_label))) {
      out.push_back(std::move(row));
      continue;
    }
    const InfoIndex::ByName* found = index.of(row.labels);
    std::unordered_map<Labels, size_t, LabelsHash> rows;
    each_point(row, [&](int64_t t, double f, const HistogramPtr& h) {
      auto labels = enriched(state_, query, row.labels, found, step_of(t));
      if (!labels || state_.failed()) return;
      const auto [at, inserted] = rows.try_emplace(*labels, out.size());
      if (inserted) {
        out.emplace_back();
        out.back().labels = std::move(*labels);
        out.back().drop_name = row.drop_name;
      }
      if (h)
        out[at->second].histograms.push_back({t, h});
      else
        out[at->second].floats.push_back({t, f});
    });
    if (!state_.work(static_cast<int64_t>(steps_))) return {};
  }
  if (!merge_equal_labels(out)) state_.fail("vector cannot contain metrics with the same labelset");
  return out;
}

}  // namespace hs::promql
