#include "agent/queue.h"

#include <gtest/gtest.h>

#include <set>

#include "io/disk_sim.h"

namespace hs::agent {
namespace {

Item item_of(const std::string& body, UnixNanos now) {
  Item item;
  item.signal = model::Signal::logs;
  item.tenant = "t";
  item.items = 1;
  item.received_at = now;
  item.hash = hash128(body);
  item.body = body;
  return item;
}

struct QueueTest : testing::Test {
  io::SimDisk disk{5};
  io::SimClock clock{1'000'000'000'000};
  io::SeededRandom random{6};
  std::unique_ptr<Queue> queue;
  QueueOptions options{.directory = "d", .max_bytes = 1 << 20, .min_free_bytes = 0, .thread = false};

  void open() {
    queue.reset();
    auto opened = Queue::open(options, disk, clock, random);
    ASSERT_TRUE(opened) << opened.error().message;
    queue = std::move(*opened);
  }
  // What the sender is told.
  Status put(const std::string& body) {
    Status told = fail(Code::internal, "not told");
    queue->append(item_of(body, clock.wall()), [&told](Status status) { told = std::move(status); });
    while (queue->commit_once()) {
    }
    return told;
  }
  std::optional<Item> take() {
    auto item = queue->take();
    EXPECT_TRUE(item) << item.error().message;
    return item ? *item : std::nullopt;
  }
  // Takes and settles all there is; the bodies.
  std::vector<std::string> drain() {
    std::vector<std::string> bodies;
    while (const auto item = take()) {
      bodies.push_back(item->body);
      queue->settle(item->number);
    }
    return bodies;
  }
  void write_notes() {
    clock.advance(2 * nanos_per_s);
    while (queue->commit_once()) {
    }
  }
};

TEST_F(QueueTest, GivesWhatItTookInOrderAndOnce) {
  open();
  EXPECT_FALSE(take());
  for (const char* body : {"a", "b", "c"}) EXPECT_TRUE(put(body));
  const auto first = take();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->body, "a");
  EXPECT_EQ(first->tenant, "t");
  EXPECT_EQ(first->signal, model::Signal::logs);
  EXPECT_EQ(queue->oldest(), first->number);
  EXPECT_EQ(drain(), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(queue->oldest(), first->number);
  EXPECT_EQ(queue->health().requests, 1U);
  queue->settle(first->number);
  EXPECT_EQ(queue->oldest(), first->number + 3);
  EXPECT_EQ(queue->health().requests, 0U);
}

TEST_F(QueueTest, APowerCutLosesNothingAndNamesStay) {
  open();
  for (const char* body : {"a", "b", "c", "d"}) EXPECT_TRUE(put(body));
  const auto a = take(), b = take(), c = take();
  queue->settle(a->number);
  queue->settle(c->number);
  write_notes();
  disk.cut_power();
  queue.release();  // the process is gone: nothing of it is run any more (a leak, in a test)
  open();
  EXPECT_EQ(queue->health().requests, 2U);
  const auto again = take();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->body, "b");
  EXPECT_EQ(again->number, b->number);
  EXPECT_EQ(again->stream, b->stream);
  const auto last = take();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->body, "d");
  EXPECT_FALSE(take());
  EXPECT_TRUE(put("e"));
  const auto fresh = take();
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->number, last->number + 1);
  EXPECT_NE(fresh->stream, last->stream);  // another life
}

TEST_F(QueueTest, ARetryOfAClientIsTakenOnceAlsoAfterARestart) {
  open();
  EXPECT_TRUE(put("a"));
  EXPECT_TRUE(put("a"));
  EXPECT_EQ(drain(), (std::vector<std::string>{"a"}));
  open();
  EXPECT_TRUE(put("a"));
  EXPECT_TRUE(drain().empty());
  clock.advance(options.retry_window_ms * nanos_per_ms + 1);
  clock.set_wall(clock.wall() + options.retry_window_ms * nanos_per_ms + 1);
  EXPECT_TRUE(put("a"));
  EXPECT_EQ(drain(), (std::vector<std::string>{"a"}));
}

TEST_F(QueueTest, RefusesAtTheBoundAndTakesAgainWhenThereIsRoom) {
  open();
  Status status;
  int taken = 0;
  for (; status && taken < 100; ++taken) status = put(std::string(50'000, 'x') + std::to_string(taken));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::resource_exhausted);
  EXPECT_GT(status.error().retry_after_ms, 0);
  EXPECT_NE(status.error().message.find("agent.queue.max_bytes"), std::string::npos);
  EXPECT_LE(queue->health().bytes, options.max_bytes);
  EXPECT_EQ(drain().size(), static_cast<size_t>(taken - 1));
  write_notes();
  EXPECT_TRUE(put("room"));
  EXPECT_LT(queue->health().bytes, options.max_bytes / 4);  // segments that are settled are gone
}

TEST_F(QueueTest, OneStuckRequestHoldsTheOthersAtTheWindowOnly) {
  open();
  for (uint64_t i = 0; i < Queue::window + 5; ++i) EXPECT_TRUE(put(std::to_string(i)));
  const auto stuck = take();
  EXPECT_EQ(drain().size(), Queue::window - 1);
  queue->settle(stuck->number);
  EXPECT_EQ(drain().size(), 5U);
}

TEST_F(QueueTest, ADiskThatFailsRefusesAndHeals) {
  open();
  EXPECT_TRUE(put("a"));
  disk.set_faults({.sync_error = 1});
  const Status refused = put("b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_FALSE(queue->health().accepting);
  disk.set_faults({});
  clock.advance(3 * nanos_per_s);
  while (queue->commit_once()) {
  }
  EXPECT_TRUE(queue->health().accepting);
  EXPECT_TRUE(put("b"));
  EXPECT_EQ(drain(), (std::vector<std::string>{"a", "b"}));
}

// Lives that end at any operation of the disk, by a power cut or by kill -9: every request that was acknowledged is
// given out in some life; one that was settled and noted never again; names never change.
TEST(QueueCrash, NothingAcknowledgedIsLostInManyLives) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    io::SimDisk disk{seed};
    io::SimClock clock{1'000'000'000'000};
    io::SeededRandom random{seed};
    const QueueOptions options{.directory = "d", .max_bytes = 1 << 20, .min_free_bytes = 0, .thread = false};
    std::set<std::string> acknowledged, delivered;
    std::map<std::string, std::pair<uint64_t, Hash128>> names;
    int serial = 0;
    for (int life = 0; life < 12; ++life) {
      disk.die_after(5 + random.next() % 60);
      auto opened = Queue::open(options, disk, clock, random);
      for (int step = 0; opened && step < 40 && !disk.dead(); ++step) {
        Queue& queue = **opened;
        const std::string body = std::to_string(serial++);
        queue.append(item_of(body, clock.wall()), [&](const Status& status) {
          if (status) acknowledged.insert(body);
        });
        clock.advance(nanos_per_s / 4);
        queue.commit_once();
        for (int n = 0; n < 2; ++n) {
          const auto item = queue.take();
          if (!item || !*item) break;
          const auto [known, is_new] = names.try_emplace((*item)->body, (*item)->number, (*item)->stream);
          EXPECT_EQ(known->second, std::pair((*item)->number, (*item)->stream)) << "seed " << seed;
          delivered.insert((*item)->body);
          if (random.uniform() < 0.8) queue.settle((*item)->number);
        }
      }
      disk.cut_power();
      if (opened) std::ignore = opened->release();  // killed
    }
    auto last = Queue::open(options, disk, clock, random);
    ASSERT_TRUE(last);
    for (auto item = (*last)->take(); item && *item; item = (*last)->take()) {
      delivered.insert((*item)->body);
      (*last)->settle((*item)->number);
    }
    for (const std::string& body : acknowledged)
      EXPECT_TRUE(delivered.contains(body)) << "seed " << seed << " " << body;
    EXPECT_GT(acknowledged.size(), 20U);
  }
}

}  // namespace
}  // namespace hs::agent
