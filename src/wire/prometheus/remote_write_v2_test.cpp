#include <gtest/gtest.h>

#include <bit>
#include <protozero/pbf_writer.hpp>

#include "wire/prometheus/remote_write.h"
#include "wire/prometheus/test_bodies.h"

namespace hs::wire::prometheus {
namespace {

using Refs = std::vector<uint32_t>;

model::Batch decoded(const std::string& body, const WriteLimits& limits = {}) {
  auto batch = decode_write(body, limits, WriteVersion::two);
  EXPECT_TRUE(batch) << batch.error().message;
  return batch ? std::move(*batch) : model::Batch();
}

std::string symbols(const std::vector<std::string>& texts) {
  std::string out;
  protozero::pbf_writer request(out);
  for (const std::string& text : texts) request.add_string(4, text);
  return out;
}

template <class Fill>
std::string series(const Refs& refs, Fill fill) {
  std::string out;
  protozero::pbf_writer request(out);
  protozero::pbf_writer one(request, 5);
  one.add_packed_uint32(1, refs.begin(), refs.end());
  fill(one);
  return out;
}

void add_sample(protozero::pbf_writer& to, double value, int64_t time_ms, int64_t start_ms = 0) {
  protozero::pbf_writer sample(to, 2);
  sample.add_double(1, value);
  sample.add_int64(2, time_ms);
  if (start_ms != 0) sample.add_int64(3, start_ms);
}

const std::string table =
    symbols({"", "__name__", "m_total", "job", "api", "Help.", "seconds", "trace_id", "h_bucket"});

TEST(RemoteWriteV2, SamplesWithStartTimes) {
  const model::Batch batch = decoded(table + series({1, 2, 3, 4}, [](auto& s) {
                                       add_sample(s, 1.5, 2000, 500);
                                       add_sample(s, 2, 3000);
                                       add_sample(s, 3, 4000, 4000);  // not before the sample: tells nothing
                                     }));
  ASSERT_EQ(batch.points.size(), 3U);
  EXPECT_EQ(batch.points.metrics.at(0).name, "m_total");
  EXPECT_EQ(batch.resources.at(0).service, "api");
  EXPECT_EQ(batch.points.start_time, (std::vector<UnixNanos>{500 * nanos_per_ms, 0, 0}));
}

TEST(RemoteWriteV2, SymbolsMayComeLastAndRefsUnpacked) {
  std::string body;
  {
    protozero::pbf_writer request(body);
    protozero::pbf_writer one(request, 5);
    one.add_uint32(1, 1);
    one.add_uint32(1, 2);
    add_sample(one, 7, 1000);
    one.add_int64(6, 400);  // created_timestamp of the drafts
  }
  const model::Batch batch = decoded(body + table);
  ASSERT_EQ(batch.points.size(), 1U);
  EXPECT_EQ(batch.points.start_time[0], 400 * nanos_per_ms);
}

TEST(RemoteWriteV2, MetadataIsOneFamily) {
  const auto with = [](uint32_t type) {
    return [type](protozero::pbf_writer& s) {
      add_sample(s, 1, 1000);
      protozero::pbf_writer metadata(s, 5);
      metadata.add_enum(1, static_cast<int32_t>(type));
      metadata.add_uint32(3, 5);
      metadata.add_uint32(4, 6);
    };
  };
  const model::Batch batch =
      decoded(table + series({1, 8}, with(3)) + series({1, 8, 3, 4}, with(3)) + series({1, 2}, with(1)));
  ASSERT_EQ(batch.points.families.size(), 2U);
  EXPECT_EQ(batch.points.families[0].name, "h");
  EXPECT_EQ(batch.points.families[0].type, "histogram");
  EXPECT_EQ(batch.points.families[0].help, "Help.");
  EXPECT_EQ(batch.points.families[0].unit, "seconds");
  EXPECT_EQ(batch.points.families[1].name, "m_total");
}

TEST(RemoteWriteV2, HistogramsAndExemplars) {
  const model::Batch batch = decoded(table + series({1, 2}, [](auto& s) {
                                       {
                                         protozero::pbf_writer h(s, 3);
                                         h.add_uint64(1, 2);
                                         h.add_double(3, 4);
                                         h.add_int64(15, 5000);
                                         h.add_int64(17, 1000);
                                         const std::vector<int64_t> deltas = {2};
                                         {
                                           protozero::pbf_writer span(h, 11);
                                           span.add_sint32(1, 0);
                                           span.add_uint32(2, 1);
                                         }
                                         h.add_packed_sint64(12, deltas.begin(), deltas.end());
                                       }
                                       protozero::pbf_writer exemplar(s, 4);
                                       const Refs refs = {7, 4};
                                       exemplar.add_packed_uint32(1, refs.begin(), refs.end());
                                       exemplar.add_double(2, 0.25);
                                       exemplar.add_int64(3, 4900);
                                     }));
  ASSERT_EQ(batch.points.distributions.size(), 1U);
  EXPECT_EQ(batch.points.start_time[0], nanos_per_s);
  ASSERT_EQ(batch.points.exemplars.point, std::vector<uint32_t>{0});
  EXPECT_EQ(batch.points.exemplars.attributes.begin(0)->key, "trace_id");
}

TEST(RemoteWriteV2, ReferencesAreChecked) {
  const auto one = [](protozero::pbf_writer& s) { add_sample(s, 1, 1000); };
  const model::Batch batch = decoded(table + series({1, 2}, one) + series({1, 99}, one) + series({1, 2, 3}, one));
  EXPECT_EQ(batch.points.size(), 1U);
  EXPECT_EQ(batch.rejected, 2U);
  EXPECT_NE(batch.rejected_why.find("2 samples rejected: a series refers to a symbol"), std::string::npos);
  WriteLimits tight;
  tight.labels_per_series_max = 1;
  EXPECT_FALSE(decode_write(table + series({1, 2, 3, 4}, one), tight, WriteVersion::two));
  tight = {};
  tight.decoded_bytes_max = 64;
  EXPECT_EQ(decode_write(table + series({1, 2}, one), tight, WriteVersion::two).error().code, Code::too_large);
}

// The two messages share no field: a request of one version that is read as the other holds nothing.
TEST(RemoteWriteV2, TheOtherVersionIsEmpty) {
  const std::string first = test::WriteBody().series({{"__name__", "m"}}, {{1000, 1}}).bytes();
  EXPECT_EQ(decoded(first).size(), 0U);
  const auto second = decode_write(table + series({1, 2}, [](auto& s) { add_sample(s, 1, 1000); }), {});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->size(), 0U);
}

}  // namespace
}  // namespace hs::wire::prometheus
