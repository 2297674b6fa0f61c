// What is held is decided in time, once, and stored as decided; nothing else waits for it.

#include <gtest/gtest.h>

#include "base/log.h"
#include "ingest/world_for_test.h"

namespace hs::ingest {
namespace {

using Crank = Ingest::Crank;

struct Held : World {
  Held() : World(1) {
    options.cut_max_age_ms = 500;
    sampler = &half;
  }
  void send(const std::string& body) {
    World::send(body, [](const Status& s) { EXPECT_TRUE(s); });
    while (ingest->turn(Crank::commit)) {
    }
  }
  // All that is due, without letting time pass.
  void turn() {
    while (ingest->turn(Crank::commit) || ingest->turn(Crank::hold) || ingest->turn(Crank::send)) {
    }
  }
  HalfSampler half{1};
};

TEST(Hold, DecidesAfterTheWaitAndHoldsUpNobody) {
  Held w;
  ASSERT_TRUE(w.open());
  w.half.keep_all = true;
  w.send("2,4");
  w.send("1,3");
  w.clock.advance(600 * nanos_per_ms);
  w.turn();
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 1}, {3, 1}}));
  EXPECT_EQ(w.half.observed, 1U);
  EXPECT_EQ(w.ingest->health().held_rows, 2U);
  EXPECT_EQ(w.ingest->health().waiting_rows, 0U);
  EXPECT_EQ(w.ingest->health().oldest_waiting_ms, 0);
  int flushed = 0;
  w.ingest->flush(1000, [&](const Status& s) { flushed += s.has_value(); });
  EXPECT_EQ(flushed, 1) << "what is undecided is nothing to wait for";
  ASSERT_EQ(w.ingest->held("").size(), 1U);
  EXPECT_TRUE(w.ingest->held("another").empty());
  w.clock.advance(1900 * nanos_per_ms);
  w.turn();
  EXPECT_EQ(w.half.decided, 0U);
  w.clock.advance(200 * nanos_per_ms);
  w.turn();
  EXPECT_EQ(w.half.decided, 1U);
  EXPECT_EQ(w.engine.stored().size(), 4U);
  EXPECT_TRUE(w.ingest->held("").empty());
}

TEST(Hold, AtItsBoundTheOldestAreDecidedEarly) {
  Held w;
  ASSERT_TRUE(w.open());
  w.send("2,4,6");
  const uint64_t each = w.ingest->health().held_bytes;
  w.half.bytes_max = 3 * each;
  w.half.waits_ms = 60'000;
  for (int i = 0; i < 8; ++i) {
    w.send(fmt::format("{},{},{}", 102 + 6 * i, 104 + 6 * i, 106 + 6 * i));
    w.clock.advance(600 * nanos_per_ms);
    while (w.ingest->turn(Crank::commit)) {  // nothing is decided meanwhile
    }
  }
  EXPECT_GT(w.ingest->health().held_bytes, 3 * each);
  EXPECT_LE(w.ingest->health().held_bytes, 6 * each) << "twice the bound is all that memory is given for it";
  w.half.keep_all = true;
  w.turn();
  EXPECT_GT(w.half.decided_early, 0U);
  EXPECT_LE(w.ingest->health().held_bytes, 3 * each);
  w.half.waits_ms = 0;
  w.settle();
  EXPECT_EQ(w.engine.stored().size(), 27U);
}

TEST(Hold, ManyTracesMakeItDecideTooWithoutATime) {
  Held w;
  ASSERT_TRUE(w.open());
  w.send("2,4");
  w.clock.advance(600 * nanos_per_ms);
  w.turn();
  w.half.is_crowded = true;
  w.turn();
  EXPECT_EQ(w.half.decided_early, 1U);
}

TEST(Hold, WhatWasUndecidedWhenTheProcessDiedIsStoredWhole) {
  Held w;
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 40; ++i) w.send(fmt::format("{},{}", 2022 + 4 * i, 2024 + 4 * i));
  w.clock.advance(600 * nanos_per_ms);
  w.turn();
  w.ingest.reset();
  ASSERT_TRUE(w.open());
  w.settle();
  EXPECT_EQ(w.engine.stored().size(), 80U);
  EXPECT_EQ(w.half.decided + w.half.decided_early, 0U);
}

TEST(Hold, WhatWasDecidedStaysDecidedInTheNextLife) {
  Held w;
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 40; ++i) w.send(fmt::format("{},{}", 2022 + 4 * i, 2024 + 4 * i));
  w.engine.set_down(true);
  for (int i = 0; i < 10; ++i) {
    w.clock.advance(600 * nanos_per_ms);
    w.turn();
  }
  ASSERT_EQ(w.half.decided, 40U);
  const uint64_t kept = w.half.kept;
  EXPECT_TRUE(kept > 0 && kept < 40) << kept;
  w.ingest.reset();
  w.engine.restart();
  ASSERT_TRUE(w.open());
  w.settle();
  EXPECT_EQ(w.engine.stored().size(), 2 * kept);
  EXPECT_EQ(w.half.decided, 40U) << "nothing is decided twice";
}

TEST(Hold, BatchesThatMemoryHasNoRoomForAreDecodedAgainAsDecided) {
  Held w;
  w.options.waiting_max_bytes = 0;
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 40; ++i) w.send(fmt::format("{},{}", 2022 + 4 * i, 2024 + 4 * i));
  w.send("1,3");
  w.settle();
  EXPECT_EQ(w.half.decided, 40U);
  EXPECT_EQ(w.engine.stored().size(), 2 * w.half.kept + 2);
}

}  // namespace
}  // namespace hs::ingest
