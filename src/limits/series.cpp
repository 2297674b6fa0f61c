#include "limits/series.h"

#include <algorithm>

namespace hs::limits {
namespace {

constexpr size_t tenants_max = 1000;         // more share one
constexpr const char* shared_tenant = "\n";  // no tenant's name
constexpr uint64_t sweep_every_min = 5;      // a sweep looks at every series; when there is no room, each minute
constexpr uint32_t unknown = UINT32_MAX;
constexpr int64_t ms_per_minute = 60'000;

uint64_t window_of(const Policy& policy) { return static_cast<uint64_t>(policy.active_for_ms / ms_per_minute); }

}  // namespace

// One batch on its way through.
struct ActiveSeries::Visit {
  Tenant& tenant;
  const model::Batch& batch;
  std::span<const uint64_t> ids;
  const Policy& policy;
  const Limits& limits;
  uint64_t minute, window;
  bool exempt;
  std::vector<uint32_t> metrics{};  // indices into the census, of the batch's metrics
  Refused refused{};
};

ActiveSeries::Tenant& ActiveSeries::tenant(const std::string& name, uint64_t minute, uint64_t window) {
  auto found = tenants_.find(name);
  if (found == tenants_.end()) {
    if (tenants_.size() >= tenants_max)
      std::erase_if(tenants_, [&](const auto& t) {
        const bool idle = minute - t.second->used > window;
        if (idle) total_ -= t.second->table.size();
        return idle;
      });
    found = tenants_.try_emplace(tenants_.size() >= tenants_max ? shared_tenant : name).first;
    if (!found->second) found->second = std::make_unique<Tenant>(budget_);
  }
  Tenant& t = *found->second;
  const bool stale = minute - t.used > window;  // nothing of it is active; its minutes may have come round
  if (stale || minute - t.swept >= sweep_every_min) sweep(t, minute, stale ? 0 : window);
  t.used = minute;
  return t;
}

void ActiveSeries::sweep(Tenant& t, uint64_t minute, uint64_t window) {
  const size_t before = t.table.size();
  t.table.sweep([&](const Series& s) {
    const bool ended = window == 0 || static_cast<uint16_t>(minute - s.seen) > window;
    if (ended) {
      --t.census.metrics.at(s.metric).series;
      --t.census.services.at(s.service).series;
    }
    return ended;
  });
  total_ -= before - t.table.size();
  t.census.metrics.drop_empty();
  t.census.services.drop_empty();
  t.swept = minute;
}

void ActiveSeries::sweep_all(uint64_t minute, uint64_t window) {
  for (auto& [name, t] : tenants_) sweep(*t, minute, minute - t->used > window ? 0 : window);
  all_swept_ = minute;
}

// Index into Refused::names; -1: there is room.
int ActiveSeries::reason_against(Visit& v, const Group& metric) {
  const auto full = [](uint64_t n, uint64_t limit) { return limit > 0 && n >= limit; };
  if (v.exempt) return -1;
  if (full(v.tenant.table.size(), v.limits.active_series)) {
    if (v.tenant.swept != v.minute) sweep(v.tenant, v.minute, v.window);
    if (full(v.tenant.table.size(), v.limits.active_series)) return 0;
  }
  const bool has_own = &metric != &v.tenant.census.metrics.at(Groups::others);
  if (has_own && full(metric.series, v.limits.series_per_metric)) return 1;
  if (full(total_, v.policy.total_active_series)) {
    if (all_swept_ != v.minute) sweep_all(v.minute, v.window);
    if (full(total_, v.policy.total_active_series)) return 2;
  }
  return -1;
}

void ActiveSeries::visit_point(Visit& v, size_t p) {
  const model::Points& points = v.batch.points;
  const auto tick = static_cast<uint16_t>(v.minute);
  Census& census = v.tenant.census;
  const auto look = [&](uint32_t metric) {
    census.look(metric, points.attributes.begin(p), points.attributes.end(p), v.minute / v.window);
  };
  if (Series* known = v.tenant.table.find(v.ids[p])) {
    if (known->seen == tick) return;
    const uint64_t last = v.minute - static_cast<uint16_t>(tick - known->seen);
    if (last / v.window != v.minute / v.window) look(known->metric);
    known->seen = tick;
    return;
  }
  const model::Metric& described = points.metrics[points.metric[p]];
  uint32_t& index = v.metrics[points.metric[p]];
  if (index == unknown) index = census.metrics.index_of(described.name);
  if (const int why = reason_against(v, census.metrics.at(index)); why >= 0) {
    if (v.refused.rows.empty()) v.refused.rows.assign((points.size() + 7) / 8, '\0');
    v.refused.rows[p / 8] = static_cast<char>(v.refused.rows[p / 8] | 1 << p % 8);
    if (v.refused.points[why]++ == 0) v.refused.first[why] = described.name;
    ++census.metrics.at(index).refused;
    return;
  }
  const uint32_t service = census.services.index_of(v.batch.resources[described.resource].service);
  v.tenant.table.add({v.ids[p], index, static_cast<uint16_t>(service), tick});
  ++total_;
  for (Group* group : {&census.metrics.at(index), &census.services.at(service)}) {
    ++group->series;
    group->fresh.add(v.minute);
  }
  look(index);
}

ActiveSeries::Refused ActiveSeries::admit(const std::string& name, const model::Batch& batch,
                                          std::span<const uint64_t> ids, const Policy& policy, uint64_t minute,
                                          bool exempt) {
  const uint64_t window = window_of(policy);
  Visit visit{tenant(name, minute, window), batch, ids, policy, policy.of(name), minute, window, exempt};
  visit.metrics.assign(batch.points.metrics.size(), unknown);
  for (size_t p = 0; p < ids.size(); ++p) visit_point(visit, p);
  return std::move(visit.refused);
}

namespace {

// The page's rows in order; the rest goes.
template <class Key>
bool keep_page(std::vector<CensusRow>& rows, const CensusAsk& ask, Key key) {
  const size_t end = std::min(rows.size(), ask.offset + ask.limit);
  std::partial_sort(
      rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(end), rows.end(),
      [&](const CensusRow& a, const CensusRow& b) { return key(a) != key(b) ? key(a) > key(b) : a.name < b.name; });
  const bool more = end < rows.size();
  rows.resize(end);
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(std::min(ask.offset, end)));
  return more;
}

uint64_t key_of(const CensusRow& row, const CensusAsk& ask) {
  if (ask.by == CensusAsk::By::label) return row.values;
  if (ask.sort == CensusAsk::Sort::growth) return row.new_last_hour;
  return ask.sort == CensusAsk::Sort::refused ? row.refused_points : row.series;
}

std::vector<CensusRow> rows_of(const std::map<std::string, Distinct, std::less<>>& labels, uint64_t period) {
  std::vector<CensusRow> rows;
  for (const auto& [name, values] : labels)
    rows.push_back({.name = name, .values = static_cast<uint64_t>(values.estimate(period) + 0.5)});
  return rows;
}

void add_labels(CensusRow& row, const Group& group, uint64_t period) {
  constexpr size_t shown = 10;
  std::vector<CensusRow> labels = rows_of(group.labels, period);
  keep_page(labels, {.by = CensusAsk::By::label, .limit = shown}, [](const CensusRow& r) { return r.values; });
  for (CensusRow& label : labels) row.labels.emplace_back(std::move(label.name), label.values);
}

}  // namespace

CensusPage ActiveSeries::page(std::string_view name, const Policy& policy, const CensusAsk& ask,
                              uint64_t minute) const {
  CensusPage out;
  out.limits = policy.of(name);
  out.total_active_series = policy.total_active_series;
  out.active_for_ms = policy.active_for_ms;
  out.series_of_all = total_;
  const auto found = tenants_.find(name);
  if (found == tenants_.end()) return out;
  const Census& census = found->second->census;
  out.series = found->second->table.size();
  const uint64_t period = minute / window_of(policy);
  std::map<std::string_view, const Group*> groups;
  const auto collect = [&](const Group& g) {
    if (g.series + g.refused == 0) return;
    groups.emplace(g.name, &g);
    out.rows.push_back(
        {.name = g.name, .series = g.series, .new_last_hour = g.fresh.count(minute), .refused_points = g.refused});
  };
  if (ask.by == CensusAsk::By::label && ask.metric.empty())
    out.rows = rows_of(census.labels(), period);
  else if (ask.by == CensusAsk::By::label)
    census.metrics.each([&](const Group& g) {
      if (g.name == ask.metric) out.rows = rows_of(g.labels, period);
    });
  else
    (ask.by == CensusAsk::By::metric ? census.metrics : census.services).each(collect);
  out.more = keep_page(out.rows, ask, [&](const CensusRow& row) { return key_of(row, ask); });
  if (ask.by == CensusAsk::By::metric)
    for (CensusRow& row : out.rows) add_labels(row, *groups.at(row.name), period);
  return out;
}

std::vector<std::pair<std::string, uint64_t>> ActiveSeries::counts() const {
  std::vector<std::pair<std::string, uint64_t>> out;
  for (const auto& [name, t] : tenants_) out.emplace_back(name == shared_tenant ? "(others)" : name, t->table.size());
  return out;
}

}  // namespace hs::limits
