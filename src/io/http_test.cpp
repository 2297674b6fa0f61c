#include "io/http.h"

#include <gtest/gtest.h>

namespace hs::io {
namespace {

TEST(Url, Parts) {
  const auto url = parse_url("http://127.0.0.1:4319/v1/spans?limit=5");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->endpoint.host, "127.0.0.1");
  EXPECT_EQ(url->endpoint.port, 4319);
  EXPECT_EQ(url->target, "/v1/spans?limit=5");
  EXPECT_EQ(parse_url("http://shop")->endpoint.port, 80);
  EXPECT_EQ(parse_url("http://shop?x=1")->target, "/?x=1");
  EXPECT_EQ(parse_url("http://[::1]:99")->endpoint.text(), "[::1]:99");
  EXPECT_EQ(parse_url("unix:/run/engine.sock")->endpoint.unix_path, "/run/engine.sock");
}

TEST(Url, Refused) {
  for (const char* text :
       {"", "shop", "ftp://x", "https://x", "http://", "http://u:p@h/", "http://h:99999", "http://h:", "http://h:1x",
        "http://h/a b", "http://h/\r\nX: y", "http://h/#a", "http://[::1", "http://[x]/", "unix:", "http://a\\b/"})
    EXPECT_FALSE(parse_url(text)) << text;
}

TEST(Endpoint, RoundTrips) {
  for (const char* text : {"127.0.0.1:4317", "[::1]:0", "localhost:80", "unix:/a/b c.sock"})
    EXPECT_EQ(parse_endpoint(text)->text(), text);
  EXPECT_FALSE(parse_endpoint("127.0.0.1"));
  EXPECT_FALSE(parse_endpoint(""));
}

}  // namespace
}  // namespace hs::io
