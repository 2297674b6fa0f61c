#include "promql/store/packed_index.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

constexpr int64_t first = 1'700'006'400;  // a slot's first second
constexpr int64_t slot = PackedIndex::slot_s;
constexpr int64_t quiet_ms = 600'000;

int64_t ms(int64_t s) { return s * 1'000; }
Window window(int64_t start_s, int64_t end_s) { return {ms(start_s), ms(end_s)}; }

db::ResultBlock rows_at(const std::vector<int64_t>& seconds) {
  db::ResultBlock out;
  out.rows = seconds.size();
  db::ResultColumn& ts = out.columns.emplace_back();
  ts.name = "ts";
  ts.width = 8;
  for (const int64_t s : seconds) {
    const int64_t ns = s * nanos_per_s;
    ts.bytes.append(reinterpret_cast<const char*>(&ns), 8);
  }
  return out;
}

using Packings = std::vector<PackedIndex::Packing>;

TEST(PackedIndex, ASlotIsDueWhenItIsOverAndQuiet) {
  ASSERT_EQ(first % slot, 0);
  PackedIndex index;
  index.changed(rows_at({first + 5, first + slot - 1}), ms(first + 10));
  EXPECT_FALSE(index.due(ms(first + slot) + quiet_ms - 1, quiet_ms));
  ASSERT_TRUE(index.due(ms(first + slot) + quiet_ms, quiet_ms));
  index.changed(rows_at({first}), ms(first + slot) + quiet_ms);  // late
  EXPECT_FALSE(index.due(ms(first + slot) + 2 * quiet_ms - 1, quiet_ms));
  const auto due = index.due(ms(first + slot) + 2 * quiet_ms, quiet_ms);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->slot, first);
  EXPECT_TRUE(index.packed(*due, 7));
  EXPECT_FALSE(index.due(INT64_MAX / 2, quiet_ms));
  EXPECT_EQ(index.covering(window(first, first)), (Packings{{first, 7}}));
}

TEST(PackedIndex, LateRowsTakeTheSlotBackUntilItIsPackedAgain) {
  PackedIndex index;
  index.loaded({first, 1}, true);
  const Packings before = index.covering(window(first, first + 1));
  ASSERT_EQ(before, (Packings{{first, 1}}));
  index.changed(rows_at({first + 3}), 0);
  EXPECT_TRUE(index.covering(window(first, first + 1)).empty());
  EXPECT_TRUE(index.holds(before));  // what was read of it before is right: the rows came later
  const auto due = index.due(ms(first + slot) + quiet_ms, quiet_ms);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->generation, 1U);
  index.changed(rows_at({first + 4}), 0);  // while it is packed
  EXPECT_FALSE(index.packed(*due, 2));
  EXPECT_TRUE(index.covering(window(first, first + 1)).empty());
  EXPECT_FALSE(index.holds(before));
  const auto again = index.due(ms(first + slot) + quiet_ms, quiet_ms);
  ASSERT_TRUE(again);
  EXPECT_TRUE(index.packed(*again, 3));
  EXPECT_EQ(index.covering(window(first, first + 1)), (Packings{{first, 3}}));
}

TEST(PackedIndex, RowsThatCameBeforeItWasLoadedAreNotBelievedToBeIn) {
  PackedIndex index;
  index.changed(rows_at({first + 3}), 0);
  index.loaded({first, 1}, true);
  index.loaded({first + slot, 2}, false);
  EXPECT_TRUE(index.covering(window(first, first + slot)).empty());
  EXPECT_EQ(index.counts().waiting, 2U);
}

TEST(PackedIndex, CoversWhatOverlapsInOrder) {
  PackedIndex index;
  for (const int64_t n : {3, 0, 1}) index.loaded({first + n * slot, static_cast<uint64_t>(n + 1)}, true);
  EXPECT_EQ(index.covering(window(first + slot - 1, first + 3 * slot)),
            (Packings{{first, 1}, {first + slot, 2}, {first + 3 * slot, 4}}));
  EXPECT_EQ(index.covering(window(first + slot, first + 2 * slot)), (Packings{{first + slot, 2}}));
  EXPECT_TRUE(index.covering(window(first + 2 * slot, first + 3 * slot - 1)).empty());
  EXPECT_TRUE(index.covering(window(first, first - 1)).empty());
}

TEST(PackedIndex, TheNewestIsPackedFirstAndWhatCannotBeIsLeft) {
  PackedIndex index;
  for (const int64_t n : {0, 1}) index.loaded({first + n * slot, 0}, false);
  const auto due = index.due(INT64_MAX / 2, quiet_ms);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->slot, first + slot);
  index.leave(*due);
  EXPECT_EQ(index.due(INT64_MAX / 2, quiet_ms)->slot, first);
  index.changed(rows_at({first + slot}), 0);
  EXPECT_EQ(index.due(INT64_MAX / 2, quiet_ms)->slot, first + slot);
}

}  // namespace
}  // namespace hs::promql::store
