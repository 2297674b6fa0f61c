// What is known again after a restart, and what a file that is not ours, torn or old does: nothing.

#include <gtest/gtest.h>

#include "stream/test_batches.h"

namespace hs::stream {
namespace {

const Cell* call_of(const Frame& frame, const std::string& service) {
  for (const Cell& c : frame.cells)
    if (c.service == service && c.kind == 3) return &c;
  return nullptr;
}

Builder orphan(int i) {
  Builder b("frontend");
  b.span({.trace = static_cast<uint8_t>(i + 1),
          .id = 1,
          .parent = 99,
          .name = "GET /",
          .start_ms = i * 1000,
          .event = {{"feature_flag.key", "k"},
                    {"feature_flag.result.variant", "base"},
                    {"feature_flag.version", "1"},
                    {"feature_flag.context.id", "bob"}}});
  return b;
}

// A stream that has seen a minute of everything that is remembered.
std::string learned() {
  Stream stream;
  stream.add(frontend().batch(), at(1), "a");
  stream.add(payment().batch(), at(1), "a");
  stream.add(Builder("login").log("login failed for ann from 10.0.0.1", 13).batch(), at(1), "a");
  stream.add(Builder("login").log("login failed for bob from 10.0.0.2", 13).batch(), at(1), "a");
  stream.add(Builder("shop", "1", "v1").span({.id = 1}).batch(), at(1), "a");
  for (int i = 0; i < 60; ++i) {
    stream.add(orphan(i).batch(), at(i + 1), "a");
    stream.tick(at(i + 1));
  }
  return stream.memory(at(60));
}

TEST(StreamMemory, a_silent_callee_is_known_at_once) {
  Stream stream;
  ASSERT_TRUE(stream.restore(learned(), at(61)));
  stream.add(Builder("somebody else").span({.id = 1}).batch(), at(61), "other");  // ids of names differ from before
  stream.add(frontend().batch(), at(61), "a");
  const Frame frame = stream.tick(at(61));
  ASSERT_NE(call_of(frame, "frontend"), nullptr);
  EXPECT_EQ(call_of(frame, "frontend")->peer, "payment");
}

TEST(StreamMemory, templates_keep_their_ids_and_what_varies) {
  Stream before, after;
  const auto line = [](Stream& stream) {
    stream.add(Builder("login").log("login failed for eve from 10.0.0.3", 13).batch(), at(61), "a");
    return stream.tick(at(61)).logs.at(0);
  };
  ASSERT_TRUE(after.restore(learned(), at(61)));
  EXPECT_EQ(line(after).pattern, "login failed for <*> from <*>");
  EXPECT_EQ(line(before).pattern, "login failed for eve from <*>") << "one that knows nothing";
}

TEST(StreamMemory, an_entry_is_known_as_one) {
  Stream stream;
  ASSERT_TRUE(stream.restore(learned(), at(61)));
  stream.add(orphan(61).batch(), at(62), "a");
  const Frame frame = stream.tick(at(62));
  ASSERT_EQ(frame.outcomes.size(), 1u);
  EXPECT_TRUE(frame.outcomes[0].entry);
}

TEST(StreamMemory, a_deploy_while_nobody_looked_is_told) {
  Stream stream;
  ASSERT_TRUE(stream.restore(learned(), at(61)));
  stream.add(Builder("frontend").span({.id = 1}).batch(), at(61), "a");
  EXPECT_TRUE(stream.tick(at(61)).changes.empty()) << "the same as before is no change";
  stream.add(Builder("shop", "1", "v2").span({.id = 1}).batch(), at(62), "a");
  const Frame frame = stream.tick(at(62));
  ASSERT_EQ(frame.changes.size(), 1u);
  EXPECT_EQ(frame.changes[0].kind, "deploy");
}

TEST(StreamMemory, a_damaged_torn_foreign_or_old_one_is_not_used) {
  const std::string good = learned();
  Stream stream;
  for (size_t size = 0; size < good.size(); size += 7) EXPECT_FALSE(stream.restore(good.substr(0, size), at(61)));
  for (size_t i = 0; i < good.size(); i += 11) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x40);
    EXPECT_FALSE(stream.restore(bad, at(61))) << i;
  }
  EXPECT_FALSE(stream.restore(good, at(60 + 2 * 86'400)));
  EXPECT_FALSE(stream.restore(std::string(64 << 20, 'x'), at(61)));
  stream.add(frontend().batch(), at(61), "a");
  EXPECT_EQ(call_of(stream.tick(at(61)), "frontend")->peer, "10.0.0.7:80") << "nothing was taken over";
}

TEST(StreamMemory, what_was_restored_is_saved_again) {
  Stream one, two;
  ASSERT_TRUE(one.restore(learned(), at(61)));
  const std::string again = one.memory(at(61));
  ASSERT_TRUE(two.restore(again, at(61)));
  EXPECT_EQ(two.memory(at(61)).size(), again.size());
}

}  // namespace
}  // namespace hs::stream
