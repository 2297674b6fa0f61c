#include "wire/prometheus/remote_read.h"

#include <gtest/gtest.h>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace hs::wire::prometheus {
namespace {

using protozero::pbf_writer;

std::string matcher(int32_t type, const std::string& name, const std::string& value) {
  std::string out;
  pbf_writer to(out);
  to.add_enum(1, type);
  to.add_string(2, name);
  to.add_string(3, value);
  return out;
}

std::string query(int64_t start_ms, int64_t end_ms, const std::vector<std::string>& matchers) {
  std::string out;
  pbf_writer to(out);
  to.add_int64(1, start_ms);
  to.add_int64(2, end_ms);
  for (const std::string& m : matchers) to.add_message(3, m);
  to.add_message(4, std::string());  // hints are not looked at
  return out;
}

std::string request(const std::vector<std::string>& queries, const std::vector<int32_t>& accepted, bool packed = true) {
  std::string out;
  pbf_writer to(out);
  for (const std::string& q : queries) to.add_message(1, q);
  if (packed) to.add_packed_enum(2, accepted.begin(), accepted.end());
  for (const int32_t type : accepted)
    if (!packed) to.add_enum(2, type);
  return out;
}

std::string error_of(const std::string& body) {
  const auto read = decode_read(body);
  return read ? "" : read.error().message;
}

TEST(RemoteRead, WhatIsAskedFor) {
  const std::string body = request({query(-5, 10, {matcher(0, "__name__", "up"), matcher(3, "job", "a|b")}),
                                    query(7, 8, {matcher(1, "job", "")}), query(0, 0, {matcher(2, "x", ".+")})},
                                   {1, 0});
  const auto read = decode_read(body);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 3U);
  const ReadQuery& first = read->front();
  EXPECT_EQ(first.start_ms, -5);
  EXPECT_EQ(first.end_ms, 10);
  ASSERT_EQ(first.matchers.size(), 2U);
  EXPECT_EQ(first.matchers[0].name, "__name__");
  EXPECT_EQ(first.matchers[0].value, "up");
  EXPECT_EQ(first.matchers[0].type, ReadMatcher::Type::equal);
  EXPECT_EQ(first.matchers[1].type, ReadMatcher::Type::not_regex);
  EXPECT_EQ((*read)[1].matchers[0].type, ReadMatcher::Type::not_equal);
  EXPECT_EQ((*read)[2].matchers[0].type, ReadMatcher::Type::regex);
}

TEST(RemoteRead, ClientsThatTakeSamples) {
  const std::vector<std::string> one = {query(0, 1, {matcher(0, "a", "b")})};
  EXPECT_EQ(error_of(request(one, {})), "");
  EXPECT_EQ(error_of(request(one, {0})), "");
  EXPECT_EQ(error_of(request(one, {1, 0}, false)), "");
  EXPECT_NE(error_of(request(one, {1})).find("SAMPLES"), std::string::npos);
  EXPECT_NE(error_of(request(one, {1}, false)).find("SAMPLES"), std::string::npos);
}

TEST(RemoteRead, BoundsAndNonsense) {
  const std::string any = query(0, 1, {matcher(0, "a", "b")});
  EXPECT_EQ(error_of(request(std::vector(read_queries_max, any), {})), "");
  EXPECT_NE(error_of(request(std::vector(read_queries_max + 1, any), {})), "");
  const std::vector many(read_matchers_max, matcher(0, "a", "b"));
  EXPECT_EQ(error_of(request({query(0, 1, many)}, {})), "");
  std::vector more = many;
  more.push_back(many[0]);
  EXPECT_NE(error_of(request({query(0, 1, more)}, {})), "");
  EXPECT_NE(error_of(request({query(0, 1, {})}, {})), "");
  EXPECT_NE(error_of(request({query(0, 1, {matcher(4, "a", "b")})}, {})), "");
  EXPECT_NE(error_of(request({query(0, 1, {matcher(-1, "a", "b")})}, {})), "");
  // Fields of other wire types than theirs, cut messages, no message at all.
  EXPECT_NE(error_of("\x0a\x7f"), "");
  EXPECT_NE(error_of("no protobuf"), "");
  EXPECT_EQ(error_of(std::string("\x08\x05\x11\0\0\0\0\0\0\0\0", 11)), "");
  const std::string whole = request({any}, {1, 0});
  for (size_t n = 0; n < whole.size(); ++n) (void)decode_read(std::string_view(whole).substr(0, n));
}

TEST(RemoteRead, ResultsInTheOrderOfTheQueries) {
  const std::vector<std::string> results = {"\x0a\x02\x0a\x00", "", "\x0a\x00"};
  const std::string body = encode_read(results);
  protozero::pbf_reader from(body);
  for (const std::string& one : results) {
    ASSERT_TRUE(from.next(1));
    EXPECT_EQ(from.get_string(), one);
  }
  EXPECT_FALSE(from.next());
}

}  // namespace
}  // namespace hs::wire::prometheus
