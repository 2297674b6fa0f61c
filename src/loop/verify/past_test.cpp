#include "loop/verify/past.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hs::loop {
namespace {

constexpr int64_t second0 = 1'000;

stream::Frame frame_of(int64_t second) { return {.tick = (second + 1) * nanos_per_s}; }

// One operation that reads a knob of its own and calls a service of its own.
void add_operation(stream::Frame& frame, const std::string& name) {
  const int64_t second = frame.tick / nanos_per_s - 1;
  frame.calls.push_back({.second = second, .service = name, .operation = "op", .callee = "to " + name});
  stream::Outcome o{.second = second, .unit = 1, .knob = "of " + name, .variant = "base"};
  o.service = name, o.operation = "op", o.entry = true;
  frame.outcomes.push_back(o);
}

TEST(Past, what_is_known_at_the_bound_stays_known_while_it_is_seen) {
  Past past;
  stream::Frame full = frame_of(second0);
  for (size_t i = 0; i < history_series_max; ++i) add_operation(full, fmt::format("s{:04}", i));
  past.add(full);
  stream::Frame again = frame_of(second0 + 100);
  add_operation(again, "s0001"), add_operation(again, "one too many");
  past.add(again);
  past.add(frame_of(second0 + history_s + 10));
  EXPECT_TRUE(past.calls("s0001", "to s0001"));
  EXPECT_EQ(past.callees("s0001", "op").size(), 1);
  EXPECT_TRUE(past.reads("s0001", "op", "of s0001"));
  EXPECT_TRUE(past.is_entry("s0001", "op"));
  EXPECT_FALSE(past.calls("one too many", "to one too many")) << "there was no room";
  EXPECT_FALSE(past.reads("s0002", "op", "of s0002")) << "not seen for long";
}

}  // namespace
}  // namespace hs::loop
