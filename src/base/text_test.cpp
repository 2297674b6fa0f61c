#include "base/text.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace hs {
namespace {

TEST(Text, HexAndBase64RoundTrip) {
  const std::string bytes("\x00\xff\x10 a", 5);
  EXPECT_EQ(to_hex(bytes), "00ff102061");
  EXPECT_EQ(from_hex("00FF102061"), bytes);
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("zz"));
  for (size_t n = 0; n <= bytes.size(); ++n) {
    const std::string part = bytes.substr(0, n);
    EXPECT_EQ(from_base64(to_base64(part)), part);
  }
  EXPECT_EQ(to_base64("a"), "YQ==");
  EXPECT_FALSE(from_base64("Y"));
  EXPECT_FALSE(from_base64("Y*=="));
}

TEST(Text, NearestFindsTypingErrorsOnly) {
  const std::string_view names[] = {"listen.http", "listen.otlp_http", "retention.max_age"};
  EXPECT_EQ(nearest("listen.htp", names), "listen.http");
  EXPECT_EQ(nearest("retention.maxage", names), "retention.max_age");
  EXPECT_EQ(nearest("zzz", names), "");
}

TEST(Text, PrintableDisarmsTerminals) {
  EXPECT_EQ(printable("a\x1b[31mb\nc"), "a [31mb c");
  EXPECT_EQ(printable("\xc2\x9b!"), " !");
  EXPECT_EQ(printable("\xff\xc3\xa9"), "\xef\xbf\xbd\xc3\xa9");
  EXPECT_EQ(printable("abcdef", 3), "abc");
}

TEST(Time, DurationsParseAndPrint) {
  EXPECT_EQ(parse_duration_ms("1.5s"), 1500);
  EXPECT_EQ(parse_duration_ms("30d"), 2'592'000'000);
  EXPECT_EQ(parse_duration_ms("0"), 0);
  EXPECT_FALSE(parse_duration_ms("10"));
  EXPECT_FALSE(parse_duration_ms("-1s"));
  EXPECT_EQ(format_duration_ms(90'000), "90s");
  EXPECT_EQ(format_duration_ms(86'400'000), "1d");
  EXPECT_EQ(format_rfc3339(1'767'323'045'678'000'000), "2026-01-02T03:04:05.678Z");
}

TEST(Text, RepairsUtf8) {
  EXPECT_EQ(repair_utf8("plain \xC3\xA9 \xF0\x9F\x98\x80"), "plain \xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(repair_utf8("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(repair_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  EXPECT_EQ(repair_utf8("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // cut short
}

TEST(Text, CutsUtf8AtBorders) {
  EXPECT_EQ(utf8_prefix("abc", 5), "abc");
  EXPECT_EQ(utf8_prefix("abc", 2), "ab");
  EXPECT_EQ(utf8_prefix("a\xC3\xA9", 2), "a");
  EXPECT_EQ(utf8_prefix("\xF0\x9F\x98\x80", 3), "");
}

}  // namespace
}  // namespace hs
