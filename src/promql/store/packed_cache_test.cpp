#include "promql/store/packed_cache.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

std::shared_ptr<const PackedCache::Rows> rows(size_t bytes) {
  PackedCache::Rows out;
  out.push_back({.samples = 1, .bytes = std::string(bytes, 'x')});
  return std::make_shared<const PackedCache::Rows>(std::move(out));
}

TEST(PackedCache, KnowsWhoseTheyAre) {
  PackedCache cache;
  cache.put({"a", 1, 7}, rows(10));
  cache.put({"a", 2, 7}, std::make_shared<const PackedCache::Rows>());
  ASSERT_NE(cache.find({"a", 1, 7}), nullptr);
  EXPECT_EQ(cache.find({"a", 1, 7})->size(), 1U);
  ASSERT_NE(cache.find({"a", 2, 7}), nullptr) << "that there are none is known too";
  EXPECT_TRUE(cache.find({"a", 2, 7})->empty());
  EXPECT_EQ(cache.find({"b", 1, 7}), nullptr);
  EXPECT_EQ(cache.find({"a", 1, 8}), nullptr);
}

TEST(PackedCache, HoldsTheNewestThatFit) {
  PackedCache cache;
  constexpr size_t one = 100'000, count = 4 * PackedCache::bytes_max / one;
  for (size_t i = 0; i < count; ++i) cache.put({"", i, 1}, rows(one));
  size_t held = 0;
  for (size_t i = 0; i < count; ++i) held += cache.find({"", i, 1}) == nullptr ? 0 : one;
  EXPECT_LE(held, PackedCache::bytes_max);
  EXPECT_GE(held, PackedCache::bytes_max / 4);
  EXPECT_NE(cache.find({"", count - 1, 1}), nullptr);
  EXPECT_EQ(cache.find({"", 0, 1}), nullptr);
}

TEST(PackedCache, NothingLivesForEver) {
  PackedCache cache;
  cache.age(1'000'000);
  cache.put({"", 1, 1}, rows(10));
  cache.age(1'000'000 + PackedCache::life_ms);
  EXPECT_NE(cache.find({"", 1, 1}), nullptr);
  cache.age(1'000'001 + PackedCache::life_ms);
  EXPECT_NE(cache.find({"", 1, 1}), nullptr) << "not yet";
  cache.age(1'000'000 + 2 * PackedCache::life_ms);
  EXPECT_EQ(cache.find({"", 1, 1}), nullptr);
}

}  // namespace
}  // namespace hs::promql::store
