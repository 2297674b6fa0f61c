#include "ingest/memory.h"

#include <gtest/gtest.h>

namespace hs::ingest {
namespace {

TEST(Memory, ABatchCountsAsLongAsAnybodyHasIt) {
  Memory memory(1600);
  EXPECT_TRUE(memory.has_room(1100));
  EXPECT_FALSE(memory.has_room(1101)) << "the rest is for deliveries";
  auto first = share_batch({}, memory.take(150));
  auto second = first;
  EXPECT_FALSE(memory.has_room(951));
  first.reset();
  EXPECT_EQ(memory.used(), 150U);
  second.reset();
  EXPECT_EQ(memory.used(), 0U);
}

TEST(Memory, OneDeliveryMayAlwaysGoOnAndNoneKeepsRequestsOut) {
  Memory memory(1600);
  auto first = memory.take_for_delivery(2000);
  ASSERT_TRUE(first);
  EXPECT_FALSE(memory.take_for_delivery(1));
  EXPECT_TRUE(memory.has_room(1100));
  first->resize(100);
  auto second = memory.take_for_delivery(400);
  EXPECT_TRUE(second);
  EXPECT_FALSE(memory.take_for_delivery(1));
  EXPECT_EQ(memory.used(), 500U);
  first.reset();
  EXPECT_TRUE(memory.take_for_delivery(100));
  EXPECT_EQ(memory.used(), 400U);
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
