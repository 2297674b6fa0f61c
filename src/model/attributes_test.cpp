#include "model/attributes.h"

#include <gtest/gtest.h>

namespace hs::model {
namespace {

TEST(Arena, ViewsOutliveGrowthAndMoves) {
  Arena arena;
  const std::string_view first = arena.copy("first");
  const std::string_view body = arena.adopt("body");
  for (int i = 0; i < 10'000; ++i) arena.copy("0123456789");
  const std::string_view large = arena.copy(std::string(100'000, 'x'));
  const Arena moved = std::move(arena);
  EXPECT_EQ(first, "first");
  EXPECT_EQ(body, "body");
  EXPECT_EQ(large.size(), 100'000U);
  EXPECT_GE(moved.bytes(), 200'000U);
}

TEST(AttributeColumn, RowsOwnTheirItems) {
  AttributeColumn column;
  column.end_row();
  column.push({"a", "1", ValueType::integer});
  column.push({"b", "x", ValueType::string});
  column.end_row();
  EXPECT_EQ(column.find(0, "a"), nullptr);
  ASSERT_NE(column.find(1, "b"), nullptr);
  EXPECT_EQ(column.find(1, "b")->value, "x");
}

TEST(Ids, PrintAsUsual) {
  TraceId id{};
  id[15] = 0xab;
  EXPECT_EQ(to_hex(id), "000000000000000000000000000000ab");
  EXPECT_EQ(span_id_to_hex(0x1), "0000000000000001");
}

}  // namespace
}  // namespace hs::model
