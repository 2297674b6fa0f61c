#include "store/retention.h"

#include <gtest/gtest.h>

#include "store/block.h"
#include "store/schema.h"
#include "store/test_batches.h"
#include "store/test_engine.h"

namespace hs::store {
namespace {

using namespace test;  // NOLINT: builders

constexpr int64_t first = 1'767'333'600;
constexpr int64_t hour_ms = 3'600'000;

StoredPart part(std::string table, int64_t partition, uint64_t block, uint64_t bytes) {
  return {std::move(table), first + partition * partition_s,
          std::to_string(first + partition * partition_s) + "_" + std::to_string(block), block, bytes};
}

UnixNanos after_partition(int64_t partition, int64_t more_ms = 0) {
  return (first + (partition + 1) * partition_s) * nanos_per_s + more_ms * nanos_per_ms;
}

TEST(Retention, ForEverDropsNothing) {
  const std::vector<StoredPart> parts = {part("spans", 0, 1, 1 << 30), part("logs", 0, 1, 1 << 30)};
  EXPECT_TRUE(plan_drops(parts, {}, after_partition(100'000)).empty());
}

TEST(Retention, APartitionGoesWhenAllOfItIsTooOld) {
  const std::vector<StoredPart> parts = {part("spans", 0, 1, 1), part("spans", 0, 2, 1), part("spans", 1, 3, 1)};
  const RetentionPolicy day{.max_age_ms = 24 * hour_ms};
  EXPECT_TRUE(plan_drops(parts, day, after_partition(0, 24 * hour_ms) - 1).empty());
  const std::vector<Drop> drops = plan_drops(parts, day, after_partition(0, 24 * hour_ms));
  EXPECT_EQ(drops, (std::vector<Drop>{{"spans", first, "", true}}));
}

TEST(Retention, EachSignalHasItsAge) {
  const std::vector<StoredPart> parts = {part("spans", 0, 1, 1), part("trace_parts", 0, 1, 1), part("logs", 0, 1, 1),
                                         part("samples", 0, 1, 1), part("series", 0, 1, 1)};
  const RetentionPolicy policy{
      .max_age_ms = 100 * hour_ms, .traces_max_age_ms = hour_ms, .logs_max_age_ms = 200 * hour_ms};
  const auto tables = [&](int64_t age_ms) {
    std::string out;
    for (const Drop& drop : plan_drops(parts, policy, after_partition(0, age_ms))) out += drop.table + " ";
    return out;
  };
  EXPECT_EQ(tables(0), "");
  EXPECT_EQ(tables(hour_ms), "spans trace_parts ");
  EXPECT_EQ(tables(100 * hour_ms), "spans trace_parts samples series ");
  EXPECT_EQ(tables(200 * hour_ms), "spans trace_parts logs samples series ");
}

TEST(Retention, DescriptionsStayAsLongAsFactsDo) {
  const RetentionPolicy policy{.max_age_ms = hour_ms, .logs_max_age_ms = 1000 * hour_ms};
  const std::vector<StoredPart> both = {part("spans", 0, 1, 1), part("logs", 0, 1, 1), part("resources", 0, 1, 1)};
  EXPECT_EQ(plan_drops(both, policy, after_partition(5)).size(), 1U);
  const std::vector<StoredPart> one = {part("spans", 0, 1, 1), part("logs", 3, 1, 1), part("resources", 0, 1, 1)};
  const std::vector<Drop> drops = plan_drops(one, policy, after_partition(5));
  EXPECT_EQ(drops, (std::vector<Drop>{{"spans", first, "", true}, {"resources", first, "", true}}));
}

// A packed slot is believed to have all that `samples` has of it.
TEST(Retention, WhatIsPackedGoesAfterWhatItIsMadeOf) {
  const std::vector<StoredPart> parts = {part("packed_samples", 0, 1, 10), part("samples", 0, 2, 10),
                                         part("samples", 0, 3, 10),        part("packed_samples", 1, 4, 10),
                                         part("samples", 1, 5, 10),        part("packed_slots", 0, 6, 1)};
  const auto first_of = [&](uint64_t max_bytes) {
    return plan_drops(parts, {.max_bytes = max_bytes}, after_partition(10));
  };
  EXPECT_EQ(first_of(45), (std::vector<Drop>{{"samples", first, std::to_string(first) + "_2", false}}));
  EXPECT_EQ(first_of(35), (std::vector<Drop>{{"samples", first, "", false}}));
  EXPECT_EQ(first_of(21), (std::vector<Drop>{{"samples", first, "", false},
                                             {"packed_samples", first, "", false},
                                             {"packed_slots", first, "", true}}));
}

TEST(Retention, TheOldestGoFirstUntilTheRestFits) {
  const std::vector<StoredPart> parts = {part("logs", 2, 9, 40), part("spans", 0, 1, 40), part("logs", 1, 4, 40),
                                         part("spans", 1, 2, 40), part("spans", 2, 3, 40)};
  const auto count = [&](uint64_t max_bytes) {
    return plan_drops(parts, {.max_bytes = max_bytes}, after_partition(2)).size();
  };
  EXPECT_EQ(count(200), 0U);
  EXPECT_EQ(count(199), 1U);
  EXPECT_EQ(count(120), 2U);
  EXPECT_EQ(count(80), 3U);
  EXPECT_EQ(count(1), 3U);  // the last part of each table stays
  EXPECT_EQ(plan_drops(parts, {.max_bytes = 199}, after_partition(2))[0], (Drop{"spans", first, "", false}));
}

TEST(Retention, InsideAPartitionPartsGo) {
  const std::vector<StoredPart> parts = {part("logs", 0, 1, 50), part("logs", 0, 2, 50), part("logs", 0, 3, 50)};
  const std::vector<Drop> drops = plan_drops(parts, {.max_bytes = 100}, after_partition(0));
  ASSERT_EQ(drops.size(), 1U);
  EXPECT_EQ(drops[0].part, parts[0].name);
}

TEST(Retention, TablesOfOthersAreLeftAlone) {
  const std::vector<StoredPart> parts = {part("mine", 0, 1, 1 << 30), part("schema_version", 0, 1, 1)};
  EXPECT_TRUE(plan_drops(parts, {.max_age_ms = 1, .max_bytes = 1}, after_partition(1000)).empty());
}

TEST(Retention, DropsInTheEngine) {
  Client client = shared_engine().client.in_database("retention");
  ASSERT_TRUE(migrate(client));
  const UnixNanos now = after_partition(20);
  uint64_t cut = 0;
  for (const int64_t partition : {0, 1, 20}) {
    model::Batch batch = logs_of("old");
    add_log(batch, (first + partition * partition_s) * nanos_per_s + 1, "x");
    Described described;
    const StoredBatch stored{&batch, now, ""};
    for (const Block& block : encode_blocks({&stored, 1}, ++cut, described)) ASSERT_TRUE(client.insert(block));
  }
  const auto count = [&](const char* table) {
    const std::string sql = std::string("SELECT count() FROM ") + table;
    return client.collect({.sql = sql}).value()[0].columns[0].u64(0);
  };
  ASSERT_EQ(count("logs"), 3U);
  const auto report = apply_retention(client, {.max_age_ms = 24 * hour_ms}, now);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(count("logs"), 1U);
  EXPECT_EQ(count("resources"), 1U);
  EXPECT_EQ(report->dropped, 8U);  // two partitions of logs, resources, scopes, facets
  EXPECT_EQ(apply_retention(client, {.max_age_ms = 24 * hour_ms}, now)->dropped, 0U);
}

TEST(Retention, TheSizeBoundHoldsInsideOnePartition) {
  Client client = shared_engine().client.in_database("retention_size");
  ASSERT_TRUE(migrate(client));
  const UnixNanos now = after_partition(0);
  for (uint64_t cut = 1; cut <= 4; ++cut) {
    model::Batch batch = logs_of("many");
    const std::string body(20'000, static_cast<char>('a' + cut));
    for (int i = 0; i < 10; ++i) add_log(batch, now - i, body);
    Described described;
    const StoredBatch stored{&batch, now, ""};
    for (const Block& block : encode_blocks({&stored, 1}, cut, described)) ASSERT_TRUE(client.insert(block));
  }
  ASSERT_TRUE(apply_retention(client, {.max_bytes = 1}, now));
  ASSERT_TRUE(apply_retention(client, {.max_bytes = 1}, now));  // what a merge hid from the first round
  const auto left = client.collect({.sql = "SELECT toString(max(cut)), uniqExact(_part) FROM logs"});
  ASSERT_TRUE(left);
  EXPECT_EQ((*left)[0].columns[0].text(0), "4");  // the newest are there
  EXPECT_EQ((*left)[0].columns[1].u64(0), 1U);    // in the last part, alone
}

}  // namespace
}  // namespace hs::store
