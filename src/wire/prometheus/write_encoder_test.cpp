#include "wire/prometheus/write_encoder.h"

#include <gtest/gtest.h>

#include <bit>

#include "wire/prometheus/remote_write.h"

namespace hs::wire::prometheus {
namespace {

using model::Attribute;

TEST(WriteEncoder, WhatIsEncodedIsWhatIsDecoded) {
  const std::vector<Attribute> up = {{"__name__", "up"}, {"job", "api"}};
  constexpr uint64_t stale = 0x7ff0000000000002;
  WriteEncoder encoder;
  EXPECT_TRUE(encoder.empty());
  encoder.sample(up, 1000, 1.5);
  encoder.sample(up, 2000, std::bit_cast<double>(stale));
  encoder.family("up", WriteEncoder::FamilyType::gauge, "Is it up?", "");
  const auto batch = decode_write(encoder.take(), {});
  ASSERT_TRUE(batch) << batch.error().message;
  const model::Points& p = batch->points;
  ASSERT_EQ(p.size(), 2U);
  EXPECT_EQ(p.metrics[p.metric[0]].name, "up");
  EXPECT_EQ(p.time[0], 1000 * nanos_per_ms);
  EXPECT_EQ(p.value[0], 1.5);
  EXPECT_EQ(std::bit_cast<uint64_t>(p.value[1]), stale);  // all bits
  ASSERT_EQ(p.families.size(), 1U);
  EXPECT_EQ(p.families[0].type, "gauge");
  EXPECT_EQ(p.families[0].help, "Is it up?");
  EXPECT_TRUE(encoder.empty());
}

TEST(WriteEncoder, Histograms) {
  const std::vector<Attribute> labels = {{"__name__", "latency"}};
  WriteEncoder encoder;
  encoder.histogram(labels, {.time_ms = 5,
                             .count = 6.5,
                             .sum = 12,
                             .zero_count = 1,
                             .zero_threshold = 0.001,
                             .schema = 1,
                             .reset_hint = 3,
                             .positive_spans = {{1, 2}, {1, 1}},
                             .negative_spans = {},
                             .positive = {1, 2, 2.5},
                             .negative = {},
                             .custom_values = {}});
  encoder.histogram(labels, {.time_ms = 6,
                             .count = 3,
                             .sum = 4,
                             .schema = -53,
                             .positive_spans = {{0, 2}},
                             .negative_spans = {},
                             .positive = {1, 2},
                             .negative = {},
                             .custom_values = {0.5, 1}});
  const auto batch = decode_write(encoder.take(), {});
  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_EQ(batch->points.distributions.size(), 2U);
  const model::Distribution& d = batch->points.distributions[0];
  EXPECT_TRUE(d.is_float);
  EXPECT_EQ(d.float_count, 6.5);
  EXPECT_EQ(d.scale, 1);
  EXPECT_EQ(d.reset_hint, 3);
  EXPECT_EQ(d.positive.offset, 0);  // one less than Prometheus'
  EXPECT_EQ(d.positive.float_counts, (std::vector<double>{1, 2, 0, 2.5}));
  EXPECT_EQ(batch->points.distributions[1].bounds, (std::vector<double>{0.5, 1}));
}

TEST(WriteEncoder, ExemplarsBelongToTheirSeries) {
  const std::vector<Attribute> labels = {{"__name__", "requests_total"}};
  const WriteEncoder::Sample sample{1000, 7};
  const WriteEncoder::Exemplar exemplar{{{"trace_id", "0102030405060708090a0b0c0d0e0f10"}}, 900, 0.25};
  WriteEncoder encoder;
  encoder.series(labels, {&sample, 1}, {&exemplar, 1});
  const auto batch = decode_write(encoder.take(), {});
  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_EQ(batch->points.exemplars.point.size(), 1U);
  EXPECT_EQ(batch->points.exemplars.value[0], 0.25);
  EXPECT_EQ(batch->points.exemplars.trace_id[0][15], 0x10);
}

}  // namespace
}  // namespace hs::wire::prometheus
