#include "net/request_parser.h"

#include <gtest/gtest.h>

namespace hs::net {
namespace {

size_t room_for(size_t length, size_t reserve_max) {
  RequestParser parser(1 << 30, reserve_max);
  const std::string header = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  EXPECT_TRUE(parser.feed(header));
  EXPECT_TRUE(parser.header_done());
  EXPECT_TRUE(parser.feed("x"));  // the body begins
  return parser.take().body.capacity();
}

TEST(RequestParser, ABodyGetsItsMemoryInAdvanceUpToTheBound) {
  EXPECT_GE(room_for(3'000'000, 4'000'000), 3'000'000U);
  EXPECT_LT(room_for(3'000'000, 1'000'000), 2'000'000U);  // a stranger's word is not enough
}

}  // namespace
}  // namespace hs::net
