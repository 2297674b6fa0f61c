#include "promql/json.h"

#include <gtest/gtest.h>

#include <limits>

#include "promql/quote.h"

namespace hs::promql {
namespace {

std::string written(auto write, const auto& value) {
  std::string out;
  write(out, value);
  return out;
}

TEST(Json, FloatsAreGoTexts) {
  EXPECT_EQ(format_float(1e23), "100000000000000000000000");
  EXPECT_EQ(format_float(-0.0), "-0");
  EXPECT_EQ(format_float(0.1), "0.1");
  EXPECT_EQ(format_float(1e-9), "0.000000001");
  EXPECT_EQ(format_float(123456.75), "123456.75");
  EXPECT_EQ(format_float(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(format_float(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(written(write_json_float, 1e21), "\"1e+21\"");
  EXPECT_EQ(written(write_json_float, 1e-7), "\"1e-07\"");
  EXPECT_EQ(format_g(1e21), "1e+21");
  EXPECT_EQ(format_g(123456), "123456");
  EXPECT_EQ(format_g(1234567), "1.234567e+06");
  EXPECT_EQ(format_g(0.00001), "1e-05");
  EXPECT_EQ(format_g(123.456), "123.456");
  EXPECT_EQ(format_g(0.123456, 2), "0.12");
  EXPECT_EQ(format_g(123456, 2), "1.2e+05");
}

TEST(Json, TimesHaveMillisecondsOnlyWhenThereAreSome) {
  EXPECT_EQ(written(write_json_time, int64_t{1435781451781}), "1435781451.781");
  EXPECT_EQ(written(write_json_time, int64_t{60000}), "60");
  EXPECT_EQ(written(write_json_time, int64_t{-1}), "-0.001");
}

TEST(Json, HistogramListsItsPopulatedBuckets) {
  Histogram h{.schema = 0, .zero_threshold = 0.001, .zero_count = 2, .count = 6, .sum = 5.5};
  h.positive_spans = {{0, 2}, {1, 1}};
  h.positive = {1, 0, 3};
  EXPECT_EQ(written(write_json_histogram, h),
            R"({"count":"6","sum":"5.5","buckets":[[3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","3"]]})");
  Histogram custom{.schema = custom_buckets_schema, .count = 3, .sum = 1};
  custom.custom_values = {1, 2};
  custom.positive_spans = {{0, 3}};
  custom.positive = {1, 1, 1};
  EXPECT_EQ(written(write_json_histogram, custom),
            R"({"count":"3","sum":"1","buckets":[[3,"-Inf","1","1"],[0,"1","2","1"],[0,"2","+Inf","1"]]})");
}

TEST(Json, VectorsAndStrings) {
  const Value vector = Vector{{Labels::from({{"b", "2"}, {"a", "x\"y"}, {"empty", ""}}), 1000, 1.5, nullptr}};
  EXPECT_EQ(written(write_json_data, vector),
            R"("resultType":"vector","result":[{"metric":{"a":"x\"y","b":"2"},"value":[1,"1.5"]}])");
  EXPECT_EQ(written(write_json_data, Value(Matrix{})), R"("resultType":"matrix","result":[])");
  EXPECT_EQ(written(write_json_data, Value(String{0, "a\nb\xff"})),
            "\"resultType\":\"string\",\"result\":[0,\"a\\nb\uFFFD\"]");
}

TEST(Matcher, IsAnchoredAndSeesAbsenceAsEmpty) {
  const auto regex = Matcher::make(MatchType::regex, "a", "b|c");
  ASSERT_TRUE(regex);
  EXPECT_TRUE(regex->matches("b"));
  EXPECT_FALSE(regex->matches("bc"));
  EXPECT_FALSE(regex->matches_empty());
  EXPECT_TRUE(Matcher::make(MatchType::regex, "a", "b.*d")->matches("b\nd"));
  EXPECT_FALSE(Matcher::make(MatchType::regex, "a", "(").has_value());
  EXPECT_EQ(Matcher::make(MatchType::not_equal, "a.b", "c")->text(), "\"a.b\"!=\"c\"");
}

TEST(Quote, DurationsAsPrometheusWritesThem) {
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_duration(90'000), "1m30s");
  EXPECT_EQ(format_duration(7 * 86'400'000), "1w");
  EXPECT_EQ(format_duration(8LL * 86'400'000), "8d");
  EXPECT_EQ(format_duration(1), "1ms");
}

}  // namespace
}  // namespace hs::promql
