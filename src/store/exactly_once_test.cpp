// Everything that breaks exactly-once in the engine, as measured before this was built: each test shows the hazard, and
// that what we do about it holds. When the engine changes its behaviour, these tell.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "store/block.h"
#include "store/client.h"
#include "store/ingest_sink.h"
#include "store/native_writer.h"
#include "store/retention.h"
#include "store/schema.h"
#include "store/test_batches.h"
#include "store/test_engine.h"

namespace hs::store {
namespace {

using namespace test;  // NOLINT: builders

constexpr UnixNanos now = 1'767'333'605LL * nanos_per_s;

std::vector<Block> logs_block(uint64_t cut, int rows, UnixNanos time = now) {
  model::Batch batch = logs_of("exact");
  for (int i = 0; i < rows; ++i) add_log(batch, time + i, "line");
  Described described;
  const StoredBatch stored{&batch, now, ""};
  std::vector<Block> blocks = encode_blocks({&stored, 1}, cut, described);
  std::erase_if(blocks, [](const Block& b) { return b.table != "logs"; });
  return blocks;
}

struct ExactlyOnce : testing::Test {
  Client client = shared_engine().client.in_database(std::string("once_") +
                                                     testing::UnitTest::GetInstance()->current_test_info()->name());
  void SetUp() override {
    const Status migrated = migrate(client);
    ASSERT_TRUE(migrated) << migrated.error().message;
  }
  uint64_t number(std::string_view sql) {
    const auto blocks = client.collect({.sql = sql});
    return blocks && !blocks->empty() ? (*blocks)[0].columns[0].u64(0) : UINT64_MAX;
  }
  uint64_t rows() { return number("SELECT count() FROM logs"); }

  // What ingest does at a replay.
  void replay(const Block& block) {
    const auto known = client.has_cut(block.table, block.partition, block.cut);
    ASSERT_TRUE(known) << known.error().message;
    if (!*known) ASSERT_TRUE(client.insert(block));
  }
};

// Hazard: the engine drops whatever comes under a token that it knows, also other rows. So a token stands for the same
// rows for ever: one cut, one table, one partition, one block.
TEST_F(ExactlyOnce, ATokenStandsForItsRows) {
  std::vector<Block> two = logs_block(1, 2), three = logs_block(1, 3);
  ASSERT_EQ(two[0].token, three[0].token);
  ASSERT_TRUE(client.insert(two[0]));
  ASSERT_TRUE(client.insert(three[0]));
  EXPECT_EQ(rows(), 2U);
  EXPECT_EQ(logs_block(1, 2)[0].native, two[0].native);
}

// Hazard: an insert that the engine splits is deduplicated piece by piece. Whatever its size, a block is one part.
TEST_F(ExactlyOnce, ALargeBlockIsOnePart) {
  ASSERT_TRUE(client.execute({.sql = "CREATE TABLE big (a UInt64, cut UInt64) ENGINE = MergeTree ORDER BY a SETTINGS "
                                     "non_replicated_deduplication_window = 100"}));
  NativeBlock native(1'500'000);
  native.fixed<uint64_t>("a", "UInt64", [](size_t i) { return i; });
  native.fixed<uint64_t>("cut", "UInt64", [](size_t) { return 1; });
  const std::string bytes = native.finish();
  ASSERT_TRUE(client.insert("big", "1-big-all", bytes));
  EXPECT_EQ(number("SELECT max(rows) FROM system.parts WHERE database = currentDatabase() AND table = 'big'"),
            1'500'000U);
  ASSERT_TRUE(client.insert("big", "1-big-all", bytes));
  EXPECT_EQ(number("SELECT count() FROM big"), 1'500'000U);
}

// Hazard: the window of tokens counts parts and forgets. A replay asks for the cut first.
TEST_F(ExactlyOnce, AReplayDoesNotRestOnTheWindow) {
  ASSERT_TRUE(client.execute({.sql = "ALTER TABLE logs MODIFY SETTING non_replicated_deduplication_window = 2"}));
  for (uint64_t cut = 1; cut <= 8; ++cut) ASSERT_TRUE(client.insert(logs_block(cut, 10)[0]));
  for (uint64_t cut = 1; cut <= 8; ++cut) replay(logs_block(cut, 10)[0]);
  EXPECT_EQ(rows(), 80U);
  ASSERT_TRUE(client.insert(logs_block(1, 10)[0]));  // the hazard: without asking
  EXPECT_EQ(rows(), 90U);
}

TEST_F(ExactlyOnce, ACutIsFoundAfterMergesToo) {
  for (uint64_t cut = 1; cut <= 5; ++cut) ASSERT_TRUE(client.insert(logs_block(cut, 10)[0]));
  ASSERT_TRUE(client.execute({.sql = "OPTIMIZE TABLE logs FINAL"}));
  const std::string partition = logs_block(1, 1)[0].partition;
  for (uint64_t cut = 1; cut <= 6; ++cut) EXPECT_EQ(client.has_cut("logs", partition, cut).value(), cut <= 5);
}

// Hazard: rows of more than 100 partitions in one insert are refused for ever (Code 252). A block has one partition,
// and clamping bounds how many blocks there are.
TEST_F(ExactlyOnce, HostileTimesAreStoredLikeOthers) {
  model::Batch batch = logs_of("hostile");
  for (uint64_t i = 0; i < 3000; ++i) add_log(batch, now - static_cast<int64_t>(i) * 1'800 * nanos_per_s, "ancient");
  Described described;
  const StoredBatch stored{&batch, now, ""};
  size_t blocks = 0, stored_rows = 0;
  for (const Block& block : encode_blocks({&stored, 1}, 1, described)) {
    if (block.table != "logs" || blocks++ % 12 != 0) continue;  // some of them: each is an insert
    ASSERT_TRUE(client.insert(block));
    stored_rows += block.rows;
  }
  EXPECT_GT(blocks, 100U);
  EXPECT_EQ(rows(), stored_rows);
  EXPECT_GT(number("SELECT countIf(ts_sent != 0) FROM logs"), 1000U);  // all that was clamped is in one of them
}

TEST_F(ExactlyOnce, ABlockOfTwoPartitionsIsRefusedForGood) {
  NativeBlock native(2);
  native.fixed<int64_t>("ts", "DateTime64(9, 'UTC')",
                        [](size_t i) { return now + static_cast<int64_t>(i) * 7 * 3600 * nanos_per_s; });
  const Status refused = client.insert("logs", "x", native.finish());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument) << refused.error().message;
}

// Hazard checked: a failed insert must leave nothing, so that the same token then stores everything.
TEST_F(ExactlyOnce, AfterAFailureTheSameTokenStoresAll) {
  const Block block = logs_block(1, 5000)[0];
  io::HttpRequest request{.method = "POST", .target = {}, .headers = {}, .body = block.native};
  request.target = "/?database=" + client.options().database +
                   "&query=INSERT+INTO+logs+FORMAT+Native&insert_deduplication_token=" + block.token +
                   "&async_insert=0";
  const std::string bounded = request.target + "&max_memory_usage=16777216&max_untracked_memory=0";
  const auto send = [&](std::string target, std::string_view body) {
    request.target = std::move(target);
    request.body = body;
    return shared_engine().http.request(shared_engine().endpoint(), request, {.timeout_ms = 30'000}).value().status;
  };
  std::string big_body(48 << 20, 'x');  // more than the bound in one row
  NativeBlock big(1);
  big.fixed<int64_t>("ts", "DateTime64(9, 'UTC')", [](size_t) { return now; });
  big.text("body", [&](size_t) { return std::string_view(big_body); });
  EXPECT_EQ(send(bounded, big.finish()), 500);                                            // memory
  EXPECT_NE(send(request.target, block.native.substr(0, block.native.size() / 2)), 200);  // broken rows
  EXPECT_EQ(rows(), 0U);
  ASSERT_TRUE(client.insert(block));
  ASSERT_TRUE(client.insert(block));
  EXPECT_EQ(rows(), 5000U);
}

// Hazard: a token is written down before its rows are published. When the engine is killed in between, it answers ok to
// all that comes under the token, and stores nothing. (Here the rows are deleted; their token stays known as well.)
TEST_F(ExactlyOnce, AKnownTokenWithoutItsRowsDoesNotSwallowThem) {
  const Block block = logs_block(1, 10)[0];
  ASSERT_TRUE(client.insert(block));
  ASSERT_TRUE(client.execute({.sql = "ALTER TABLE logs DELETE WHERE cut = 1"}));
  while (rows() > 0) usleep(10'000);
  ASSERT_TRUE(client.insert(block));
  EXPECT_EQ(rows(), 0U);  // the hazard
  EXPECT_FALSE(client.has_cut(block.table, block.partition, 1).value());
  EXPECT_FALSE(client.is_inserting(block.token).value());
  ASSERT_TRUE(client.insert(block.table, block.token + "-2", block.native));
  EXPECT_EQ(rows(), 10U);
}

TEST_F(ExactlyOnce, AnInsertUnderWayIsSeen) {
  ASSERT_TRUE(
      client.execute({.sql = "CREATE TABLE slow (a UInt64, b UInt8 DEFAULT sleepEachRow(0.05)) ENGINE = MergeTree "
                             "ORDER BY a"}));
  NativeBlock native(40);
  native.fixed<uint64_t>("a", "UInt64", [](size_t) { return 1; });
  const std::string bytes = native.finish();
  std::thread inserter([&] { (void)client.insert("slow", "slow-1", bytes); });
  bool seen = false;
  for (int i = 0; i < 500 && !seen; ++i) {
    seen = client.is_inserting("slow-1").value();
    EXPECT_FALSE(client.is_inserting("slow-2").value());
    usleep(2'000);
  }
  inserter.join();
  EXPECT_TRUE(seen);
  EXPECT_FALSE(client.is_inserting("slow-1").value());
}

// Nobody asks whether a dictionary is in: so another life of the process tells it under a token of its own.
TEST_F(ExactlyOnce, ADictionaryIsToldAgainByTheNextLife) {
  model::Batch batch = points_of("exact", "m");
  add_point(batch, now, 1);
  const std::vector<ingest::StoredBatch> stored = {{&batch, now, ""}};
  const auto token = [&](UnixNanos life) {
    for (const ingest::Block& b : IngestSink(client, life).encode(stored, 1).value())
      if (b.table == "series") return b.token;
    return std::string();
  };
  EXPECT_NE(token(1), token(2));
}

// Hazard: after DROP PARTITION its tokens are forgotten and a replay brings the rows back. Only what is not yet
// acknowledged is ever replayed, and retention drops it again.
TEST_F(ExactlyOnce, WhatIsReplayedAfterADropIsDroppedAgain) {
  const Block block = logs_block(1, 10, now - 10 * 86'400 * nanos_per_s)[0];
  const RetentionPolicy week{.max_age_ms = 7LL * 86'400'000};
  ASSERT_TRUE(client.insert(block));
  ASSERT_TRUE(apply_retention(client, week, now));
  EXPECT_EQ(rows(), 0U);
  replay(block);
  EXPECT_EQ(rows(), 10U);
  ASSERT_TRUE(apply_retention(client, week, now));
  EXPECT_EQ(rows(), 0U);
}

// Hazard: a materialised view may have a block that its source has not, or the other way round. We have none.
TEST_F(ExactlyOnce, NoTableIsFilledBehindOurBack) {
  EXPECT_EQ(
      number("SELECT count() FROM system.tables WHERE engine = 'MaterializedView' AND database = currentDatabase()"),
      0U);
}

TEST_F(ExactlyOnce, TheSinkTellsDictionariesAgainAfterAFailure) {
  IngestSink sink(client, now);
  model::Batch batch = points_of("exact", "m");
  add_point(batch, now, 1);
  const std::vector<ingest::StoredBatch> stored = {{&batch, now, ""}};
  const auto has_series = [](const std::vector<ingest::Block>& blocks) {
    return std::any_of(blocks.begin(), blocks.end(), [](const ingest::Block& b) { return b.table == "series"; });
  };
  EXPECT_TRUE(has_series(sink.encode(stored, 1).value()));
  std::vector<ingest::Block> second = sink.encode(stored, 2).value();
  EXPECT_FALSE(has_series(second));
  second[0].bytes = "garbage";
  const Status refused = sink.insert(second[0]);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument) << refused.error().message;
  EXPECT_TRUE(has_series(sink.encode(stored, 3).value()));
}

TEST(Supervisor, AnEngineThatIsKilledComesBackWithItsData) {
  Engine engine;
  ASSERT_TRUE(engine.supervisor.wait_ready(60'000)) << engine.supervisor.state().reason;
  ASSERT_TRUE(migrate(engine.client));
  uint64_t cut = 0;
  for (int round = 0; round < 2; ++round) {
    const pid_t pid = engine.supervisor.state().pid;
    ASSERT_TRUE(engine.client.insert(logs_block(++cut, 100)[0]));
    const Block during = logs_block(++cut, 100)[0];
    std::thread inserter([&] { (void)engine.client.insert(during); });
    kill(pid, SIGKILL);
    inserter.join();
    while (engine.supervisor.state().pid == pid || !engine.supervisor.state().ready) usleep(10'000);
    if (!engine.client.has_cut("logs", during.partition, during.cut).value()) ASSERT_TRUE(engine.client.insert(during));
    EXPECT_EQ(engine.number("SELECT count() FROM logs"), cut * 100);
  }
  EXPECT_EQ(engine.supervisor.state().starts, 3U);
  engine.supervisor.stop();
  EXPECT_EQ(engine.supervisor.state().pid, 0);
}

}  // namespace
}  // namespace hs::store
