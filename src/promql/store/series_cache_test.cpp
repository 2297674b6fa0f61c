#include "promql/store/series_cache.h"

#include <gtest/gtest.h>

namespace hs::promql::store {
namespace {

SeriesCache::Entry entry(size_t size) {
  return std::make_shared<const FoundSeries>(FoundSeries{.all = std::vector<Found>(size)});
}

TEST(SeriesCache, ForgetsWhenSomethingNewWasDescribed) {
  SeriesCache cache;
  cache.put("a", 1, entry(2));
  ASSERT_TRUE(cache.find("a", 1));
  EXPECT_EQ(cache.find("a", 1)->all.size(), 2U);
  EXPECT_FALSE(cache.find("b", 1));
  EXPECT_FALSE(cache.find("a", 2));
  cache.put("a", 1, entry(2));  // read before the change
  EXPECT_FALSE(cache.find("a", 2));
  EXPECT_FALSE(cache.find("a", 1));
}

TEST(SeriesCache, IsBounded) {
  SeriesCache cache;
  cache.put("large", 1, entry(SeriesCache::series_max - 1));
  ASSERT_TRUE(cache.find("large", 1));
  cache.put("more", 1, entry(1));
  EXPECT_FALSE(cache.find("large", 1));
  EXPECT_TRUE(cache.find("more", 1));
  cache.put("too large", 1, entry(SeriesCache::series_max + 1));
  EXPECT_FALSE(cache.find("too large", 1));
}

}  // namespace
}  // namespace hs::promql::store
