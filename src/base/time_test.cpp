#include "base/time.h"

#include <gtest/gtest.h>

namespace hs {
namespace {

TEST(Time, ParsesRfc3339AndNanoseconds) {
  EXPECT_EQ(parse_time("1700000000123456789").value(), 1'700'000'000'123'456'789);
  EXPECT_EQ(parse_time("2023-11-14T22:13:20Z").value(), 1'700'000'000 * nanos_per_s);
  EXPECT_EQ(parse_time("2023-11-14T23:13:20.5+01:00").value(), 1'700'000'000 * nanos_per_s + 500'000'000);
  EXPECT_EQ(parse_time("2023-11-14 22:13:20.0000000019z").value(), 1'700'000'000 * nanos_per_s + 1);
  EXPECT_EQ(parse_time("1969-12-31T23:59:59Z").value(), -nanos_per_s);
  EXPECT_EQ(parse_time(format_rfc3339(1'700'000'000'123'000'000)).value(), 1'700'000'000'123'000'000);
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const std::string_view text :
       {"", "-1", "now", "2023-11-14", "2023-11-14T22:13:20", "2023-02-29T00:00:00Z", "2023-11-14T24:00:00Z",
        "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20Zx", "9999-01-01T00:00:00Z", "99999999999999999999",
        "2023-11-14T22:13:20+0100", "2023-11-14T22:60:20Z", "2023--1-14T22:13:20Z"})
    EXPECT_FALSE(parse_time(text)) << text;
}

TEST(Time, ParsesShortDurations) {
  EXPECT_EQ(parse_duration_ns("5ns").value(), 5);
  EXPECT_EQ(parse_duration_ns("1.5us").value(), 1500);
  EXPECT_EQ(parse_duration_ns("1.5ms").value(), 1'500'000);
  EXPECT_EQ(parse_duration_ns("2s").value(), 2 * nanos_per_s);
  EXPECT_EQ(parse_duration_ns("0").value(), 0);
  for (const std::string_view text : {"", "5", "-1ms", "ms", "1e30ns", "nanms", "9999999w"})
    EXPECT_FALSE(parse_duration_ns(text)) << text;
}

}  // namespace
}  // namespace hs
