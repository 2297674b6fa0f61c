#include "ingest/ingest.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>

#include "base/metrics.h"
#include "ingest/world_for_test.h"

namespace hs::ingest {
namespace {

using Crank = Ingest::Crank;

struct Answer {
  int times = 0;
  Status status;
  Done take() {
    return [this](Status s) {
      ++times;
      status = std::move(s);
    };
  }
};

TEST(Ingest, AcknowledgesAfterTheSyncAndDeliversOnce) {
  World w(1);
  ASSERT_TRUE(w.open());
  Answer a;
  w.send("1,2,3", a.take());
  EXPECT_EQ(a.times, 0);
  const uint64_t before = w.disk.operations();
  EXPECT_TRUE(w.ingest->turn(Crank::commit));
  EXPECT_EQ(w.disk.operations() - before, 2U);  // one write, one sync
  EXPECT_EQ(a.times, 1);
  EXPECT_TRUE(a.status);
  EXPECT_FALSE(w.ingest->turn(Crank::send));  // not cut yet: it is young
  w.settle();
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 1}, {2, 1}, {3, 1}}));
}

TEST(Ingest, OneGroupForAllThatWait) {
  World w(1);
  ASSERT_TRUE(w.open());
  std::vector<Answer> answers(30);
  for (size_t i = 0; i < answers.size(); ++i) w.send(fmt::format("{}", i + 1), answers[i].take());
  const uint64_t before = w.disk.operations();
  EXPECT_TRUE(w.ingest->turn(Crank::commit));
  EXPECT_EQ(w.disk.operations() - before, 2U);
  for (const Answer& a : answers) EXPECT_TRUE(a.times == 1 && a.status);
  w.settle();
  EXPECT_EQ(w.engine.stored().size(), 30U);
  EXPECT_LE(w.engine.largest_block(), 20U);  // cut_max_rows
}

TEST(Ingest, ARetryIsRecognisedInFlightAndLater) {
  World w(1);
  ASSERT_TRUE(w.open());
  Answer first, during, after, other;
  w.send("1,2", first.take());
  w.send("1,2", during.take());
  EXPECT_EQ(during.times, 0);
  w.ingest->turn(Crank::commit);
  EXPECT_TRUE(first.times == 1 && first.status && during.times == 1 && during.status);
  w.send("1,2", after.take());
  EXPECT_TRUE(after.times == 1 && after.status);
  w.send("1,2", other.take(), "another tenant");
  w.settle();
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 2}, {2, 2}}));  // one a tenant
  w.clock.advance(301 * nanos_per_s);
  w.send("1,2", after.take());  // the window has passed: it is a new request
  w.settle();
  EXPECT_EQ(w.engine.stored().at(1), 3);
}

TEST(Ingest, ARetryIsRecognisedAfterARestartAndAfterItsSegmentIsGone) {
  World w(1);
  ASSERT_TRUE(w.open());
  Answer a;
  w.send("1,2", a.take());
  w.settle();
  for (int i = 10; i < 60; ++i) {
    w.send(fmt::format("{}", i), [](const Status&) {});
    w.settle(5);
  }
  EXPECT_LE(w.ingest->health().journal_segments, 2U);
  for (int life = 0; life < 3; ++life) {
    w.ingest.reset();
    w.disk.cut_power();
    ASSERT_TRUE(w.open());
    w.settle(3);
    w.send("1,2", a.take());
    EXPECT_EQ(a.times, 2 + life);  // at once
  }
  w.settle();
  EXPECT_EQ(w.engine.stored().at(1), 1);
}

TEST(Ingest, AFailedWriteIsRefusedAndTheRetryIsNew) {
  World w(1);
  ASSERT_TRUE(w.open());
  Answer a, waiting, refused, again;
  w.disk.set_faults({.sync_error = 1});
  w.send("1", a.take());
  w.send("1", waiting.take());
  w.ingest->turn(Crank::commit);
  EXPECT_EQ(a.status.error().code, Code::unavailable);
  EXPECT_GT(a.status.error().retry_after_ms, 0);
  EXPECT_EQ(waiting.status.error().code, Code::unavailable);
  EXPECT_FALSE(w.ingest->health().accepting);
  w.send("2", refused.take());
  EXPECT_EQ(refused.status.error().code, Code::unavailable);
  w.disk.set_faults({});
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);  // heals by itself
  EXPECT_TRUE(w.ingest->health().accepting);
  w.send("1", again.take());
  w.settle();
  EXPECT_TRUE(again.status);
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 1}}));
}

TEST(Ingest, ALowDiskRefusesUntilThereIsRoom) {
  World w(1);
  w.options.min_free_bytes = 10'000;
  ASSERT_TRUE(w.open());
  w.settle(3);
  w.disk.set_faults({.capacity_bytes = w.disk.used_bytes() + 9000});
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  Answer a;
  w.send("1", a.take());
  EXPECT_EQ(a.status.error().code, Code::unavailable);
  EXPECT_NE(a.status.error().message.find("disk is nearly full"), std::string::npos);
  w.disk.set_faults({});
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  w.send("1", a.take());
  w.settle();
  EXPECT_TRUE(a.status);
}

TEST(Ingest, WhileTheEngineIsDownMemoryIsBoundedAndTheJournalRefusesAtItsBound) {
  World w(1);
  w.options.journal_max_bytes = 40'000;
  w.options.segment_bytes = 5000;
  w.options.waiting_max_bytes = 8'000;
  ASSERT_TRUE(w.open());
  w.engine.set_down(true);
  uint64_t taken = 0;
  Answer last;
  for (uint64_t i = 1; i < 5000 && (last.times == 0 || last.status); ++i) {
    last = {};
    w.send(fmt::format("{}", i * poison + 1), last.take());
    w.ingest->turn(Crank::commit);
    w.ingest->turn(Crank::send);
    w.clock.advance(50 * nanos_per_ms);
    taken += last.times == 1 && last.status;
    ASSERT_LE(w.ingest->health().waiting_memory_bytes, 8'000U);
  }
  EXPECT_EQ(last.status.error().code, Code::unavailable);
  EXPECT_GT(taken, 100U);
  EXPECT_LE(w.disk.used_bytes(), 45'000U);
  EXPECT_FALSE(w.ingest->health().engine_answers);
  EXPECT_GT(w.ingest->health().oldest_waiting_ms, 0);
  w.engine.set_down(false);
  w.settle();
  EXPECT_EQ(w.engine.stored().size(), taken);
  EXPECT_LT(w.engine.inserts(), taken);  // it caught up with large blocks
  EXPECT_EQ(w.ingest->health().waiting_memory_bytes, 0U);
  w.send("7", last.take());
  w.settle();
  EXPECT_TRUE(last.status);
}

TEST(Ingest, EverythingInMemoryHasOneBudget) {
  World w(1);
  w.options.memory_max_bytes = 1 << 20;
  w.options.journal_max_bytes = 1 << 30;
  w.options.cut_max_rows = 1'000'000;
  w.tee = [](const auto&, const auto&) {};
  ASSERT_TRUE(w.open());
  w.engine.set_down(true);
  std::vector<Answer> answers(3000);
  uint64_t most = 0;
  for (uint64_t i = 0; i < answers.size(); ++i) {
    w.send(fmt::format("{},{},{}", i * poison + 1, i * poison + 2, i * poison + 3), answers[i].take());
    if (i % 500 == 0) {  // the disk is slow, the stream never has its turn
      while (w.ingest->turn(Crank::commit)) {
      }
      w.ingest->turn(Crank::send);
    }
    most = std::max(most, w.ingest->health().memory_bytes);
  }
  EXPECT_LE(most, w.options.memory_max_bytes);
  EXPECT_GT(most, w.options.memory_max_bytes / 2) << "and it is used";
  w.engine.set_down(false);
  w.settle();
  uint64_t taken = 0;
  for (const Answer& answer : answers) {
    ASSERT_EQ(answer.times, 1);
    taken += answer.status ? 1 : 0;
    if (!answer.status) EXPECT_EQ(answer.status.error().code, Code::resource_exhausted);
  }
  EXPECT_GT(taken, 0U);
  EXPECT_LT(taken, answers.size());
  EXPECT_EQ(w.engine.stored().size(), 3 * taken);
  while (w.ingest->turn(Crank::tee)) {
  }
  EXPECT_EQ(w.ingest->health().memory_bytes, 0U) << "nothing is forgotten";
}

TEST(Ingest, WhoWouldNotFindRoomIsToldBeforeDecoding) {
  World w(1);
  w.options.memory_max_bytes = 400'000;
  ASSERT_TRUE(w.open());
  EXPECT_TRUE(w.ingest->has_room(incoming_of(std::string(10'000'000, '1'), 0))) << "one may always come";
  w.send("1", [](const Status&) {});
  EXPECT_TRUE(w.ingest->has_room(incoming_of(std::string(200'000, '1'), 0)));
  const Status refused = w.ingest->has_room(incoming_of(std::string(400'000, '1'), 0));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_GT(refused.error().retry_after_ms, 0);
  EXPECT_NE(refused.error().message.find("ingest.memory_max"), std::string::npos);
  w.settle();
}

TEST(Ingest, WhatTheEngineNeverTakesBlocksNothing) {
  World w(1);
  ASSERT_TRUE(w.open());
  w.send("1,101,202", [](const Status&) {});
  w.settle();
  w.send("2", [](const Status&) {});
  w.settle();
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 1}, {2, 1}}));
  EXPECT_EQ(w.ingest->health().quarantined_blocks, 1U);
  const auto names = w.disk.list("data/quarantine");
  ASSERT_EQ(names->size(), 1U);
  const auto file = w.disk.open("data/quarantine/" + names->front(), io::Open::read);
  const std::string content = *(*file)->read(0, 10'000);
  EXPECT_TRUE(content.ends_with("\n101,202,")) << content;
  EXPECT_NE(content.find(R"("table":"logs","partition":"bad","rows":2)"), std::string::npos) << content;
}

TEST(Ingest, AFullQuarantineKeepsTheBlockInTheJournalAndLetsOthersPass) {
  World w(1);
  w.options.quarantine_max_bytes = 10;
  ASSERT_TRUE(w.open());
  w.send("1,101", [](const Status&) {});
  w.settle(5);
  w.send("2", [](const Status&) {});
  w.settle(20);
  EXPECT_EQ(w.engine.stored().at(1), 1);  // of the same cut
  EXPECT_EQ(w.engine.stored().at(2), 1);  // behind it
  EXPECT_EQ(w.ingest->health().waiting_cuts, 1U);
  w.ingest.reset();
  w.options.quarantine_max_bytes = 10'000;
  ASSERT_TRUE(w.open());
  w.settle();
  EXPECT_EQ(w.ingest->health().quarantined_blocks, 1U);
  EXPECT_EQ(w.engine.stored().at(1), 1);
}

TEST(Ingest, ARequestThatNoLongerDecodesIsPutAside) {
  World w(1);
  ASSERT_TRUE(w.open());
  Incoming bad = incoming_of("!bad", w.clock.wall(), "t");
  model::Batch batch;
  batch.signal = model::Signal::logs;
  w.ingest->append(std::move(bad), std::move(batch), [](const Status&) {});
  w.send("1", [](const Status&) {});
  w.ingest->turn(Crank::commit);
  w.ingest.reset();
  ASSERT_TRUE(w.open());
  w.settle();
  EXPECT_EQ(w.engine.stored().at(1), 1);
  EXPECT_EQ(w.ingest->health().quarantined_requests, 1U);
  const auto names = w.disk.list("data/quarantine");
  const auto file = w.disk.open("data/quarantine/" + names->front(), io::Open::read);
  EXPECT_TRUE((*(*file)->read(0, 10'000)).ends_with("\n!bad"));
}

TEST(Ingest, FlushAnswersWhenAllThatWasAcknowledgedIsIn) {
  World w(1);
  w.options.cut_max_age_ms = 60'000;
  ASSERT_TRUE(w.open());
  Answer nothing, all, late;
  w.ingest->flush(1000, nothing.take());
  EXPECT_TRUE(nothing.times == 1 && nothing.status);
  w.send("1", [](const Status&) {});
  w.ingest->turn(Crank::commit);
  w.ingest->flush(1000, all.take());
  EXPECT_EQ(all.times, 0);
  w.settle();
  EXPECT_TRUE(all.times == 1 && all.status);
  EXPECT_EQ(w.engine.stored().at(1), 1);

  w.engine.set_down(true);
  w.send("2", [](const Status&) {});
  w.ingest->turn(Crank::commit);
  w.ingest->flush(1000, late.take());
  for (int i = 0; i < 10; ++i) {
    w.ingest->turn(Crank::commit);
    w.ingest->turn(Crank::send);
    w.clock.advance(200 * nanos_per_ms);
  }
  EXPECT_EQ(late.times, 1);
  EXPECT_EQ(late.status.error().code, Code::deadline_exceeded);
  Answer stopped;
  w.ingest->flush(1000, stopped.take());
  w.ingest.reset();
  EXPECT_EQ(stopped.status.error().code, Code::unavailable);
}

TEST(Ingest, TheStreamSeesEachNewBatchOnceAndNoReplay) {
  World w(1);
  std::vector<std::string> seen;
  w.options.tee_max_batches = 3;
  w.tee = [&](const std::shared_ptr<const model::Batch>& batch, const Incoming& incoming) {
    seen.push_back(fmt::format("{}{}:{}", incoming.tenant, batch->logs.body[0], incoming.body.size()));
  };
  ASSERT_TRUE(w.open());
  for (int i = 1; i <= 5; ++i) w.send(fmt::format("{}", i), [](const Status&) {}, "t");
  w.ingest->turn(Crank::commit);
  while (w.ingest->turn(Crank::tee)) {
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"t3:0", "t4:0", "t5:0"}));  // the oldest were shed
  w.ingest.reset();
  ASSERT_TRUE(w.open());
  w.settle();
  EXPECT_EQ(seen.size(), 3U);
  EXPECT_EQ(w.engine.stored().size(), 5U);
}

TEST(Ingest, ATenantMayHaveABoundOfItsOwn) {
  World w(1);
  std::vector<std::string> refused;
  auto opened = Ingest::open(
      w.options,
      {w.disk,
       w.clock,
       w.random,
       w.engine,
       decode_numbers,
       {},
       nullptr,
       [](const std::string& tenant) { return tenant == "small" ? uint64_t{1} : uint64_t{0}; },
       [&](const std::string& tenant, std::string_view why) { refused.push_back(tenant + std::string(why)); }});
  w.ingest = std::move(*opened);
  Answer first, second, other;
  w.send("1", first.take(), "small");
  w.send("2", second.take(), "small");
  w.send("3", other.take(), "large");
  w.settle();
  EXPECT_TRUE(first.status);
  EXPECT_NE(second.status.error().message.find("limits.in_flight"), std::string::npos);
  EXPECT_TRUE(other.status);
  EXPECT_EQ(refused, std::vector<std::string>{"smalltenant_in_flight"});
}

TEST(Ingest, ReplayAsksTheEngineAndInsertsOnlyWhatIsMissing) {
  World w(1, 1);  // a dedup window of one: it cannot help
  ASSERT_TRUE(w.open());
  w.send("1,2,3,4,5,6,101", [](const Status&) {});
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  w.engine.set_faults({.lost_answer = 1});
  w.ingest->turn(Crank::send);  // one block went in, nobody heard of it
  w.engine.set_faults({});
  w.ingest.reset();
  ASSERT_TRUE(w.open());
  w.settle();
  for (const uint64_t n : {1, 2, 3, 4, 5, 6}) EXPECT_EQ(w.engine.stored().at(n), 1) << n;
}

// Who keeps a copy of what is stored must hear of an insert whose answer was lost.
TEST(Ingest, TheSinkHearsOfBlocksThatWereInAlready) {
  World w(1);
  ASSERT_TRUE(w.open());
  w.send("1,2,3", [](const Status&) {});
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  w.clock.advance(2 * nanos_per_s);
  w.ingest->turn(Crank::commit);
  w.engine.set_faults({.lost_answer = 1});
  w.ingest->turn(Crank::send);
  EXPECT_TRUE(w.engine.known().empty());
  w.engine.set_faults({});
  w.settle();
  EXPECT_EQ(w.engine.stored(), (std::map<uint64_t, int>{{1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(w.engine.known(), (std::set<uint64_t>{1, 2, 3}));
}

// Real threads, a slow disk, an engine that fails: what TSan looks at.
TEST(Ingest, ManyThreads) {
  World w(1, 1000);
  w.options.sender_threads = 2;
  w.options.segment_bytes = 20'000;
  w.options.cut_max_age_ms = 20;
  w.options.cut_max_rows = 50;
  std::atomic<uint64_t> teed{0};
  w.tee = [&](const std::shared_ptr<const model::Batch>& batch, const Incoming&) { teed += batch->size(); };
  w.disk.on_sync([] { std::this_thread::sleep_for(std::chrono::microseconds(200)); });
  w.engine.set_faults({.away = 0.02, .lost_answer = 0.05, .late = 0.02, .exhausted = 0.02});
  auto opened =
      Ingest::open(w.options, {w.disk, io::system_clock(), w.random, w.engine, decode_numbers, w.tee, nullptr, {}, {}});
  ASSERT_TRUE(opened);
  w.ingest = std::move(*opened);
  std::atomic<uint64_t> acknowledged{0}, answered{0};
  constexpr uint64_t threads = 4, each = 200;
  std::vector<std::thread> senders;
  for (uint64_t t = 0; t < threads; ++t)
    senders.emplace_back([&, t] {
      for (uint64_t i = 0; i < each; ++i) {
        const std::string body = fmt::format("{}", (t * each + i) * poison + 1);
        for (int copy = 0; copy < 2; ++copy) {  // each is sent twice
          Incoming incoming = incoming_of(body, io::system_clock().wall());
          model::Batch batch = *decode_numbers(incoming);
          w.ingest->append(std::move(incoming), std::move(batch), [&](const Status& s) {
            acknowledged += s.has_value();
            ++answered;
          });
        }
        if (i % 50 == 0) std::ignore = w.ingest->health();
      }
    });
  for (std::thread& sender : senders) sender.join();
  std::mutex mutex;
  std::condition_variable flushed;
  std::optional<Status> status;
  w.engine.set_faults({});
  while (answered < 2 * threads * each) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  w.ingest->flush(60'000, [&](Status s) {
    const std::lock_guard lock(mutex);
    status = std::move(s);
    flushed.notify_all();
  });
  {
    std::unique_lock lock(mutex);
    flushed.wait(lock, [&] { return status.has_value(); });
  }
  EXPECT_TRUE(*status);
  EXPECT_EQ(acknowledged, 2 * threads * each);
  w.ingest.reset();
  const auto stored = w.engine.stored();
  EXPECT_EQ(stored.size(), threads * each);
  for (const auto& [number, times] : stored) EXPECT_EQ(times, 1) << number;
  EXPECT_EQ(teed, threads * each);
}

TEST(Ingest, OneNoisyTenantDoesNotStarveTheOthers) {
  World w(1);
  w.options.in_flight_max_requests = 60;
  ASSERT_TRUE(w.open());
  int quiet_ok = 0, noisy_ok = 0, noisy_refused = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i)
      w.send(
          fmt::format("{}", 1'000'000 + round * 1000 + i), [&](const Status& s) { (s ? noisy_ok : noisy_refused)++; },
          "noisy");
    for (int i = 0; i < 5; ++i)
      w.send(fmt::format("{}", round * 10 + i), [&](const Status& s) { quiet_ok += s.has_value(); }, "quiet");
    while (w.ingest->turn(Crank::commit) || w.ingest->turn(Crank::send)) {
    }
    w.clock.advance(nanos_per_s);
  }
  EXPECT_EQ(quiet_ok, 250);
  EXPECT_GT(noisy_ok, 1000);
  EXPECT_GT(noisy_refused, 1000);
  EXPECT_NE(metrics::exposition().find(R"(homeostat_ingest_refused_total{reason="tenant_share"})"), std::string::npos);
}

}  // namespace
}  // namespace hs::ingest
