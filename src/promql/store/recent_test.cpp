#include "promql/store/recent.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

constexpr int64_t now_ms = 1'700'000'000'000;
constexpr int64_t hour_ms = 3'600'000;

struct Sample {
  uint64_t series;
  int64_t t_ms;
  double v;
};

db::ResultBlock block(const std::vector<Sample>& samples, uint64_t cut, std::vector<int64_t> sent = {}) {
  db::ResultBlock out;
  out.rows = samples.size();
  const auto column = [&](std::string_view name, auto value) {
    db::ResultColumn c;
    c.name = name;
    c.width = 8;
    for (size_t i = 0; i < samples.size(); ++i) {
      const auto v = value(i);
      c.bytes.append(reinterpret_cast<const char*>(&v), 8);
    }
    out.columns.push_back(std::move(c));
  };
  column("series_id", [&](size_t i) { return samples[i].series; });
  column("ts", [&](size_t i) { return samples[i].t_ms * nanos_per_ms; });
  column("value", [&](size_t i) { return samples[i].v; });
  column("cut", [&](size_t) { return cut; });
  if (!sent.empty()) column("ts_sent", [&](size_t i) { return sent[i]; });
  return out;
}

std::vector<double> values(const Recent& recent, uint64_t series, int64_t from = 0) {
  std::vector<FloatPoint> points;
  recent.read(series, from, INT64_MAX, points);
  std::vector<double> out;
  int64_t last = INT64_MIN;
  for (const FloatPoint& p : points) {
    EXPECT_GT(p.t_ms, last);
    last = p.t_ms;
    out.push_back(p.v);
  }
  return out;
}

Recent make(size_t bytes = 1 << 20) { return {{.bytes_max = bytes, .keep_ms = 2 * hour_ms}, now_ms}; }

TEST(Recent, PromisesNothingBeforeItWasFilled) {
  Recent recent = make();
  recent.add_samples(block({{1, now_ms, 1}}, 1), now_ms);
  EXPECT_EQ(INT64_MAX, recent.complete_from_ms());
  EXPECT_TRUE(recent.filled(now_ms - hour_ms));
  EXPECT_EQ(now_ms - hour_ms, recent.complete_from_ms());
  EXPECT_FALSE(recent.filled(now_ms - 3 * hour_ms));  // not kept so long
  EXPECT_EQ(now_ms - hour_ms, recent.complete_from_ms());
}

TEST(Recent, KeepsTheOrderWhateverComesFirst) {
  Recent recent = make();
  recent.add_samples(block({{1, now_ms, 5}, {2, now_ms, 50}, {1, now_ms + 1000, 6}}, 3), now_ms);
  recent.add_samples(block({{1, now_ms - 3000, 2}, {1, now_ms - 2000, 3}}, 1), now_ms);  // the filler's
  recent.add_samples(block({{1, now_ms - 1000, 4}}, 2), now_ms);                         // late
  recent.add_samples(block({{1, now_ms - 4000, 1}, {1, now_ms + 2000, 7}, {1, now_ms + 500, 5.5}}, 4), now_ms);
  EXPECT_EQ((std::vector<double>{1, 2, 3, 4, 5, 5.5, 6, 7}), values(recent, 1));
  EXPECT_EQ((std::vector<double>{50}), values(recent, 2));
  EXPECT_EQ((std::vector<double>{5.5, 6, 7}), values(recent, 1, now_ms + 1));
}

TEST(Recent, TheLaterWritingStands) {
  Recent recent = make();
  recent.add_samples(block({{1, now_ms, 1}, {1, now_ms + 1, 2}}, 5), now_ms);
  recent.add_samples(block({{1, now_ms, 1}, {1, now_ms + 1, 2}}, 5), now_ms);  // the same again
  EXPECT_EQ((std::vector<double>{1, 2}), values(recent, 1));
  recent.add_samples(block({{1, now_ms, 10}}, 6), now_ms);
  recent.add_samples(block({{1, now_ms + 1, 0}}, 4), now_ms);  // an older cut, read from the engine
  EXPECT_EQ((std::vector<double>{10, 2}), values(recent, 1));
}

TEST(Recent, ManyLateSamplesStayInOrder) {
  Recent recent = make();
  std::vector<double> expected;
  for (int64_t i = 0; i < 1000; ++i) {
    const int64_t at = i * 617 % 1000;
    recent.add_samples(block({{9, now_ms + at, static_cast<double>(at)}}, 1), now_ms);
    expected.push_back(static_cast<double>(i));
  }
  EXPECT_EQ(expected, values(recent, 9));
}

TEST(Recent, LeavesOutWhatIsOldOrWasClamped) {
  Recent recent = make();
  recent.add_samples(
      block({{1, now_ms - 5 * hour_ms, 1}, {1, now_ms, 2}, {1, now_ms + 1, 3}, {1, now_ms + 2, 4}}, 1, {0, -1, 77, 0}),
      now_ms);
  EXPECT_EQ((std::vector<double>{2, 4}), values(recent, 1));
}

TEST(Recent, TheOldGoesWithTime) {
  Recent recent = make();
  ASSERT_TRUE(recent.filled(now_ms - 2 * hour_ms));
  recent.add_samples(block({{1, now_ms, 1}}, 1), now_ms);
  const int64_t later = now_ms + 5 * hour_ms;
  recent.add_samples(block({{2, later, 2}}, 2), later);
  EXPECT_EQ(later - 2 * hour_ms, recent.complete_from_ms());
  EXPECT_TRUE(values(recent, 1).empty());
  EXPECT_EQ((std::vector<double>{2}), values(recent, 2));
}

TEST(Recent, TheOldestGoesWhenItIsFull) {
  constexpr size_t most = 256 * 1024;
  Recent recent = make(most);
  ASSERT_TRUE(recent.filled(now_ms - 2 * hour_ms));
  for (int64_t t = now_ms - 2 * hour_ms; t < now_ms; t += 15'000) {
    std::vector<Sample> samples;
    for (uint64_t s = 0; s < 100; ++s)
      samples.push_back({s, t, 0.1 * static_cast<double>(t % 977) + 0.01 * static_cast<double>(s)});
    recent.add_samples(block(samples, 1), now_ms);
    ASSERT_LE(recent.memory_bytes(), most);
  }
  EXPECT_GT(recent.complete_from_ms(), now_ms - 2 * hour_ms);
  EXPECT_LT(recent.complete_from_ms(), now_ms);
  // What is promised is there.
  const auto promised = static_cast<size_t>((now_ms - recent.complete_from_ms()) / 15'000);
  EXPECT_GE(values(recent, 7, recent.complete_from_ms()).size(), promised);
}

TEST(Recent, MoreSeriesThanRoomIsNoPromise) {
  Recent recent = make(64 * 1024);
  ASSERT_TRUE(recent.filled(now_ms - hour_ms));
  std::vector<Sample> samples;
  for (uint64_t s = 0; s < 10'000; ++s) samples.push_back({s, now_ms, 1});
  recent.add_samples(block(samples, 1), now_ms);
  EXPECT_LE(recent.memory_bytes(), 64u * 1024);
  EXPECT_GT(recent.complete_from_ms(), now_ms);
}

// Rows of `distributions` with a `kind` and `value` observations, all in one bucket.
db::ResultBlock histograms(const std::vector<Sample>& samples, uint64_t cut, uint64_t kind) {
  db::ResultBlock out = block(samples, cut);
  const auto column = [&](std::string_view name, auto value) -> db::ResultColumn& {
    db::ResultColumn& c = out.columns.emplace_back();
    c.name = name;
    c.width = 8;
    for (size_t i = 0; i < samples.size(); ++i) {
      const uint64_t v = value(i);
      c.bytes.append(reinterpret_cast<const char*>(&v), 8);
    }
    return c;
  };
  column("kind", [&](size_t) { return kind; });
  const auto count = [&](size_t i) { return static_cast<uint64_t>(samples[i].v); };
  column("count", count);
  auto items = std::make_unique<db::ResultColumn>(std::move(column("items", count)));
  out.columns.pop_back();
  db::ResultColumn& counts = out.columns.emplace_back();
  counts.name = "positive_counts";
  counts.form = db::ResultColumn::Form::array;
  for (size_t i = 0; i < samples.size(); ++i) counts.ends.push_back(i + 1);
  counts.nested.push_back(std::move(items));
  return out;
}

std::vector<double> counts(const Recent& recent, uint64_t series) {
  std::vector<HistogramPoint> points;
  recent.read(series, 0, INT64_MAX, points);
  std::vector<double> out;
  for (const HistogramPoint& p : points) {
    EXPECT_EQ(p.h->positive, (std::vector<double>{p.h->count}));
    out.push_back(p.h->count);
  }
  return out;
}

TEST(Recent, HasNativeHistogramsAndKnowsWhoHasOthers) {
  Recent recent = make();
  recent.add_distributions(histograms({{1, now_ms, 5}, {1, now_ms + 1000, 6}, {2, now_ms, 7}}, 2, 4), now_ms);
  recent.add_distributions(histograms({{1, now_ms - 1000, 4}, {1, now_ms, 50}}, 1, 4), now_ms);  // late, an older cut
  EXPECT_EQ(counts(recent, 1), (std::vector<double>{4, 5, 6}));
  EXPECT_EQ(counts(recent, 2), (std::vector<double>{7}));
  EXPECT_FALSE(recent.has_others(1, 0));
  EXPECT_TRUE(values(recent, 1).empty());
  recent.add_distributions(histograms({{3, now_ms, 5}}, 1, 3), now_ms);
  EXPECT_TRUE(recent.has_others(3, now_ms - hour_ms));
  EXPECT_FALSE(recent.has_others(3, now_ms + 1));
  EXPECT_TRUE(counts(recent, 3).empty());
  EXPECT_GT(recent.memory_bytes(), 0U);
  recent.add_samples(block({{4, now_ms + 5 * hour_ms, 1}}, 3), now_ms + 5 * hour_ms);  // all else is too old
  EXPECT_TRUE(counts(recent, 1).empty());
  EXPECT_FALSE(recent.has_others(3, 0));
}

// Late and disordered samples take no more room and are as many as those in order.
TEST(Recent, DisorderCostsNoRoom) {
  constexpr int64_t n = 5'000;
  std::vector<Sample> ordered, backwards, mixed;
  for (int64_t i = 0; i < n; ++i) ordered.push_back({1, now_ms + i * 1000, static_cast<double>(i)});
  backwards.assign(ordered.rbegin(), ordered.rend());
  for (int64_t i = 0; i < n; ++i) mixed.push_back(ordered[static_cast<size_t>(i * 1237 % n)]);
  const auto filled = [&](const std::vector<Sample>& samples, size_t at_once) {
    auto recent = std::make_unique<Recent>(Recent::Options{.bytes_max = 1 << 20, .keep_ms = 2 * hour_ms}, now_ms);
    for (size_t i = 0; i < samples.size(); i += at_once) {
      const auto first = samples.begin() + static_cast<std::ptrdiff_t>(i);
      const auto some = static_cast<std::ptrdiff_t>(std::min(at_once, samples.size() - i));
      recent->add_samples(block({first, first + some}, 1), now_ms);
    }
    return recent;
  };
  const auto plain = filled(ordered, 100);
  const std::vector<double> all = values(*plain, 1);
  ASSERT_EQ(all.size(), static_cast<size_t>(n));
  for (const auto* samples : {&backwards, &mixed}) {
    for (const size_t at_once : {size_t{1}, size_t{100}, samples->size()}) {
      const auto recent = filled(*samples, at_once);
      EXPECT_EQ(values(*recent, 1), all) << at_once;
      EXPECT_LT(recent->memory_bytes(), 3 * plain->memory_bytes()) << at_once;
    }
  }
}

TEST(Recent, OfEqualInstantsTheLaterWritingStands) {
  Recent recent = make();
  recent.add_samples(block({{1, now_ms, 1}, {1, now_ms - 1000, 2}, {1, now_ms, 3}}, 5), now_ms);
  EXPECT_EQ(values(recent, 1), (std::vector<double>{2, 3}));
  recent.add_samples(block({{1, now_ms - 1000, 7}, {1, now_ms + 1000, 8}}, 4), now_ms);  // an older cut
  EXPECT_EQ(values(recent, 1), (std::vector<double>{2, 3, 8}));
  recent.add_samples(block({{1, now_ms - 1000, 9}}, 6), now_ms);
  EXPECT_EQ(values(recent, 1), (std::vector<double>{9, 3, 8}));
}

}  // namespace
}  // namespace hs::promql::store
