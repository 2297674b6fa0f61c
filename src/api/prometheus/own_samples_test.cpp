#include "api/prometheus/own_samples.h"

#include <gtest/gtest.h>

namespace hs::api::prometheus {
namespace {

constexpr UnixNanos now = 1'790'000'000 * nanos_per_s;
constexpr int64_t now_ms = now / nanos_per_ms;

struct World {
  io::SimClock clock{now};
  std::vector<ingest::Incoming> taken;
  std::vector<uint64_t> rows;
  Status answer;
  OwnSamples own{{}, clock, [this](ingest::Incoming incoming, const model::Batch& batch, const auto& done) {
                   taken.push_back(std::move(incoming));
                   rows.push_back(batch.size());
                   done(answer);
                 }};
};

wire::prometheus::WriteEncoder samples(int n, int64_t time_ms) {
  wire::prometheus::WriteEncoder out;
  for (int i = 0; i < n; ++i) {
    const std::string text = std::to_string(i);
    const std::vector<model::Attribute> labels = {{"__name__", "a:b"}, {"i", text}};
    out.sample(labels, time_ms, i);
  }
  return out;
}

TEST(OwnSamples, TheJournalDecodesTheSameAgain) {
  for (const int n : {1, 1000}) {  // as it is, and compressed
    World w;
    ASSERT_TRUE(w.own.append_and_wait(Origin::rules, "team", samples(n, now_ms), 1000));
    ASSERT_EQ(w.taken.size(), 1U);
    EXPECT_EQ(w.taken[0].tenant, "team");
    EXPECT_EQ(w.taken[0].encoding, n == 1 ? ingest::Encoding::identity : ingest::Encoding::zstd);
    EXPECT_TRUE(is_derived(w.taken[0].credential));
    const auto again = decode_write(w.taken[0], 1 << 20);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->size(), static_cast<size_t>(n));
    EXPECT_EQ(w.rows[0], static_cast<size_t>(n));
  }
}

TEST(OwnSamples, WhatCannotBeTakenIsSaidAndTheRestIsStored) {
  World w;
  auto encoder = samples(2, now_ms);
  const std::vector<model::Attribute> nameless = {{"job", "x"}};
  encoder.sample(nameless, now_ms, 1);
  const Status status = w.own.append_and_wait(Origin::scrape, "", std::move(encoder), 1000);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::invalid_argument);
  EXPECT_NE(status.error().message.find("__name__"), std::string::npos) << status.error().message;
  EXPECT_EQ(w.rows, std::vector<uint64_t>{2});
  EXPECT_FALSE(is_derived(w.taken[0].credential));
}

TEST(OwnSamples, TheJournalsRefusalIsHandedOn) {
  World w;
  w.answer = fail(Code::unavailable, "the journal is full", 1000);
  const Status status = w.own.append_and_wait(Origin::rules, "", samples(1, now_ms), 1000);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::unavailable);
}

}  // namespace
}  // namespace hs::api::prometheus
