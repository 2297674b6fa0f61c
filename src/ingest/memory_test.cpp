#include "ingest/memory.h"

#include <gtest/gtest.h>

namespace hs::ingest {
namespace {

TEST(Memory, ABatchCountsAsLongAsAnybodyHasIt) {
  Memory memory(400);
  EXPECT_TRUE(memory.has_room(300));
  EXPECT_FALSE(memory.has_room(301)) << "a quarter is for deliveries";
  auto first = share_batch({}, memory.take(150));
  auto second = first;
  EXPECT_FALSE(memory.has_room(151));
  first.reset();
  EXPECT_EQ(memory.used(), 150U);
  second.reset();
  EXPECT_EQ(memory.used(), 0U);
}

TEST(Memory, OneDeliveryMayAlwaysGoOn) {
  Memory memory(300);
  const auto batch = share_batch({}, memory.take(200));
  auto first = memory.take_for_delivery(400);
  ASSERT_TRUE(first);
  EXPECT_FALSE(memory.take_for_delivery(1));
  first.reset();
  auto second = memory.take_for_delivery(60);
  EXPECT_TRUE(second);
  EXPECT_TRUE(memory.take_for_delivery(40));
  EXPECT_FALSE(memory.take_for_delivery(41));
}

TEST(Memory, AShareMovesWithWhoHasIt) {
  Memory memory(100);
  Memory::Share share = memory.take(10);
  {
    Memory::Share other = std::move(share);
    share = memory.take(20);
    EXPECT_EQ(memory.used(), 30U);
  }
  EXPECT_EQ(memory.used(), 20U);
  share.resize(50);
  EXPECT_EQ(memory.used(), 50U);
  share.resize(5);
  EXPECT_EQ(memory.used(), 5U);
}

}  // namespace
}  // namespace hs::ingest
