#include "wire/prometheus/exposition.h"

#include <cmath>

#include <gtest/gtest.h>
#include <protozero/pbf_writer.hpp>

#include "wire/prometheus/remote_write.h"

namespace hs::wire::prometheus {
namespace {

using FamilyType = WriteEncoder::FamilyType;
using enum ExpositionFormat;

Exposition parsed(std::string body, ExpositionFormat format = text, const ExpositionLimits& limits = {}) {
  auto out = parse_exposition(std::move(body), format, limits);
  EXPECT_TRUE(out) << out.error().message;
  return out ? std::move(*out) : Exposition();
}

std::string refusal(std::string body, ExpositionFormat format = text, const ExpositionLimits& limits = {}) {
  const auto out = parse_exposition(std::move(body), format, limits);
  return out ? "" : out.error().message;
}

// m{a="b"}
std::string row(const Exposition& e, size_t i) {
  std::string out;
  for (const auto* a = e.labels.begin(i); a != e.labels.end(i); ++a)
    out += (out.empty() ? "" : ",") + std::string(a->key) + "=" + std::string(a->value);
  return out;
}

TEST(Exposition, ClassicText) {
  const Exposition e = parsed(
      "# HELP http_requests_total Requests \\\\ and\\nlines.\n# TYPE http_requests_total counter\n"
      "http_requests_total{method=\"post\",code=\"200\",} 1027 1395066363000\n"
      "\n# a comment\n  spaced { a = \"x\\\"y\\\\z\\nw\\q\" }  +Inf \r\n"
      "plain -1.5e3\nnan NaN");
  ASSERT_EQ(e.size(), 4U);
  EXPECT_EQ(row(e, 0), "__name__=http_requests_total,method=post,code=200");
  EXPECT_EQ(e.value[0], 1027);
  EXPECT_EQ(e.time_ms[0], 1395066363000);
  EXPECT_EQ(row(e, 1), "__name__=spaced,a=x\"y\\z\nw\\q");
  EXPECT_TRUE(std::isinf(e.value[1]));
  EXPECT_EQ(e.value[2], -1500);
  EXPECT_EQ(e.time_ms[2], Exposition::no_time);
  EXPECT_TRUE(std::isnan(e.value[3]));
  ASSERT_EQ(e.families.size(), 1U);
  EXPECT_EQ(e.families[0].help, "Requests \\ and\nlines.");
  EXPECT_EQ(e.families[0].type, FamilyType::counter);
}

TEST(Exposition, NamesOfAnyLetters) {
  const Exposition e = parsed("# TYPE \"http.requests\" counter\n{\"http.requests\",\"la.bel\"=\"ü\"} 1\n");
  ASSERT_EQ(e.size(), 1U);
  EXPECT_EQ(row(e, 0), "__name__=http.requests,la.bel=ü");
  EXPECT_EQ(e.families[0].name, "http.requests");
}

TEST(Exposition, BoundsHaveOneForm) {
  const Exposition e = parsed(
      "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\n"
      "# TYPE s summary\ns{quantile=\"0.50\"} 1\n# TYPE g gauge\ng{le=\"1\"} 1\n");
  EXPECT_EQ(row(e, 0), "__name__=h_bucket,le=1.0");
  EXPECT_EQ(row(e, 1), "__name__=h_bucket,le=+Inf");
  EXPECT_EQ(row(e, 3), "__name__=s,quantile=0.5");
  EXPECT_EQ(row(e, 4), "__name__=g,le=1");
  EXPECT_EQ(open_metrics_float(1e6), "1e+06");
  EXPECT_EQ(open_metrics_float(123456.5), "123456.5");
  EXPECT_EQ(open_metrics_float(0), "0.0");
  EXPECT_EQ(open_metrics_float(-0.00001), "-1e-05");
}

TEST(Exposition, BadLinesAreNamed) {
  EXPECT_NE(refusal("ok 1\nbad{a=b} 1\n").find("line 2"), std::string::npos);
  for (const char* body :
       {"m\n", "m x\n", "m 1 2.5\n", "m 1 2 3\n", "m{a=\"b\" 1\n", "m{a=\"b} 1\n", "m{a} 1\n", "1m 1\n", "m 0x1p3\n",
        "m 1_0\n", "m 1e999\n", "# TYPE m nonsense\n", "m{\"n\"} 1\n", "m nan(2)\n", "m{a=\"\xff\"} 1\n"})
    EXPECT_NE(refusal(body), "") << body;
}

TEST(Exposition, OpenMetrics) {
  const Exposition e = parsed(
      "# TYPE req counter\n# UNIT req requests\n# HELP req Some.\n"
      "req_total{p=\"a\"} 5 10.5 # {trace_id=\"ab\"} 0.5 10.25\nreq_created{p=\"a\"} 3.5\n"
      "req_total{p=\"b\"} 6\n"
      "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {} 0.1\nh_bucket{le=\"+Inf\"} 2\nh_count 2\nh_sum 3\nh_created "
      "7\n# EOF\n",
      open_metrics);
  ASSERT_EQ(e.size(), 8U);
  EXPECT_EQ(e.time_ms[0], 10500);
  EXPECT_EQ(e.start_ms[0], 3500);
  EXPECT_EQ(e.start_ms[2], 0);  // no _created of its own
  for (size_t i = 3; i < 7; ++i) EXPECT_EQ(e.start_ms[i], 7000);
  ASSERT_EQ(e.exemplars.size(), 2U);
  EXPECT_EQ(e.exemplars[0].labels.at(0).value, "ab");
  EXPECT_EQ(e.exemplars[0].time_ms, 10250);
  EXPECT_EQ(e.exemplars[1].sample, 3U);
  EXPECT_EQ(e.exemplars[1].time_ms, Exposition::no_time);
  EXPECT_EQ(e.families.at(0).unit, "requests");
}

TEST(Exposition, OpenMetricsIsStrict) {
  for (const char* body : {"m 1\n", "m 1\n# EOF\nm 2\n", "m 1\n\n# EOF\n", "# other\n# EOF\n", "m 1",
                           "m 1 inf\n# EOF\n", "m 1 # 0.5\n# EOF\n"})
    EXPECT_NE(refusal(body, open_metrics), "") << body;
  EXPECT_EQ(refusal("# EOF", open_metrics), "");
}

TEST(Exposition, MemoryIsBounded) {
  std::string body;
  for (int i = 0; i < 1000; ++i) body += "a 1\n";
  ExpositionLimits limits;
  limits.decoded_bytes_max = 10'000;
  EXPECT_NE(refusal(body, text, limits).find("10000 bytes"), std::string::npos);
}

std::string delimited(const std::string& message) {
  std::string out;
  protozero::write_varint(std::back_inserter(out), message.size());
  return out + message;
}

std::string native_family() {
  std::string out;
  protozero::pbf_writer family(out);
  family.add_string(1, "h");
  family.add_enum(3, 4);
  protozero::pbf_writer metric(family, 4);
  {
    protozero::pbf_writer label(metric, 1);
    label.add_string(1, "a"), label.add_string(2, "b");
  }
  protozero::pbf_writer h(metric, 7);
  h.add_uint64(1, 3);
  h.add_double(2, 7.5);
  {
    protozero::pbf_writer bucket(h, 3);
    bucket.add_uint64(1, 2), bucket.add_double(2, 1);
  }
  h.add_sint32(5, 2);
  h.add_double(6, 0.001);
  {
    protozero::pbf_writer span(h, 12);
    span.add_sint32(1, 1), span.add_uint32(2, 2);
  }
  h.add_sint64(13, 1), h.add_sint64(13, 1);  // not packed: proto2
  {
    protozero::pbf_writer created(h, 15);
    created.add_int64(1, 5);
  }
  return out;
}

TEST(Exposition, NativeHistograms) {
  ExpositionLimits limits;
  limits.native_histograms = true;
  const Exposition e = parsed(delimited(native_family()), protobuf, limits);
  ASSERT_EQ(e.size(), 1U);
  EXPECT_EQ(row(e, 0), "__name__=h,a=b");
  EXPECT_EQ(e.start_ms[0], 5000);
  WriteEncoder encoder;
  encoder.histogram_message({e.labels.begin(0), e.labels.end(0)}, e.histograms.at(0), {9000, 0, e.start_ms[0]}, {});
  const auto batch = decode_write(encoder.take(), {});
  ASSERT_TRUE(batch);
  const model::Distribution& d = batch->points.distributions.at(0);
  EXPECT_EQ(d.count, 3U);
  EXPECT_EQ(d.positive.offset, 0);
  EXPECT_EQ(d.positive.counts, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(batch->points.time[0], 9 * nanos_per_s);
  EXPECT_EQ(batch->points.start_time[0], 5 * nanos_per_s);
}

TEST(Exposition, ClassicBucketsOfProtobuf) {
  ExpositionLimits limits;
  const Exposition classic = parsed(delimited(native_family()), protobuf, limits);
  ASSERT_EQ(classic.size(), 4U);  // le 1.0, +Inf, count, sum
  EXPECT_EQ(row(classic, 0), "__name__=h_bucket,a=b,le=1.0");
  EXPECT_EQ(row(classic, 1), "__name__=h_bucket,a=b,le=+Inf");
  EXPECT_EQ(classic.value[1], 3);
  limits.native_histograms = limits.always_classic = true;
  EXPECT_EQ(parsed(delimited(native_family()), protobuf, limits).size(), 5U);
}

TEST(Exposition, ACutProtobufIsRefused) {
  const std::string whole = delimited(native_family());
  for (size_t n = 1; n < whole.size(); ++n) EXPECT_NE(refusal(whole.substr(0, n), protobuf), "") << n;
  EXPECT_NE(refusal("text 1\n", protobuf), "");
}

}  // namespace
}  // namespace hs::wire::prometheus
