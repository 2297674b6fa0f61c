#include "promql/histogram_math.h"

#include <gtest/gtest.h>

namespace hs::promql {
namespace {

Histogram histogram(std::vector<BucketSpan> spans, std::vector<double> counts) {
  Histogram h;
  h.zero_threshold = 0.001;
  h.zero_count = 1;
  h.count = 1;
  for (const double c : counts) h.count += c;
  h.sum = h.count * 0.3;
  h.positive_spans = h.negative_spans = std::move(spans);
  h.positive = h.negative = std::move(counts);
  return h;
}

// Histograms whose buckets are there already are added where these stand; others are merged. Both are the same sum.
TEST(HistogramMath, WhatStandsInPlaceIsWhatIsMerged) {
  const Histogram first = histogram({{-2, 3}, {2, 2}}, {0.1, 2, 3, 4, 5});
  const Histogram part = histogram({{-1, 1}, {3, 1}}, {0.2, 7});
  // The same with empty buckets beside, which `first` has no place for.
  const Histogram wider = histogram({{-4, 1}, {2, 1}, {3, 1}, {5, 1}}, {0, 0.2, 7, 0});
  for (const bool subtract : {false, true}) {
    HistogramSum in_place(first), merged(first);
    for (int i = 0; i < 5; ++i) {
      EXPECT_FALSE((subtract ? in_place.subtract(part) : in_place.add(part)).incompatible);
      EXPECT_FALSE((subtract ? merged.subtract(wider) : merged.add(wider)).incompatible);
    }
    EXPECT_TRUE(same_histogram(*in_place.finish(), *merged.finish()));
    EXPECT_EQ(to_text(*in_place.finish()), to_text(*merged.finish()));
  }
}

TEST(HistogramMath, BucketsWithoutAPlaceGetOne) {
  HistogramSum sum(histogram({{0, 2}}, {1, 2}));
  (void)sum.add(histogram({{1, 2}}, {10, 20}));
  EXPECT_EQ(sum.finish()->positive, (std::vector<double>{1, 12, 20}));
  EXPECT_EQ(sum.finish()->positive_spans, (std::vector<BucketSpan>{{0, 3}}));
  EXPECT_EQ(sum.finish(0.5)->positive, (std::vector<double>{0.5, 6, 10}));
  EXPECT_TRUE(sum.finish(0)->positive.empty());
  EXPECT_EQ(sum.finish(-1)->hint, ResetHint::gauge);
}

TEST(HistogramMath, OwnChangesNobodyElses) {
  HistogramPtr alone = std::make_shared<Histogram>();
  const Histogram* at = alone.get();
  own(alone).count = 5;
  EXPECT_EQ(alone.get(), at);
  HistogramPtr shared = alone;
  own(shared).count = 7;
  EXPECT_EQ(alone->count, 5);
  EXPECT_EQ(shared->count, 7);
}

}  // namespace
}  // namespace hs::promql
