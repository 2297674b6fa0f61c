#include "limits/gate.h"

#include <gtest/gtest.h>

namespace hs::limits {
namespace {

struct World {
  io::SimClock clock{UnixNanos{1'700'000'000'000'000'000}};
  Policy policy;
  Gate gate{clock, policy};

  void configure() { gate.set_policy(policy); }
  // Sends one request; what was the answer?
  Status send(const std::string& tenant, size_t items, uint64_t bytes = 0) {
    ingest::Incoming incoming;
    incoming.tenant = tenant;
    HS_TRY(gate.enter(incoming));
    model::Batch batch;
    batch.signal = model::Signal::logs;
    batch.logs.time.resize(items);
    batch.body_bytes = bytes;
    gate.settle(incoming, batch);
    return {};
  }
  // Items of one each, until refused.
  uint64_t flood(const std::string& tenant, uint64_t most = 100'000) {
    uint64_t sent = 0;
    while (sent < most && send(tenant, 1)) ++sent;
    return sent;
  }
  double refused(std::string_view labels) {
    std::vector<metrics::Sample> samples;
    gate.collect(samples);
    for (const metrics::Sample& s : samples)
      if (s.labels == labels) return s.value;
    return 0;
  }
};

TEST(Gate, WithoutLimitsEverythingPasses) {
  World w;
  EXPECT_EQ(w.flood("a"), 100'000U);
}

TEST(Gate, ATenantHasItsRateAndABurst) {
  World w;
  w.policy.each.items_per_s = 100;
  w.configure();
  EXPECT_EQ(w.flood("a"), 201U);  // two seconds' worth, and the one that goes into debt
  const Status refused = w.send("a", 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(refused.error().message, "tenant 'a' sends more than 100 items a second (limits.items_per_s)");
  EXPECT_EQ(refused.error().retry_after_ms, 10);
  EXPECT_EQ(w.flood("b"), 201U);  // of no concern to others
  uint64_t later = 0;
  for (int s = 0; s < 100; ++s) {
    w.clock.advance(nanos_per_s);
    later += w.flood("a");
  }
  EXPECT_EQ(later, 10'000U);
  EXPECT_EQ(w.refused(R"(tenant="a",reason="items_per_s")"), 102);
}

TEST(Gate, ALargeRequestPassesAndIsPaidFor) {
  World w;
  w.policy.each.bytes_per_s = 1000;
  w.configure();
  EXPECT_TRUE(w.send("a", 1, 12'000));
  const Status refused = w.send("a", 1, 1);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("limits.bytes_per_s"), std::string::npos);
  EXPECT_EQ(refused.error().retry_after_ms, 10'000);
  w.clock.advance(10 * nanos_per_s);
  EXPECT_TRUE(w.send("a", 1, 1));
}

TEST(Gate, WhatATenantMayIsItsOwn) {
  World w;
  w.policy.each.items_per_s = 100;
  w.policy.tenants["a"] = {.items_per_s = 10};
  w.policy.tenants["free"] = {};
  w.configure();
  EXPECT_EQ(w.flood("a"), 21U);
  EXPECT_EQ(w.flood("other"), 201U);
  EXPECT_EQ(w.flood("free"), 100'000U);
  w.policy.tenants["a"].items_per_s = 50;  // a reload
  w.configure();
  w.clock.advance(10 * nanos_per_s);
  EXPECT_EQ(w.flood("a"), 101U);
}

TEST(Gate, WhenAllAreTooFastEachHasAnEqualShare) {
  World w;
  w.policy.total_items_per_s = 1000;
  w.configure();
  std::map<std::string, uint64_t> sent;
  for (int s = 0; s < 100; ++s) {
    sent["noisy"] += w.flood("noisy", 5000);
    for (const char* quiet : {"q1", "q2", "q3"}) sent[quiet] += w.flood(quiet, 200);  // a share is 250
    w.clock.advance(nanos_per_s);
  }
  for (const char* quiet : {"q1", "q2", "q3"}) EXPECT_EQ(sent[quiet], 200U * 100) << quiet;
  EXPECT_GE(sent["noisy"], 250U * 99);
  EXPECT_LE(sent["noisy"] + 3 * 200 * 100, 1000U * 100 + 2 * 2500);
  EXPECT_GT(w.refused(R"(tenant="noisy",reason="total_items_per_s")"), 0);
  EXPECT_EQ(w.refused(R"(tenant="q1",reason="total_items_per_s")"), 0);
}

TEST(Gate, NamesAreBounded) {
  World w;
  w.policy.each.items_per_s = 1;
  w.configure();
  for (int i = 0; i < 10'000; ++i) w.flood(std::to_string(i));
  std::vector<metrics::Sample> samples;
  w.gate.collect(samples);
  EXPECT_EQ(samples.size(), 101U);
  EXPECT_GE(w.refused(R"x(tenant="(others)",reason="items_per_s")x"), 9'900);
}

}  // namespace
}  // namespace hs::limits
