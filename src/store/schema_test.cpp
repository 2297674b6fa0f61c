#include "store/schema.h"

#include <gtest/gtest.h>

#include "store/block.h"
#include "store/test_batches.h"
#include "store/test_engine.h"

namespace hs::store {
namespace {

using namespace test;  // NOLINT: builders

TEST(Schema, VersionsAscendFromOne) {
  uint32_t version = 0;
  for (const Migration& migration : migrations()) EXPECT_EQ(migration.version, ++version);
}

// A store of the first version, with data, comes to the newest and keeps them.
TEST(Schema, MigratesFromTheFirstVersion) {
  Client client = shared_engine().client.in_database("from_first");
  ASSERT_EQ(schema_version(client).value(), 0U);
  ASSERT_TRUE(migrate(client, 1));
  EXPECT_EQ(schema_version(client).value(), 1U);
  constexpr UnixNanos now = 1'767'333'605LL * nanos_per_s;
  model::Batch batch = logs_of("old");
  add_log(batch, now, "kept");
  Described described;
  const StoredBatch stored{&batch, now, ""};
  for (const Block& block : encode_blocks({&stored, 1}, 1, described)) ASSERT_TRUE(client.insert(block));
  const Status done = migrate(client);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(schema_version(client).value(), migrations().back().version);
  EXPECT_TRUE(migrate(client));  // again: nothing to do
  const auto rows =
      client.collect({.sql = "SELECT Body, ServiceName, ResourceAttributes['service.name'] AS s FROM otel_logs"});
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 1U);
  EXPECT_EQ((*rows)[0].find("Body")->text(0), "kept");
  EXPECT_EQ((*rows)[0].find("s")->text(0), "old");
}

// Killed between a migration's statements and the row that says that it is done: it is done once more.
TEST(Schema, AMigrationThatWasCutOffIsDoneAgain) {
  Client client = shared_engine().client.in_database("cut_off");
  for (const Migration& migration : migrations()) {
    if (migration.version > 1) ASSERT_TRUE(migrate(client, migration.version - 1));
    if (migration.version == 1) continue;  // its database is made by migrate()
    for (const std::string_view statement : migration.statements) {
      const Status done = client.execute({.sql = statement});
      ASSERT_TRUE(done) << done.error().message;
    }
  }
  ASSERT_TRUE(migrate(client));
  EXPECT_EQ(schema_version(client).value(), migrations().back().version);
}

TEST(Schema, AStoreOfTheFutureIsRefused) {
  Client client = shared_engine().client.in_database("from_future");
  ASSERT_TRUE(migrate(client, 1));
  ASSERT_TRUE(client.execute({.sql = "INSERT INTO schema_version (version) SELECT 1000"}));
  const Status refused = migrate(client);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::conflict);
}

TEST(Schema, StandardViewsAnswer) {
  constexpr UnixNanos now = 1'767'333'605LL * nanos_per_s;
  model::Batch spans = spans_of("views");
  add_span(spans, 4, 0x0102, 0, now);
  model::Batch sums = points_of("views", "views.sum", model::MetricKind::sum);
  sums.points.metrics[0].monotonic = true;
  add_int(sums, now, 5);
  model::Batch gauges = points_of("views", "views.gauge");
  add_point(gauges, now, 2.5);
  Described described;
  const std::vector<StoredBatch> stored = {{&spans, now, ""}, {&sums, now, ""}, {&gauges, now, ""}};
  for (const Block& block : encode_blocks(stored, 900, described)) ASSERT_TRUE(shared_engine().client.insert(block));
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(TraceId, SpanId, ParentSpanId, SpanName, SpanKind, StatusCode, "
                                 "ScopeName, ResourceAttributes['service.name'])) FROM otel_traces "
                                 "WHERE ServiceName = 'views'"),
            "('ab000000000000000000000000000004','0000000000000102','','GET /','Server','Unset','library','views')");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(MetricName, Value, IsMonotonic, AggregationTemporality, "
                                 "ScopeName)) FROM otel_metrics_sum WHERE ServiceName = 'views'"),
            "('views.sum',5,true,0,'library')");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(MetricName, Value)) FROM otel_metrics_gauge "
                                 "WHERE ServiceName = 'views'"),
            "('views.gauge',2.5)");
  for (const std::string_view view : {"histogram", "exponential_histogram", "summary"}) {
    const std::string sql = "SELECT count() FROM otel_metrics_" + std::string(view) + " WHERE Count > 1000000";
    EXPECT_EQ(shared_engine().number(sql), 0U) << view;
  }
}

}  // namespace
}  // namespace hs::store
