#include "store/block.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "store/rows.h"
#include "store/test_batches.h"
#include "store/test_engine.h"

namespace hs::store {
namespace {

using namespace test;  // NOLINT: builders

constexpr UnixNanos now = 1'767'333'600LL * nanos_per_s + 5 * nanos_per_s;  // 2026-01-02 06:00:05, a partition's start

std::vector<Block> encode(const model::Batch& batch, uint64_t cut = 7, std::string_view tenant = "") {
  Described described;
  const StoredBatch stored{&batch, now, tenant};
  return encode_blocks({&stored, 1}, cut, described);
}

const Block* find(const std::vector<Block>& blocks, std::string_view table) {
  for (const Block& b : blocks) {
    if (b.table == table) return &b;
  }
  return nullptr;
}

void store(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    const Status done = shared_engine().client.insert(block);
    ASSERT_TRUE(done) << block.table << ": " << done.error().message;
  }
}

TEST(Block, ClampsTimesThatNobodyMeans) {
  EXPECT_EQ(clamp_time(now, now).ts, now);
  EXPECT_EQ(clamp_time(now, now).sent, 0);
  EXPECT_EQ(clamp_time(1, now).ts, now - time_past_max_ns);
  EXPECT_EQ(clamp_time(1, now).sent, 1);
  EXPECT_EQ(clamp_time(INT64_MAX, now).ts, now + time_future_max_ns);
  EXPECT_EQ(clamp_time(INT64_MIN, now).sent, INT64_MIN);
}

TEST(Block, PartitionsAreSixHoursOfUtc) {
  EXPECT_EQ(partition_of(now), 1'767'333'600);
  EXPECT_EQ(partition_of(now - 6 * nanos_per_s), 1'767'333'600 - partition_s);
  EXPECT_EQ(partition_of(-1), -partition_s);
}

TEST(Block, StoresWhatIsKeptAndForHowManyItStands) {
  model::Batch batch = spans_of("shop");
  for (uint8_t i = 1; i <= 3; ++i) add_span(batch, i, i, 0, now);
  batch.spans.trace_state[2] = "a=b";
  const std::array<uint8_t, 3> codes = {model::Kept::dropped, model::Kept::whole, model::Kept::first_threshold};
  const std::array<uint64_t, 1> thresholds = {model::threshold_for(0.5)};
  Described described;
  const StoredBatch stored{&batch, now, "", {codes, thresholds}};
  const std::vector<Block> blocks = encode_blocks({&stored, 1}, 7, described);
  ASSERT_NE(find(blocks, "spans"), nullptr);
  NativeReader reader;
  std::vector<ResultBlock> read;
  ASSERT_TRUE(reader.feed(find(blocks, "spans")->native, read) && reader.finish(read));
  ASSERT_EQ(read.at(0).rows, 2U);
  EXPECT_EQ(read[0].find("span_id")->u64(0), 2U);
  EXPECT_EQ(read[0].find("trace_state")->text(0), "");
  EXPECT_EQ(read[0].find("trace_state")->text(1), "ot=th:8,a=b");
  EXPECT_EQ(find(blocks, "trace_parts")->rows, 2U);

  const std::array<uint8_t, 3> nothing = {};
  const StoredBatch none{&batch, now, "", {nothing, {}}};
  EXPECT_TRUE(encode_blocks({&none, 1}, 8, described).empty());
}

TEST(Block, OneBlockATableAndPartition) {
  model::Batch batch = spans_of("shop");
  add_span(batch, 1, 1, 0, now);
  add_span(batch, 1, 2, 1, now - 10 * nanos_per_s);  // the partition before
  add_span(batch, 2, 3, 0, now);
  const std::vector<Block> blocks = encode(batch);
  std::set<std::string> tokens;
  for (const Block& b : blocks) tokens.insert(b.token);
  EXPECT_EQ(tokens.size(), blocks.size());
  uint64_t spans = 0, traces = 0;
  for (const Block& b : blocks) {
    if (b.table == "spans") spans += b.rows;
    if (b.table == "trace_parts") traces += b.rows;
  }
  EXPECT_EQ(spans, 3);
  EXPECT_EQ(traces, 3);  // trace 1 in both partitions
}

TEST(Block, HostileTimesCannotMakeUnboundedPartitions) {
  model::Batch batch = spans_of("shop");
  for (uint64_t i = 0; i < 5000; ++i) add_span(batch, 1, i, 0, static_cast<int64_t>(i * 0x9E3779B97F4A7C15ULL));
  std::set<std::string> partitions;
  for (const Block& b : encode(batch)) partitions.insert(b.partition);
  EXPECT_LE(partitions.size(), (time_past_max_ns + time_future_max_ns) / nanos_per_s / partition_s + 2);
}

TEST(Block, SameInputSameBytes) {
  model::Batch batch = points_of("shop", "requests");
  for (int i = 0; i < 100; ++i) add_int(batch, now + i, i);
  const std::vector<Block> once = encode(batch), again = encode(batch);
  ASSERT_EQ(once.size(), again.size());
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(once[i].native, again[i].native);
    EXPECT_EQ(once[i].token, again[i].token);
  }
}

TEST(Block, DictionariesAreToldOnceAPartition) {
  model::Batch batch = points_of("shop", "requests");
  add_int(batch, now, 1);
  Described described;
  const StoredBatch stored{&batch, now, ""};
  EXPECT_NE(find(encode_blocks({&stored, 1}, 1, described), "series"), nullptr);
  EXPECT_EQ(find(encode_blocks({&stored, 1}, 2, described), "series"), nullptr);
  const StoredBatch other{&batch, now, "another tenant"};
  EXPECT_NE(find(encode_blocks({&other, 1}, 3, described), "resources"), nullptr);
  described.forget();
  EXPECT_NE(find(encode_blocks({&stored, 1}, 4, described), "series"), nullptr);
}

TEST(Series, IdsLieTogetherByMetricAndDependOnContentAlone) {
  model::Batch a = points_of("shop", "requests"), b = points_of("shop", "requests"), c = points_of("shop", "errors");
  for (model::Batch* batch : {&a, &b, &c}) add_int(*batch, now, 1);
  const model::Attribute x{"route", "/cart"}, y{"code", "200", model::ValueType::integer};
  for (const auto& [batch, first, second] : {std::tuple{&a, x, y}, std::tuple{&b, y, x}}) {
    batch->points.attributes = {};
    batch->points.attributes.push(first);
    batch->points.attributes.push(second);
    batch->points.attributes.end_row();
  }
  EXPECT_EQ(series_id("", a, 0), series_id("", b, 0));  // the order of attributes is no content
  EXPECT_NE(series_id("", a, 0), series_id("other", a, 0));
  const SeriesRange range = series_range("requests");
  EXPECT_LE(range.first, series_id("", a, 0));
  EXPECT_GE(range.last, series_id("", a, 0));
  EXPECT_NE(series_id("", c, 0) >> 48, series_id("", a, 0) >> 48);
  // Persistent: an id that changed would make a new series of every old one.
  EXPECT_EQ(series_id("", a, 0), 12462440981017654256U);
}

TEST(Store, SpansComeBackAsTheyWere) {
  model::Batch batch = spans_of("roundtrip");
  add_span(batch, 9, 77, 0, now, "GET /cart");
  model::Spans& s = batch.spans;
  s.attributes = {};
  s.attributes.push({"http.status", "503", model::ValueType::integer});
  s.attributes.push({"user", "x'\n\n;drop table spans"});
  s.attributes.end_row();
  s.status[0] = 2;
  s.status_message[0] = "boom";
  s.trace_state[0] = "a=b";
  s.events.time = {now + 1, now + 2};
  s.events.name = {"exception", "retry"};
  s.events.attributes.push({"exception.type", "E"});
  s.events.attributes.end_row();
  s.events.attributes.end_row();
  s.events.dropped_attributes = {0, 3};
  s.events.ends = {2};
  s.links.trace_id = {trace_of(1)};
  s.links.span_id = {5};
  s.links.trace_state = {"ts"};
  s.links.flags = {1};
  s.links.attributes.push({"kind", "follows"});
  s.links.attributes.end_row();
  s.links.dropped_attributes = {0};
  s.links.ends = {1};
  store(encode(batch, 100));
  EXPECT_EQ(shared_engine().text(
                "SELECT toString(tuple(toUnixTimestamp64Nano(ts), lower(hex(trace_id)), span_id, parent_id, service, "
                "name, kind, status, status_message, trace_state, flags, duration, attrs, attr_types, cut, ts_sent)) "
                "FROM spans WHERE service = 'roundtrip'"),
            "(1767333605000000000,'ab000000000000000000000000000009',77,0,'roundtrip','GET /cart',2,2,'boom','a=b',1,"
            "1500000,{'http.status':'503','user':'x\\'\\n\\n;drop table spans'},'is',100,0)");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(`events.name`, `events.attrs`, `events.attr_types`, "
                                 "`events.dropped`, arrayMap(t -> toUnixTimestamp64Nano(t), `events.ts`), "
                                 "`links.span_id`, `links.trace_state`, `links.attrs`)) FROM spans "
                                 "WHERE service = 'roundtrip'"),
            "(['exception','retry'],[{'exception.type':'E'},{}],['s',''],[0,3],"
            "[1767333605000000001,1767333605000000002],[5],['ts'],[{'kind':'follows'}])");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(spans, errors, root_service, root_name, services)) FROM traces "
                                 "WHERE trace_id = unhex('ab000000000000000000000000000009')"),
            "(1,1,'roundtrip','GET /cart',['roundtrip'])");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(attrs, attr_types)) FROM resources "
                                 "WHERE service = 'roundtrip'"),
            "({'host.cpus':'4','service.name':'roundtrip'},'is')");
}

TEST(Store, LogsKeepTheirTypesAndWhatTheSenderSaid) {
  model::Batch batch = logs_of("logroundtrip");
  add_log(batch, now, "hello needle-7f3a9c51d2");
  add_log(batch, 0, "[{\"intValue\":\"1\"}]");
  batch.logs.body_type[1] = model::ValueType::array;
  add_log(batch, 42, "ancient");
  store(encode(batch, 101));
  EXPECT_EQ(
      shared_engine().text("SELECT toString(groupArray(tuple(toUnixTimestamp64Nano(ts), ts_sent, char(body_type), "
                           "body))) FROM (SELECT * FROM logs WHERE service = 'logroundtrip' ORDER BY body)"),
      "[(1767333605000000000,-1,'a','[{\"intValue\":\"1\"}]'),(1764741605000000000,42,'s','ancient'),"
      "(1767333605000000000,0,'s','hello needle-7f3a9c51d2')]");
}

TEST(Store, IntegersStayExact) {
  model::Batch batch = points_of("ints", "ints.metric", model::MetricKind::sum);
  const std::vector<int64_t> values = {0, -1, (1LL << 53) + 1, INT64_MAX, INT64_MIN, INT64_MAX - 1};
  for (size_t i = 0; i < values.size(); ++i) add_int(batch, now + static_cast<int64_t>(i), values[i]);
  store(encode(batch, 102));
  EXPECT_EQ(
      shared_engine().text("SELECT toString(groupArray(toInt64(toInt128(value) + int_rest))) FROM (SELECT * FROM "
                           "samples WHERE series_id IN (SELECT series_id FROM series WHERE metric = 'ints.metric') "
                           "ORDER BY ts)"),
      "[0,-1,9007199254740993,9223372036854775807,-9223372036854775808,9223372036854775806]");
}

TEST(Store, DistributionsAndExemplars) {
  model::Batch batch = points_of("dist", "dist.metric", model::MetricKind::histogram);
  add_point(batch, now, 0);
  model::Distribution d;
  d.count = 3;
  d.sum = 1.5;
  d.has_sum = true;
  d.bounds = {1, 2};
  d.counts = {1, 1, 1};
  batch.points.distributions.push_back(d);
  batch.points.distribution[0] = 0;
  model::Exemplars& e = batch.points.exemplars;
  e.point = {0};
  e.time = {now - 1};
  e.value = {0.25};
  e.int_value = {0};
  e.is_int = {0};
  e.trace_id = {trace_of(3)};
  e.span_id = {8};
  e.attributes.push({"k", "v"});
  e.attributes.end_row();
  store(encode(batch, 103));
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(kind, count, sum, has, bounds, counts, positive_counts)) FROM "
                                 "distributions WHERE cut = 103"),
            "(3,3,1.5,1,[1,2],[1,1,1],[])");
  EXPECT_EQ(shared_engine().text("SELECT toString(tuple(value, span_id, attrs, point_ts - ts > 0)) FROM exemplars "
                                 "WHERE cut = 103"),
            "(0.25,8,{'k':'v'},1)");
}

TEST(Store, WhatIsStoredTwiceIsThereOnce) {
  model::Batch batch = spans_of("twice");
  for (uint64_t i = 0; i < 50; ++i) add_span(batch, static_cast<uint8_t>(i), i + 1, 0, now);
  const std::vector<Block> blocks = encode(batch, 104);
  store(blocks);
  store(blocks);
  EXPECT_EQ(shared_engine().number("SELECT count() FROM spans WHERE cut = 104"), 50);
  EXPECT_EQ(shared_engine().number("SELECT sum(spans) FROM trace_parts WHERE cut = 104"), 50);
  EXPECT_TRUE(shared_engine().client.has_cut("spans", blocks[0].partition, 104).value());
  EXPECT_FALSE(shared_engine().client.has_cut("spans", blocks[0].partition, 105).value());
  EXPECT_FALSE(shared_engine().client.has_cut("spans", "0", 104).value());
}

TEST(Store, FacetsAndTenants) {
  model::Batch batch = logs_of("facets");
  add_log(batch, now, "x");
  batch.logs.attributes = {};
  batch.logs.attributes.push({"color", "red"});
  batch.logs.attributes.end_row();
  store(encode(batch, 105, "acme"));
  EXPECT_EQ(shared_engine().text("SELECT toString(groupArray((level, key, value, count))) FROM (SELECT * FROM facets "
                                 "WHERE tenant = 'acme' ORDER BY key)"),
            "[(2,'color','red',1),(1,'host.cpus','4',1),(1,'service.name','facets',1)]");
  EXPECT_EQ(shared_engine().text("SELECT tenant FROM logs WHERE cut = 105"), "acme");
}

}  // namespace
}  // namespace hs::store
