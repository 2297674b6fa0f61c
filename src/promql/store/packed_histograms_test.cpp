#include "promql/store/packed_histograms.h"

#include <bit>
#include <random>

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

void expect_same(const Histogram& a, const Histogram& b) {
  const auto bits = [](double v) { return std::bit_cast<uint64_t>(v); };
  EXPECT_EQ(a.hint, b.hint);
  EXPECT_EQ(a.schema, b.schema);
  for (const auto member : {&Histogram::zero_threshold, &Histogram::zero_count, &Histogram::count, &Histogram::sum})
    EXPECT_EQ(bits(a.*member), bits(b.*member));
  EXPECT_EQ(a.positive_spans, b.positive_spans);
  EXPECT_EQ(a.negative_spans, b.negative_spans);
  for (const auto member : {&Histogram::positive, &Histogram::negative, &Histogram::custom_values}) {
    ASSERT_EQ((a.*member).size(), (b.*member).size());
    for (size_t i = 0; i < (a.*member).size(); ++i) EXPECT_EQ(bits((a.*member)[i]), bits((b.*member)[i]));
  }
}

// Counters that grow, whose buckets come, go and change their resolution; now and then floats, or a stale marker.
std::vector<HistogramPoint> random_histograms(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<HistogramPoint> out;
  Histogram h;
  int64_t t = 1'700'000'000'000;
  for (size_t i = 0; i < count; ++i, t += 1 + static_cast<int64_t>(random() % 30'000)) {
    if (i == 0 || random() % 8 == 0) {
      h = {};
      h.schema = random() % 5 == 0 ? custom_buckets_schema : static_cast<int32_t>(random() % 13) - 4;
      h.zero_threshold = random() % 2 == 0 ? 1e-128 : 0.5;
      h.positive_spans = {{static_cast<int32_t>(random() % 100) - 50, 3}, {2, 1}};
      h.positive.assign(4, 0);
      if (h.custom()) h.custom_values = {0.1, 1, 10};
      if (!h.custom() && random() % 2 == 0) h.negative_spans = {{-3, 2}}, h.negative.assign(2, 0);
    }
    for (auto* counts : {&h.positive, &h.negative})
      for (double& v : *counts) v += random() % 3 == 0 ? 0.25 : static_cast<double>(random() % 1'000);
    h.count += static_cast<double>(random() % 4'000);
    h.sum = random() % 9 == 0 ? stale_marker() : h.count * 0.1;
    h.hint = static_cast<ResetHint>(random() % 4);
    out.push_back({t, std::make_shared<Histogram>(h)});
  }
  return out;
}

TEST(PackedHistograms, AreAsTheyWere) {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    const std::vector<HistogramPoint> given = random_histograms(seed, 500);
    PackedHistograms packed;
    for (const HistogramPoint& p : given) {
      packed.add(p);
      if (packed.size() % 100 == 0) packed.shrink();  // more may come all the same
    }
    std::vector<HistogramPoint> got;
    packed.read(INT64_MIN, INT64_MAX, got);
    ASSERT_EQ(got.size(), given.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].t_ms, given[i].t_ms);
      expect_same(*got[i].h, *given[i].h);
    }
    got.clear();
    packed.read(given[10].t_ms, given[20].t_ms, got);
    ASSERT_EQ(got.size(), 11U);
    EXPECT_EQ(got.front().t_ms, given[10].t_ms);
  }
}

// What is read back from a disk is not believed.
TEST(PackedHistograms, BytesThatNobodyPackedAreRefused) {
  std::vector<HistogramPoint> out;
  PackedHistograms packed;
  for (const HistogramPoint& p : random_histograms(4, 40)) packed.add(p);
  const PackedView whole = packed.view();
  EXPECT_TRUE(unpack(whole, INT64_MIN, INT64_MAX, out));
  EXPECT_EQ(out.size(), 40U);
  for (size_t size = 0; size < whole.bytes.size(); ++size)
    EXPECT_FALSE(unpack({whole.bytes.substr(0, size), whole.samples, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  EXPECT_FALSE(unpack({whole.bytes, whole.samples + 1, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  EXPECT_FALSE(unpack({whole.bytes, whole.samples - 1, whole.first_ms}, INT64_MIN, INT64_MAX, out));
  std::mt19937_64 random(1);
  for (int n = 0; n < 20'000; ++n) {  // no sanitizer finds anything here
    std::string bytes(whole.bytes.substr(0, 200));
    for (int changes = 0; changes < 3; ++changes) bytes[random() % bytes.size()] = static_cast<char>(random());
    out.clear();
    unpack({bytes, 5, static_cast<int64_t>(random())}, INT64_MIN, INT64_MAX, out);
    EXPECT_LE(out.size(), 5U);
    size_t buckets = 0;
    for (const HistogramPoint& p : out) buckets += p.h->positive_spans.size() + p.h->negative_spans.size();
    EXPECT_LE(buckets, 5 * bytes.size());
  }
}

TEST(PackedHistograms, TakeFewBytes) {
  PackedHistograms packed;
  Histogram h;
  h.positive_spans = {{-20, 24}};
  h.positive.assign(24, 0);
  for (int64_t i = 0; i < 60; ++i) {
    for (double& v : h.positive) v += static_cast<double>(i % 7);
    h.count += 60;
    h.sum += 15;
    packed.add({i * 15'000, std::make_shared<Histogram>(h)});
  }
  packed.shrink();
  EXPECT_LT(packed.memory_bytes(), 60 * 64U);
}

}  // namespace
}  // namespace hs::promql::store
