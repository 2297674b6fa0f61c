#include "ingest/shipments.h"

#include <gtest/gtest.h>

#include "ingest/world_for_test.h"

namespace hs::ingest {
namespace {

constexpr Hash128 stream_a{1, 2}, stream_b{3, 4};

TEST(Shipment, ItsTextIsReadBack) {
  const Shipment shipment{{0xabcdef, 0x12}, 18446744073709551615ULL, 18446744073709551600ULL};
  EXPECT_EQ(text_of(shipment),
            "stream=0000000000abcdef0000000000000012 number=18446744073709551615 "
            "oldest=18446744073709551600");
  EXPECT_EQ(*parse_shipment(text_of(shipment)), shipment);
  EXPECT_FALSE(parse_shipment("")->known());
}

TEST(Shipment, WhatIsNoShipmentIsRefused) {
  const std::string id(32, 'a');
  for (const std::string& text :
       {std::string("x"), "stream=" + id, "stream=" + id + " number=5", "stream=" + id + " number=5 oldest=6",
        "stream=" + id + " number=5 oldest=5 ", "stream=" + id + " number=-5 oldest=5",
        "stream=" + std::string(31, 'a') + " number=5 oldest=5",
        "stream=" + std::string(32, '0') + " number=5 oldest=5",
        "stream=" + id + " number=99999999999999999999 oldest=5",
        "stream=" + id + " number=5000 oldest=5"}) {  // more open at once than is remembered
    const auto parsed = parse_shipment(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
    EXPECT_NE(parsed.error().message.find("Homeostat-Shipment"), std::string::npos);
  }
}

TEST(Shipments, KnowsWhatIsBelowTheOldestAndWhatCameBeyond) {
  Shipments known(10);
  EXPECT_FALSE(known.is_durable("", {stream_a, 7, 5}));
  known.add("", {stream_a, 7, 5}, 1);
  EXPECT_TRUE(known.is_durable("", {stream_a, 7, 5}));
  EXPECT_TRUE(known.is_durable("", {stream_a, 4, 4}));  // the agent had done with it
  EXPECT_FALSE(known.is_durable("", {stream_a, 5, 5}));
  EXPECT_FALSE(known.is_durable("", {stream_a, 6, 5}));
  EXPECT_FALSE(known.is_durable("", {stream_b, 7, 5}));
  EXPECT_FALSE(known.is_durable("other", {stream_a, 7, 5}));
  known.add("", {stream_a, 9, 8}, 2);
  EXPECT_TRUE(known.is_durable("", {stream_a, 6, 5}));
  EXPECT_FALSE(known.is_durable("", {stream_a, 8, 8}));
}

TEST(Shipments, ASnapshotRestoresAllOfIt) {
  Shipments known(10);
  known.add("", {stream_a, 7, 5}, 1);
  known.add("t", {stream_b, 70, 70}, 2);
  Shipments other(10);
  other.add("", {stream_a, 6, 5}, 1);
  other.restore(known.snapshot());
  for (const uint64_t number : {4, 6, 7}) EXPECT_TRUE(other.is_durable("", {stream_a, number, 1}));
  EXPECT_FALSE(other.is_durable("", {stream_a, 5, 5}));
  EXPECT_TRUE(other.is_durable("t", {stream_b, 70, 70}));
  other.restore("\xff\xff");  // damage says nothing
  EXPECT_EQ(other.streams(), 2U);
}

TEST(Shipments, TheStreamThatWasUsedLongestAgoIsForgotten) {
  Shipments known(2);
  known.add("", {stream_a, 1, 1}, 1);
  known.add("", {stream_b, 1, 1}, 2);
  known.add("", {stream_a, 2, 2}, 3);
  known.add("", {{5, 6}, 1, 1}, 4);
  EXPECT_EQ(known.streams(), 2U);
  EXPECT_TRUE(known.is_durable("", {stream_a, 2, 2}));
  EXPECT_FALSE(known.is_durable("", {stream_b, 1, 1}));
}

struct ShipmentWorld : World {
  ShipmentWorld() : World(1) {}
  int answers = 0;
  void ship(std::string body, Shipment shipment) {
    Incoming incoming = incoming_of(std::move(body), clock.wall());
    incoming.shipment = shipment;
    model::Batch batch = *decode_numbers(incoming);
    ingest->append(std::move(incoming), std::move(batch),
                   [this](const Status& status) { answers += status.has_value(); });
  }
};

// A retry days later, after restarts, power cuts, and when nothing of the request is left in the journal.
TEST(Shipments, AreStoredOnceHoweverLateTheyAreRepeated) {
  ShipmentWorld w;
  ASSERT_TRUE(w.open());
  w.ship("1,2", {stream_a, 1, 1});
  w.ship("1,2", {stream_a, 1, 1});  // in flight
  w.ship("1,2", {stream_a, 2, 1});  // the same bytes, and another request
  w.settle();
  EXPECT_EQ(w.answers, 3);
  for (int i = 10; i < 60; ++i) {
    w.send(fmt::format("{}", i), [](const Status&) {});
    w.settle(5);
  }
  for (int life = 0; life < 3; ++life) {
    w.ingest.reset();
    w.disk.cut_power();
    w.clock.advance(86'400 * nanos_per_s);
    ASSERT_TRUE(w.open());
    w.settle(3);
    w.ship("1,2", {stream_a, 1, 1});
    w.ship("1,2", {stream_a, 2, 1});
    EXPECT_EQ(w.answers, 5 + 2 * life);  // at once
  }
  w.ship("3", {stream_a, 3, 3});
  w.settle();
  EXPECT_EQ(w.engine.stored().at(1), 2);
  EXPECT_EQ(w.engine.stored().at(2), 2);
  EXPECT_EQ(w.engine.stored().at(3), 1);
}

TEST(Shipments, WhatWasRefusedMayComeAgain) {
  ShipmentWorld w;
  ASSERT_TRUE(w.open());
  w.disk.set_faults({.sync_error = 1});
  w.ship("1", {stream_a, 1, 1});
  w.ingest->turn(Ingest::Crank::commit);
  EXPECT_EQ(w.answers, 0);
  w.disk.set_faults({});
  w.clock.advance(3 * nanos_per_s);
  w.settle(3);
  w.ship("1", {stream_a, 1, 1});
  w.settle();
  EXPECT_EQ(w.answers, 1);
  EXPECT_EQ(w.engine.stored().at(1), 1);
}

}  // namespace
}  // namespace hs::ingest
