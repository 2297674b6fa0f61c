#include "promql/store/series_cache.h"

#include <gtest/gtest.h>

#include "promql/engine.h"

namespace hs::promql::store {
namespace {

constexpr int64_t partition_ns = db::partition_s * nanos_per_s;

struct Row {
  uint64_t id = 0;
  std::string metric;
  std::string job;
  std::string tenant = "";
  int64_t partition = 1;
  model::MetricKind kind = model::MetricKind::untyped;
};

db::ResultColumn fixed(std::string_view name, uint32_t width) {
  db::ResultColumn out;
  out.name = name;
  out.width = width;
  return out;
}

db::ResultColumn texts(std::string_view name) {
  db::ResultColumn out;
  out.name = name;
  out.form = db::ResultColumn::Form::text;
  return out;
}

template <class T>
void push(db::ResultColumn& column, T value) {
  column.bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
void push(db::ResultColumn& column, const std::string& text) {
  column.bytes += text;
  column.ends.push_back(column.bytes.size());
}

// As the store writes rows of `series`: one label each.
db::ResultBlock block(const std::vector<Row>& rows) {
  db::ResultColumn ids = fixed("series_id", 8), times = fixed("ts", 8), kinds = fixed("kind", 1);
  db::ResultColumn metrics = texts("metric"), tenants = texts("tenant"), attributes = fixed("attrs", 0);
  attributes.form = db::ResultColumn::Form::array;
  auto keys = std::make_unique<db::ResultColumn>(texts("keys")),
       values = std::make_unique<db::ResultColumn>(texts("values"));
  for (const Row& row : rows) {
    push(ids, row.id);
    push(times, row.partition * partition_ns);
    push(kinds, static_cast<uint8_t>(row.kind));
    push(metrics, row.metric);
    push(tenants, row.tenant);
    push(*keys, std::string("job"));
    push(*values, row.job);
    attributes.ends.push_back(keys->ends.size());
  }
  attributes.nested.push_back(std::move(keys));
  attributes.nested.push_back(std::move(values));
  db::ResultBlock out;
  out.rows = rows.size();
  for (db::ResultColumn* column : {&ids, &times, &kinds, &metrics, &tenants, &attributes})
    out.columns.push_back(std::move(*column));
  return out;
}

// A selector over partitions 1 and 2.
struct Asked {
  explicit Asked(std::string_view selector, std::string tenant = "")
      : matchers(*parse_selector(selector)),
        question{std::move(tenant), {}, partition_ns, 2 * partition_ns, matchers} {}
  std::vector<Matcher> matchers;
  SeriesCache::Question question;
};

SeriesCache::Entry entry(const std::vector<Row>& rows) {
  FoundSeries out;
  out.plain = true;
  const db::ResultBlock all = block(rows);
  for (size_t i = 0; i < rows.size(); ++i) {
    out.all.push_back(own_series(all, i));
    out.all.back().kind = rows[i].kind;
  }
  return std::make_shared<const FoundSeries>(std::move(out));
}

std::vector<uint64_t> ids(const SeriesCache::Entry& entry) {
  std::vector<uint64_t> out;
  if (entry)
    for (const Found& one : entry->all) out.push_back(one.id);
  return out;
}

using Ids = std::vector<uint64_t>;

TEST(SeriesCache, TakesNewSeriesThatTheSelectorMatches) {
  SeriesCache cache;
  const Asked up("up{job=~'a|b'}"), regex("{__name__=~'u.+'}"), other("other"), elsewhere("up", "tenant");
  cache.put(up.question, cache.version(), entry({{1, "up", "a"}}));
  cache.put(regex.question, cache.version(), entry({{1, "up", "a"}}));
  cache.put(other.question, cache.version(), entry({}));
  cache.put(elsewhere.question, cache.version(), entry({}));
  cache.described(block({{1, "up", "a"},  // known
                         {2, "up", "b"},
                         {3, "up", "c"},
                         {4, "uptime", "a"},
                         {5, "up", "a", "tenant"},
                         {6, "up", "b", "", 3},     // of a later partition
                         {2, "up", "b", "", 2}}));  // told again in the next one
  EXPECT_EQ(ids(cache.find(up.question)), (Ids{1, 2}));
  EXPECT_EQ(ids(cache.find(regex.question)), (Ids{1, 2, 3, 4}));
  ASSERT_TRUE(cache.find(other.question));
  EXPECT_EQ(ids(cache.find(other.question)), Ids{});
  EXPECT_EQ(ids(cache.find(elsewhere.question)), Ids{5});
  cache.described(block({{7, "up", "b"}}));
  EXPECT_EQ(ids(cache.find(up.question)), (Ids{1, 2, 7}));
  EXPECT_FALSE(cache.find(up.question)->plain) << "two with the same labels";
  EXPECT_EQ(cache.find(up.question)->all[1].labels.text(), "{__name__=\"up\", job=\"b\"}");
}

// What was read while something was described may have it or not.
TEST(SeriesCache, NewsOfTheTimeOfReadingAreTakenOnce) {
  SeriesCache cache;
  const Asked up("up");
  const uint64_t before = cache.version();
  cache.described(block({{1, "up", "a"}, {2, "up", "b"}}));
  cache.put(up.question, before, entry({{2, "up", "b"}}));
  EXPECT_EQ(ids(cache.find(up.question)), (Ids{2, 1}));
  cache.put(up.question, before, entry({}));  // an older reading that came late
  EXPECT_EQ(ids(cache.find(up.question)), (Ids{2, 1}));
}

TEST(SeriesCache, OpenTelemetrysSeriesAreReadAnew) {
  SeriesCache cache;
  const Asked own("up"), translated("requests_total"), all("{job='a'}");
  const auto sum = model::MetricKind::sum;
  const auto put = [&] {
    cache.put(own.question, cache.version(), entry({{1, "up", "a"}}));
    cache.put(translated.question, cache.version(), entry({{2, "requests_total", "a", "", 1, sum}}));
    cache.put(all.question, cache.version(), entry({{1, "up", "a"}}));
  };
  put();
  cache.described(block({{3, "requests.total", "b", "", 1, sum}}));  // it is requests_total here
  EXPECT_TRUE(cache.find(own.question));
  EXPECT_FALSE(cache.find(translated.question));
  EXPECT_FALSE(cache.find(all.question));
  put();
  cache.resources_described();
  EXPECT_TRUE(cache.find(own.question));
  EXPECT_FALSE(cache.find(translated.question));
  EXPECT_TRUE(cache.find(all.question)) << "it has none of OpenTelemetry's";
}

TEST(SeriesCache, IsBounded) {
  SeriesCache cache;
  const auto many = [](size_t size) {
    return std::make_shared<const FoundSeries>(FoundSeries{.all = std::vector<Found>(size)});
  };
  const Asked large("large"), more("more"), rows("rows");
  cache.put(large.question, 0, many(SeriesCache::series_max - 1));
  ASSERT_TRUE(cache.find(large.question));
  cache.put(more.question, 0, many(1));
  EXPECT_FALSE(cache.find(large.question));
  EXPECT_TRUE(cache.find(more.question));
  cache.put(large.question, 0, many(SeriesCache::series_max));
  EXPECT_FALSE(cache.find(large.question));
  // An entry that is behind the oldest news that are kept.
  cache.put(rows.question, cache.version(), entry({}));
  std::vector<Row> some(SeriesCache::news_max / 2);
  for (size_t i = 0; i < some.size(); ++i) some[i] = {i, "rows", std::to_string(i)};
  cache.described(block(some));
  cache.described(block(some));
  EXPECT_EQ(ids(cache.find(rows.question)).size(), some.size());
  cache.put(rows.question, cache.version() - 2, entry({}));
  cache.described(block({{1, "other", "a"}}));
  cache.put(more.question, cache.version() - 3, entry({}));
  EXPECT_FALSE(cache.find(more.question));
}

}  // namespace
}  // namespace hs::promql::store
