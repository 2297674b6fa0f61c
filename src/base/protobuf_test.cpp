#include "base/protobuf.h"

#include <gtest/gtest.h>
#include <protozero/pbf_writer.hpp>

namespace hs::protobuf {
namespace {

Reader reader_of(const std::string& message) { return {message.data(), message.size()}; }

// What a reader finds, as text; or that it was no protobuf. `Any` is ours or protozero's.
template <class Any>
std::string told(Any r) {
  std::string out;
  try {
    while (r.next()) {
      out += std::to_string(r.tag_and_type()) + ":";
      switch (r.wire_type()) {
        case protozero::pbf_wire_type::varint:
          out += std::to_string(r.get_uint64());
          break;
        case protozero::pbf_wire_type::fixed64:
          out += std::to_string(r.get_fixed64());
          break;
        case protozero::pbf_wire_type::fixed32:
          out += std::to_string(r.get_fixed32());
          break;
        default:
          if constexpr (std::is_same_v<Any, Reader>)
            out += r.view();
          else
            out += std::string(r.get_view());
      }
      out += ' ';
    }
  } catch (const protozero::exception&) {
    return out + "broken";
  }
  return out;
}
template <class Any>
std::string skipped(Any r) {
  size_t fields = 0;
  try {
    for (; r.next(); ++fields) r.skip();
  } catch (const protozero::exception&) {
    return std::to_string(fields) + " broken";
  }
  return std::to_string(fields);
}

void expect_as_protozero(const std::string& message) {
  const protozero::pbf_reader theirs(message);
  EXPECT_EQ(told(reader_of(message)), told(theirs));
  EXPECT_EQ(skipped(reader_of(message)), skipped(theirs));
}

std::string sample() {
  std::string out;
  protozero::pbf_writer w(out);
  w.add_uint64(1, 5);
  w.add_uint64(2, UINT64_MAX);
  w.add_string(3, "short");
  w.add_string(15, std::string(127, 'a'));
  w.add_string(16, std::string(128, 'b'));
  w.add_string(4, std::string(300, 'c'));
  w.add_fixed64(5, 1234567890123);
  w.add_fixed32(2000, 77);
  w.add_string(6, "");
  w.add_bool(7, true);
  return out;
}

TEST(Protobuf, ReadsAsProtozeroDoes) {
  const std::string whole = sample();
  expect_as_protozero(whole);
  for (size_t n = 0; n < whole.size(); ++n) expect_as_protozero(whole.substr(0, n));  // cut anywhere
}

TEST(Protobuf, OneWrongByteIsTreatedAsProtozeroTreatsIt) {
  const std::string whole = sample();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int byte : {0x00, 0x03, 0x07, 0x0C, 0x7F, 0x80, 0xFF}) {  // also groups, unknown types and the tag 0
      std::string broken = whole;
      broken[at] = static_cast<char>(byte);
      expect_as_protozero(broken);
    }
  }
}

TEST(Protobuf, NumbersOfEachType) {
  std::string message;
  protozero::pbf_writer w(message);
  w.add_sint64(1, -5);
  w.add_sint32(2, INT32_MIN);
  w.add_int64(3, -1);
  w.add_double(4, -0.5);
  w.add_sfixed64(5, -7);
  const std::vector<double> packed{1, 2.5};
  w.add_packed_double(6, packed.begin(), packed.end());
  w.add_bool(7, true);
  Reader r = reader_of(message);
  const auto at = [&](uint32_t tag) { return r.next() && r.tag() == tag; };
  ASSERT_TRUE(at(1));
  EXPECT_EQ(r.get_sint64(), -5);
  ASSERT_TRUE(at(2));
  EXPECT_EQ(r.get_sint32(), INT32_MIN);
  ASSERT_TRUE(at(3));
  EXPECT_EQ(r.get_int64(), -1);
  ASSERT_TRUE(at(4));
  EXPECT_EQ(r.get_double(), -0.5);
  ASSERT_TRUE(at(5));
  EXPECT_EQ(r.get_sfixed64(), -7);
  ASSERT_TRUE(at(6));
  std::vector<double> found;
  for (const double v : r.get_packed_double()) found.push_back(v);
  EXPECT_EQ(found, packed);
  ASSERT_TRUE(at(7));
  EXPECT_TRUE(r.get_bool());
  EXPECT_FALSE(r.next());
}

}  // namespace
}  // namespace hs::protobuf
