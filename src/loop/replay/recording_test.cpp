#include "loop/replay/recording.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/archive.h"

namespace hs::loop::replay {
namespace {

Item round_trip(const Item& item) {
  std::string bytes;
  encode(item, bytes);
  std::string_view left = bytes;
  auto back = take(left);
  EXPECT_TRUE(back) << back.error().message;
  EXPECT_TRUE(back && *back && left.empty());
  std::string again;
  encode(**back, again);
  EXPECT_EQ(again, bytes);
  return **back;
}

stream::Frame frame() {
  stream::Frame f{.tick = 1'700'000'000'123'456'789};
  stream::Cell cell{.second = 1'700'000'000, .service = "pay", .operation = "POST /charge", .instance = "pay-1"};
  cell.peer = "db", cell.credential = "c", cell.count = 0.1 + 0.2,
  cell.self_ms = std::numeric_limits<double>::denorm_min();
  for (int i = 0; i < 50; ++i) cell.duration_ms.add(0.1 * i, 1.0 / 3);
  cell.examples = {{.trace = "0af7651916cd43dd8448eb211c80319c", .failed = true, .duration_ms = 31.5}};
  f.cells = {cell, {}};
  f.logs = {{.second = 7, .service = "pay", .severity = 17, .count = 2, .trace = "0af7651916cd43dd8448eb211c80319c"}};
  f.outcomes = {{.second = 7, .trace = UINT64_MAX, .unit = 1, .knob = "k", .revision = -5, .error = true}};
  f.kpis = {{.second = 1, .name = "orders", .numerator = 3}};
  f.changes = {{.second = 2, .service = "pay", .kind = "deploy", .detail = "v2"}};
  f.alerts_told = true;
  f.alerts = {
      {.id = "a@1", .name = "Slow", .service = "pay", .labels = "{}", .rule_from = "g", .value = 2, .since = 3}};
  f.service_credentials = {{"pay", "c"}};
  f.shed = 9;
  return f;
}

TEST(Recording, AFrameComesBackToTheLastBit) {
  const auto back = std::get<stream::Frame>(std::get<Event>(round_trip(Event{frame()})));
  const stream::Frame f = frame();
  ASSERT_EQ(back.cells.size(), 2U);
  EXPECT_EQ(back.tick, f.tick);
  EXPECT_EQ(back.cells[0].count, f.cells[0].count);
  EXPECT_EQ(back.cells[0].self_ms, f.cells[0].self_ms);
  EXPECT_EQ(back.cells[0].duration_ms.count(), f.cells[0].duration_ms.count());
  EXPECT_EQ(back.cells[0].duration_ms.quantile(0.9), f.cells[0].duration_ms.quantile(0.9));
  EXPECT_EQ(back.cells[0].examples.at(0).trace, f.cells[0].examples[0].trace);
  EXPECT_TRUE(back.cells[0].examples[0].failed);
  EXPECT_EQ(back.logs.at(0).trace, f.logs[0].trace);
  EXPECT_EQ(back.outcomes[0].trace, UINT64_MAX);
  EXPECT_EQ(back.outcomes[0].revision, -5);
  EXPECT_TRUE(back.outcomes[0].error);
  EXPECT_TRUE(back.alerts_told);
  EXPECT_EQ(back.alerts[0].service, "pay");
  EXPECT_EQ(back.alerts[0].since, 3);
  EXPECT_EQ(back.service_credentials, f.service_credentials);
}

TEST(Recording, EveryKindOfItemComesBack) {
  config::Knob knob{.key = "k", .type = config::KnobType::real, .base = 1.5};
  knob.min = 0.5, knob.variants = {true, int64_t{-3}, 2.5, std::string("x")}, knob.expect = {{.service = "s"}};
  Begin begin{.at = 5, .version = "1", .has_ledger = true, .ledger_index = 77, .snapshot = "{}"};
  begin.declarations.knobs = {knob};
  const auto back = std::get<Begin>(round_trip(begin));
  EXPECT_EQ(back.ledger_index, 77U);
  EXPECT_EQ(back.declarations.knobs.at(0).variants, knob.variants);
  EXPECT_EQ(back.declarations.knobs.at(0).min, 0.5);
  EXPECT_EQ(back.declarations.knobs.at(0).max, std::nullopt);
  const std::vector<Item> items = {Event{Started{.at = 1, .knobs = {{.knob = "k", .settled = false}}}},
                                   Event{Receipt{.deed = Deed::promoted, .change = "c", .revision = 3, .ok = true}},
                                   Event{ConfigChanged{.at = 2}},
                                   Event{Operator{.at = 3, .order = Order::forbid, .who = "ann"}},
                                   Event{Tick{4}},
                                   stream::RecentChange{.second = 1, .service = "s"},
                                   InjectedFault{.id = "f", .ended = 3},
                                   Settings::of(Policy{})};
  for (const Item& item : items) EXPECT_EQ(round_trip(item).index(), item.index());
}

TEST(Recording, DamageIsAnErrorAndAnUnfinishedItemIsNone) {
  std::string bytes;
  encode(Event{frame()}, bytes);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    std::string_view part = std::string_view(bytes).substr(0, cut);
    const auto taken = take(part);
    ASSERT_TRUE(taken && !*taken) << cut;
  }
  for (size_t at = 0; at < bytes.size(); ++at) {  // never a crash, never an allocation that the bytes do not carry
    std::string edited = bytes;
    edited[at] = static_cast<char>(edited[at] ^ 0xff);
    std::string_view view = edited;
    (void)take(view);
  }
  std::string_view endless = "\xff\xff\xff\xff\xff\xff\xff\xff";
  EXPECT_FALSE(take(endless));
}

TEST(Recording, TheBoundOfAnItemHolds) {
  archive::Writer writer;
  uint64_t size = item_bytes_max + 1;
  writer.number(size);
  std::string_view view = writer.out;
  EXPECT_FALSE(take(view));
  size = item_bytes_max;
  archive::Writer at_the_bound;
  at_the_bound.number(size);
  view = at_the_bound.out;
  EXPECT_TRUE(take(view));  // not whole yet
}

TEST(Replayer, AFreshLoopDoesTheSame) {
  Begin begin{.at = 1, .settings = Settings::of(Policy{})};
  std::vector<Item> items = {begin, Event{ConfigChanged{.at = 1}}, Event{Started{.at = 1}}};
  for (int i = 0; i < 3; ++i) items.push_back(Event{Operator{.at = i, .order = Order::stop, .who = "ann"}});
  Replayer one, other;
  size_t records = 0;
  for (const Item& item : items) {
    const auto a = one.feed(item), b = other.feed(round_trip(item));
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(std::get<Record>(a[i]).json, std::get<Record>(b[i]).json);
    records += a.size();
  }
  EXPECT_EQ(records, 3U);
}

}  // namespace
}  // namespace hs::loop::replay
