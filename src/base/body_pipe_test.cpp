#include "base/body_pipe.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace hs::http {
namespace {

Result<std::string> next(BodySource& source) {
  std::promise<Result<std::string>> promise;
  source.next([&](Result<std::string> piece) { promise.set_value(std::move(piece)); });
  return promise.get_future().get();
}

TEST(BodyPipe, PiecesArriveInOrderThenTheEnd) {
  auto [writer, source] = make_body_pipe();
  EXPECT_TRUE(writer.write("a"));
  EXPECT_TRUE(writer.write("b"));
  EXPECT_EQ(*next(*source), "ab");
  EXPECT_TRUE(writer.write("c"));
  EXPECT_TRUE(writer.write(""));
  writer.finish();
  EXPECT_EQ(*next(*source), "c");
  EXPECT_EQ(*next(*source), "");
}

TEST(BodyPipe, AProducerWaitsForRoom) {
  auto pipe = make_body_pipe(4);
  std::thread producer([writer = std::move(pipe.writer)]() mutable {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(writer.write("abcd"));
    writer.finish();
  });
  std::string all;
  while (true) {
    const auto piece = next(*pipe.source);
    ASSERT_TRUE(piece);
    EXPECT_LE(piece->size(), 4u);
    if (piece->empty()) break;
    all += *piece;
  }
  producer.join();
  EXPECT_EQ(all.size(), 400u);
}

TEST(BodyPipe, AReaderThatGoesFreesTheProducer) {
  auto pipe = make_body_pipe(1);
  ASSERT_TRUE(pipe.writer.write("full"));
  std::thread producer([&] { EXPECT_FALSE(pipe.writer.write("never sent")); });
  pipe.source.reset();
  producer.join();
}

TEST(BodyPipe, AWriterThatVanishesBreaksTheBodyOff) {
  auto pipe = make_body_pipe();
  {
    const BodyWriter gone = std::move(pipe.writer);
  }
  EXPECT_FALSE(next(*pipe.source));
}

TEST(BodyPipe, WhatWasWrittenBeforeAFailureIsStillSent) {
  auto [writer, source] = make_body_pipe();
  writer.write("half");
  writer.fail({Code::unavailable, "the engine went away", 0});
  EXPECT_EQ(*next(*source), "half");
  EXPECT_EQ(next(*source).error().code, Code::unavailable);
}

}  // namespace
}  // namespace hs::http
