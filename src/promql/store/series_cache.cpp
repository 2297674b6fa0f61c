#include "promql/store/series_cache.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include <fmt/format.h>

namespace hs::promql::store {
namespace {

using model::MetricKind;

uint64_t number(const db::ResultBlock& rows, std::string_view name, size_t row) {
  const db::ResultColumn* column = rows.find(name);
  return column == nullptr ? 0 : column->u64(row);
}

std::string_view text(const db::ResultBlock& rows, std::string_view name, size_t row) {
  const db::ResultColumn* column = rows.find(name);
  return column == nullptr ? std::string_view() : column->text(row);
}

}  // namespace

std::string SeriesCache::Question::key() const {
  std::string key =
      fmt::format("{}\n{}{}\n{} {}", tenant, naming.escape, naming.suffixes, first_partition_ns, last_partition_ns);
  for (const Matcher& m : matchers) key += "\n" + m.text();
  return key;
}

uint64_t SeriesCache::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

void SeriesCache::described(const db::ResultBlock& series) {
  News news;
  std::set<std::pair<std::string, std::string>> told;  // of OpenTelemetry's metrics
  for (size_t row = 0; row < series.rows; ++row) {
    const auto kind = static_cast<MetricKind>(number(series, "kind", row));
    if (kind == MetricKind::untyped) {
      Found found = own_series(series, row);
      const std::string name = found.name;
      news.by_name[name].push_back({std::string(text(series, "tenant", row)),
                                    static_cast<int64_t>(number(series, "ts", row)), std::move(found)});
      ++news.rows;
      continue;
    }
    Descriptor metric{.metric = std::string(text(series, "metric", row)),
                      .unit = std::string(text(series, "unit", row)),
                      .kind = kind,
                      .monotonic = number(series, "monotonic", row) != 0};
    if (!told.emplace(metric.metric, fmt::format("{}\n{}{}", metric.unit, static_cast<int>(kind), metric.monotonic))
             .second)
      continue;
    news.translated.push_back(std::move(metric));
    ++news.rows;
  }
  add(std::move(news));
}

void SeriesCache::resources_described() {
  News news;
  news.resources = true;
  news.rows = 1;
  add(std::move(news));
}

void SeriesCache::add(News news) {
  const std::lock_guard lock(mutex_);
  ++version_;
  news_rows_ += news.rows;
  news_.push_back(std::move(news));
  while (news_rows_ > news_max) {
    news_rows_ -= news_.front().rows;
    news_.pop_front();
  }
}

void SeriesCache::forget() {
  entries_.clear();
  series_ = 0;
}

// Do the news touch what is not Prometheus' own? Then the engine is asked.
bool SeriesCache::concerns(const Question& question, const Held& held, const News& news) {
  const auto& all = held.entry->all;
  if (news.resources)
    return std::any_of(all.begin(), all.end(), [](const Found& one) { return one.kind != MetricKind::untyped; });
  return std::any_of(news.translated.begin(), news.translated.end(), [&](const Descriptor& d) {
    const std::string name = metric_name(question.naming, d.metric, d.unit, d.kind, d.monotonic);
    return wanted_parts(question.matchers, d.kind, name) != 0;
  });
}

void SeriesCache::collect(const Question& question, const News& news, std::vector<const Found*>& out) {
  const auto take = [&](const std::vector<News::One>& some) {
    for (const News::One& one : some) {
      const bool here = one.tenant == question.tenant && one.partition_ns >= question.first_partition_ns &&
                        one.partition_ns <= question.last_partition_ns;
      if (here && matches(question.matchers, one.series.labels)) out.push_back(&one.series);
    }
  };
  const auto exact = std::find_if(question.matchers.begin(), question.matchers.end(), [](const Matcher& m) {
    return m.name() == metric_name_label && m.type() == MatchType::equal;
  });
  if (exact == question.matchers.end()) {
    for (const auto& [name, some] : news.by_name)
      if (matches_name(question.matchers, name)) take(some);
  } else if (const auto at = news.by_name.find(exact->value()); at != news.by_name.end()) {
    take(at->second);
  }
}

// Takes what was described since; false: the entry must be read anew.
bool SeriesCache::catch_up(const Question& question, Held& held) const {
  const uint64_t behind = version_ - held.version;
  if (behind > news_.size()) return false;
  std::vector<const Found*> more;
  for (size_t i = news_.size() - behind; i < news_.size(); ++i) {
    if (concerns(question, held, news_[i])) return false;
    collect(question, news_[i], more);
  }
  held.version = version_;
  if (more.empty()) return true;
  std::unordered_set<uint64_t> known;
  std::unordered_set<Labels, LabelsHash> labels;
  for (const Found& one : held.entry->all) {
    known.insert(one.id);
    if (held.entry->plain) labels.insert(one.labels);
  }
  const auto grown = std::make_shared<FoundSeries>(*held.entry);
  for (const Found* one : more) {
    if (!known.insert(one->id).second) continue;
    grown->plain = grown->plain && labels.insert(one->labels).second;
    grown->all.push_back(*one);
  }
  held.entry = grown;
  return true;
}

SeriesCache::Entry SeriesCache::find(const Question& question) {
  const std::lock_guard lock(mutex_);
  const auto at = entries_.find(question.key());
  if (at == entries_.end()) return nullptr;
  const size_t before = at->second.entry->all.size() + 1;
  const bool good = catch_up(question, at->second);
  const size_t now = good ? at->second.entry->all.size() + 1 : 0;
  series_ += now - before;
  const Entry found = good ? at->second.entry : nullptr;
  if (!good) entries_.erase(at);
  if (series_ > series_max) forget();
  return found;
}

void SeriesCache::put(const Question& question, uint64_t version, Entry entry) {
  const std::lock_guard lock(mutex_);
  const size_t size = entry->all.size() + 1;  // one that found nothing takes room too
  if (size > series_max) return;
  std::string key = question.key();
  if (const auto old = entries_.find(key); old != entries_.end()) {
    if (old->second.version > version) return;
    series_ -= old->second.entry->all.size() + 1;
    entries_.erase(old);
  }
  if (series_ + size > series_max) forget();
  series_ += size;
  entries_.emplace(std::move(key), Held{std::move(entry), version});
}

}  // namespace hs::promql::store
