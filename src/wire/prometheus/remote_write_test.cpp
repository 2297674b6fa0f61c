#include "wire/prometheus/remote_write.h"

#include <bit>
#include <functional>

#include <gtest/gtest.h>

#include "model/canonical.h"
#include "wire/prometheus/test_bodies.h"

namespace hs::wire::prometheus {
namespace {

using test::WriteBody;

model::Batch decoded(const WriteBody& body, const WriteLimits& limits = {}) {
  auto batch = decode_write(body.bytes(), limits);
  EXPECT_TRUE(batch) << batch.error().message;
  return batch ? std::move(*batch) : model::Batch();
}

std::string histogram_bytes(const std::function<void(protozero::pbf_writer&)>& fill) {
  std::string out;
  protozero::pbf_writer writer(out);
  fill(writer);
  return out;
}

void add_span(protozero::pbf_writer& to, uint32_t tag, int32_t offset, uint32_t length) {
  protozero::pbf_writer span(to, tag);
  span.add_sint32(1, offset);
  span.add_uint32(2, length);
}

TEST(RemoteWrite, SamplesOfSeries) {
  WriteBody body;
  body.series({{"job", "api"}, {"__name__", "up"}, {"instance", "a:1"}, {"empty", ""}}, {{1000, 1}, {2000, 0}});
  const model::Batch batch = decoded(body);
  ASSERT_EQ(batch.points.size(), 2U);
  EXPECT_EQ(batch.points.metrics.at(0).name, "up");
  EXPECT_EQ(batch.points.metrics.at(0).kind, model::MetricKind::untyped);
  EXPECT_EQ(batch.points.time[1], 2 * nanos_per_s);
  EXPECT_EQ(batch.points.value[0], 1);
  EXPECT_EQ(batch.resources.at(0).service, "api");
  EXPECT_EQ(batch.resources.at(0).instance, "a:1");
  ASSERT_EQ(batch.points.attributes.end(0) - batch.points.attributes.begin(0), 2);  // no name, nothing empty, sorted
  EXPECT_EQ(batch.points.attributes.begin(1)->key, "instance");
  EXPECT_TRUE(batch.any_time);
}

TEST(RemoteWrite, StaleMarkersKeepTheirBits) {
  constexpr uint64_t stale = 0x7ff0000000000002;
  const model::Batch batch = decoded(WriteBody().series({{"__name__", "m"}}, {{1000, std::bit_cast<double>(stale)}}));
  EXPECT_EQ(std::bit_cast<uint64_t>(batch.points.value.at(0)), stale);
}

TEST(RemoteWrite, IntegerHistogram) {
  const std::string bytes = histogram_bytes([](auto& h) {
    h.add_uint64(1, 13);
    h.add_double(3, 20.5);
    h.add_sint32(4, 1);
    h.add_double(5, 0.001);
    h.add_uint64(6, 2);
    add_span(h, 11, -2, 2);
    add_span(h, 11, 1, 1);
    const std::vector<int64_t> deltas = {3, 1, 1};
    h.add_packed_sint64(12, deltas.begin(), deltas.end());
    h.add_int64(15, 5000);
  });
  const model::Batch batch = decoded(WriteBody().histogram({{"__name__", "h"}}, bytes));
  ASSERT_EQ(batch.points.distributions.size(), 1U);
  const model::Distribution& d = batch.points.distributions[0];
  EXPECT_EQ(d.count, 13U);
  EXPECT_EQ(d.zero_count, 2U);
  EXPECT_EQ(d.scale, 1);
  EXPECT_FALSE(d.is_float);
  EXPECT_EQ(d.positive.offset, -3);  // OpenTelemetry counts buckets by their lower bound
  EXPECT_EQ(d.positive.counts, (std::vector<uint64_t>{3, 4, 0, 5}));
  EXPECT_EQ(batch.points.time[0], 5 * nanos_per_s);
}

TEST(RemoteWrite, FloatHistogramWithCustomBuckets) {
  const std::string bytes = histogram_bytes([](auto& h) {
    h.add_double(2, 3.5);
    h.add_double(3, 7);
    h.add_sint32(4, -53);
    add_span(h, 11, 1, 2);
    const std::vector<double> counts = {1.5, 2}, bounds = {1, 5};
    h.add_packed_double(13, counts.begin(), counts.end());
    h.add_enum(14, 3);
    h.add_int64(15, 1);
    h.add_packed_double(16, bounds.begin(), bounds.end());
  });
  const model::Batch batch = decoded(WriteBody().histogram({{"__name__", "h"}}, bytes));
  const model::Distribution& d = batch.points.distributions.at(0);
  EXPECT_TRUE(d.is_float);
  EXPECT_EQ(d.float_count, 3.5);
  EXPECT_EQ(d.scale, model::custom_buckets_scale);
  EXPECT_EQ(d.bounds, (std::vector<double>{1, 5}));
  EXPECT_EQ(d.positive.offset, 1);
  EXPECT_EQ(d.positive.float_counts, (std::vector<double>{1.5, 2}));
  EXPECT_EQ(d.reset_hint, 3);
}

TEST(RemoteWrite, HostileHistogramsAreRejected) {
  const auto with = [](const std::function<void(protozero::pbf_writer&)>& fill) {
    return decode_write(WriteBody().histogram({{"__name__", "h"}}, histogram_bytes(fill)).bytes(), {});
  };
  const std::vector<int64_t> one = {1}, two = {1, -5};
  EXPECT_FALSE(with([&](auto& h) { h.add_sint32(4, 9); }));  // schema
  EXPECT_FALSE(with([&](auto& h) { add_span(h, 11, 0, 2), h.add_packed_sint64(12, one.begin(), one.end()); }));
  EXPECT_FALSE(with([&](auto& h) { h.add_packed_sint64(12, one.begin(), one.end()); }));  // no span
  EXPECT_FALSE(with([&](auto& h) { add_span(h, 11, 0, 2), h.add_packed_sint64(12, two.begin(), two.end()); }));
  EXPECT_FALSE(with([&](auto& h) {  // a gap of 2^31 buckets
    add_span(h, 11, 0, 1), add_span(h, 11, INT32_MAX, 1);
    const std::vector<int64_t> both = {1, 0};
    h.add_packed_sint64(12, both.begin(), both.end());
  }));
  EXPECT_FALSE(with([&](auto& h) { add_span(h, 11, 0, UINT32_MAX); }));
  EXPECT_FALSE(with(
      [&](auto& h) { h.add_sint32(4, -53), add_span(h, 11, 0, 2), h.add_packed_sint64(12, two.begin(), two.end()); }));
}

TEST(RemoteWrite, ExemplarsWithoutASampleCarryTheirSeries) {
  WriteBody body;
  body.series({{"__name__", "m"}}, {{1000, 1}});
  body.exemplar({{"__name__", "m_bucket"}, {"le", "1"}}, {{"trace_id", "0102030405060708090a0b0c0d0e0f10"}},
                {1500, 0.5});
  const model::Batch batch = decoded(body);
  ASSERT_EQ(batch.points.size(), 2U);
  EXPECT_EQ(batch.points.flags[0], 0U);
  EXPECT_EQ(batch.points.flags[1], model::Points::carrier | model::Points::no_recorded_value);
  ASSERT_EQ(batch.points.exemplars.point, std::vector<uint32_t>{1});
  EXPECT_EQ(model::to_hex(batch.points.exemplars.trace_id[0]), "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(batch.points.exemplars.value[0], 0.5);
}

TEST(RemoteWrite, Metadata) {
  const model::Batch batch = decoded(WriteBody().family("http_requests", 1, "Requests.", "").family("x", 99, "", "s"));
  ASSERT_EQ(batch.points.families.size(), 2U);
  EXPECT_EQ(batch.points.families[0].type, "counter");
  EXPECT_EQ(batch.points.families[0].help, "Requests.");
  EXPECT_EQ(batch.points.families[1].type, "unknown");
  EXPECT_EQ(batch.size(), 2U);
}

TEST(RemoteWrite, WhatCannotBeTakenIsSaid) {
  WriteBody body;
  body.series({{"__name__", "good"}}, {{1000, 1}});
  body.series({{"job", "x"}}, {{1000, 1}, {2000, 1}});
  body.series({{"__name__", "m"}, {"a", "1"}, {"a", "2"}}, {{1000, 1}});
  body.series({{"__name__", "m"}, {"a", "\xff"}}, {{1000, 1}});
  body.series({{"__name__", "m"}}, {{-1, 1}, {INT64_MAX, 1}});
  const model::Batch batch = decoded(body);
  EXPECT_EQ(batch.points.size(), 1U);
  EXPECT_EQ(batch.rejected, 6U);
  EXPECT_NE(batch.rejected_why.find("2 samples rejected: a series needs the label __name__"), std::string::npos);
  const auto nothing = decode_write(WriteBody().series({{"job", "x"}}, {{1, 1}}).bytes(), {});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Code::invalid_argument);
}

TEST(RemoteWrite, TimesAreBounded) {
  WriteLimits limits;
  limits.oldest = 100 * nanos_per_s;
  limits.newest = 200 * nanos_per_s;
  const model::Batch batch =
      decoded(WriteBody().series({{"__name__", "m"}}, {{99'999, 1}, {100'000, 1}, {200'001, 1}}), limits);
  EXPECT_EQ(batch.points.size(), 1U);
  EXPECT_EQ(batch.rejected, 2U);
  EXPECT_FALSE(batch.any_time);
}

// One request cannot make more than so many blocks of the store.
TEST(RemoteWrite, WindowsAreBounded) {
  WriteBody body;
  std::vector<test::SampleOf> samples;
  for (int64_t i = 0; i < 200; ++i) samples.push_back({i * 6 * 3'600'000, 1});
  const model::Batch batch = decoded(body.series({{"__name__", "m"}}, samples));
  EXPECT_EQ(batch.points.size(), 128U);
  EXPECT_EQ(batch.rejected, 72U);
}

TEST(RemoteWrite, MemoryIsBounded) {
  WriteBody body;
  for (int i = 0; i < 100; ++i) body.series({{"__name__", "m"}, {"i", std::to_string(i)}}, {{1000, 1}});
  WriteLimits limits;
  limits.decoded_bytes_max = 1000;
  const auto batch = decode_write(body.bytes(), limits);
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().code, Code::too_large);
  EXPECT_EQ(decode_write("\x0a\x7f", {}).error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace hs::wire::prometheus
