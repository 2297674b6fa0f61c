#include "loop/detect/burn.h"

#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t t0 = 1'800'000'000 / 60 * 60;

TEST(Burn, a_total_outage_pages_within_the_workbooks_time) {
  Burn burn;
  for (int64_t s = 0; s < 7'200; ++s) burn.add(t0 + s, 0, 10);
  EXPECT_EQ(burn.severity(0.001), "");
  int64_t paged = -1;
  for (int64_t s = 0; s < 200 && paged < 0; ++s) {
    burn.add(t0 + 7'200 + s, 10, 10);
    if (burn.severity(0.001) == "page") paged = s + 1;
  }
  EXPECT_NEAR(static_cast<double>(paged), 52, 10) << "windows are of whole minutes";
}

TEST(Burn, a_slow_leak_is_a_ticket) {
  Burn burn;
  for (int64_t s = 0; s < 2 * 86'400; s += 10) burn.add(t0 + s, 0.4, 100);
  EXPECT_EQ(burn.severity(0.001), "ticket");
  EXPECT_NEAR(burn.rate(60, 0.001), 4, 0.1);
}

TEST(Burn, a_shorter_budget_is_burnt_sooner_and_pages_sooner) {
  Burn burn;
  for (int64_t s = 0; s < 7'200; ++s) burn.add(t0 + s, 0.05, 10);
  EXPECT_NEAR(burn.rate(60, 0.001), 5, 0.1);
  EXPECT_EQ(burn.severity(0.001, 30 * 1'440), "ticket");
  EXPECT_EQ(burn.severity(0.001, 7 * 1'440), "page");  // 3 % of it in an hour
  EXPECT_EQ(burn.severity(0.002, 90 * 1'440), "");     // 8 % of it in three days
}

TEST(Burn, few_requests_do_not_page) {
  Burn burn;
  for (int64_t s = 0; s < 3'600; s += 300) burn.add(t0 + s, 1, 2);
  EXPECT_EQ(burn.severity(0.001), "");
}

}  // namespace
}  // namespace hs::loop
