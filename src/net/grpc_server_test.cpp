#include "net/grpc_server.h"

#include <atomic>
#include <condition_variable>
#include <thread>

#include <gtest/gtest.h>
#include <protozero/pbf_reader.hpp>

#include "net/http_client.h"
#include "net/test_grpc.h"

namespace hs::net {
namespace {

std::unique_ptr<GrpcServer> start(rpc::Methods methods, GrpcServerOptions options = {}) {
  options.listen = *io::parse_endpoint("127.0.0.1:0");
  auto server = GrpcServer::start(options, std::move(methods));
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

TEST(GrpcServer, EchoesPlainAndCompressed) {
  const auto server = start(echo_methods());
  EXPECT_EQ(call(server->address(), echo_method, "hello").message, ":hello:m");
  const std::string text(500, 'a');
  EXPECT_EQ(call(server->address(), echo_method, text, GRPC_COMPRESS_GZIP).message, "gzip:" + text + ":m");
  EXPECT_EQ(call(server->address(), echo_method, text, GRPC_COMPRESS_DEFLATE).message, "deflate:" + text + ":m");
  EXPECT_EQ(call(server->address(), echo_method, "").message, "::m");
}

TEST(GrpcServer, ABombIsTheHandlersToRefuse) {
  const auto server = start(echo_methods());
  const auto out = call(server->address(), echo_method, std::string(50'000'000, 'a'), GRPC_COMPRESS_GZIP);
  EXPECT_EQ(out.status.error_code(), grpc::INVALID_ARGUMENT) << out.status.error_message();
  EXPECT_NE(out.status.error_message().find("larger than 1000 bytes"), std::string::npos);
}

TEST(GrpcServer, UnknownMethods) {
  const auto server = start(echo_methods());
  EXPECT_EQ(call(server->address(), "/test.Echo/Shout", "x").status.error_code(), grpc::UNIMPLEMENTED);
}

TEST(GrpcServer, MessagesHaveALimit) {
  GrpcServerOptions options;
  options.message_bytes_max = 100'000;
  const auto server = start(echo_methods(), options);
  const auto out = call(server->address(), echo_method, std::string(100'001, 'a'));
  EXPECT_EQ(out.status.error_code(), grpc::RESOURCE_EXHAUSTED) << out.status.error_message();
  EXPECT_EQ(call(server->address(), echo_method, "small").message, ":small:m");
}

TEST(GrpcServer, AllMessagesTogetherHaveABound) {
  GrpcServerOptions options;
  options.all_messages_bytes_max = 50;
  const auto server = start(echo_methods(), options);
  const auto out = call(server->address(), echo_method, std::string(51, 'a'));
  EXPECT_EQ(out.status.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_NE(out.status.error_details().find("RetryInfo"), std::string::npos);
  EXPECT_EQ(call(server->address(), echo_method, std::string(50, 'a')).status.error_code(), grpc::OK);
}

TEST(GrpcServer, ErrorsCarryDetails) {
  const auto server = start({{echo_method, [](const rpc::Request&, const rpc::Done& done) {
                                done(fail(Code::unavailable, "the journal is full", 2500));
                              }}});
  const auto out = call(server->address(), echo_method, "x");
  EXPECT_EQ(out.status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(out.status.error_message(), "the journal is full");
  const std::string details = out.status.error_details();
  protozero::pbf_reader status(details);
  ASSERT_TRUE(status.next(1));
  EXPECT_EQ(status.get_int32(), 14);
  ASSERT_TRUE(status.next(2));
  EXPECT_EQ(status.get_string(), "the journal is full");
  ASSERT_TRUE(status.next(3));
  auto any = status.get_message();
  ASSERT_TRUE(any.next(1));
  EXPECT_EQ(any.get_string(), "type.googleapis.com/google.rpc.RetryInfo");
  ASSERT_TRUE(any.next(2));
  auto retry = any.get_message();
  ASSERT_TRUE(retry.next(1));
  auto delay = retry.get_message();
  ASSERT_TRUE(delay.next(1));
  EXPECT_EQ(delay.get_int64(), 2);
  ASSERT_TRUE(delay.next(2));
  EXPECT_EQ(delay.get_int32(), 500'000'000);
}

TEST(GrpcServer, AHandlerThatForgetsOrThrows) {
  const auto server =
      start({{"/a/forgets", [](const rpc::Request&, const rpc::Done&) {}},
             {"/a/throws", [](const rpc::Request&, const rpc::Done&) { throw std::runtime_error("x"); }}});
  EXPECT_EQ(call(server->address(), "/a/forgets", "x").status.error_code(), grpc::INTERNAL);
  EXPECT_EQ(call(server->address(), "/a/throws", "x").status.error_code(), grpc::INTERNAL);
}

TEST(GrpcServer, AnswersFromOtherThreads) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  {
    const auto server = start({{echo_method, [&](rpc::Request request, const rpc::Done& done) {
                                  const std::lock_guard lock(mutex);
                                  threads.emplace_back([request = std::move(request), done] { done(request.body); });
                                }}});
    std::vector<std::thread> callers;
    std::atomic<int> good = 0;
    for (int i = 0; i < 8; ++i)
      callers.emplace_back([&, i] {
        for (int k = 0; k < 20; ++k)
          if (call(server->address(), echo_method, std::to_string(i * 100 + k)).message == std::to_string(i * 100 + k))
            ++good;
      });
    for (auto& t : callers) t.join();
    EXPECT_EQ(good, 160);
  }
  for (auto& t : threads) t.join();
}

struct Held {
  std::mutex mutex;
  std::condition_variable changed;
  rpc::Done done;
  std::stop_token gone;
  rpc::Methods methods() {
    return {{echo_method, [this](const rpc::Request& request, const rpc::Done& d) {
               const std::lock_guard lock(mutex);
               done = d;
               gone = request.gone;
               changed.notify_all();
             }}};
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done != nullptr; });
  }
  bool arrived() {
    const std::lock_guard lock(mutex);
    return done != nullptr;
  }
};

TEST(GrpcServer, ACallerThatLeavesIsNoticedAndALateAnswerIsDropped) {
  Held held;
  const auto server = start(held.methods());
  while (!held.arrived()) {  // on a busy machine the deadline may pass before the call is there
    EXPECT_EQ(call(server->address(), echo_method, "x", GRPC_COMPRESS_NONE, 200).status.error_code(),
              grpc::DEADLINE_EXCEEDED);
  }
  while (!held.gone.stop_requested()) std::this_thread::yield();
  held.done(std::string("too late"));
}

TEST(GrpcServer, StopLetsACallFinish) {
  Held held;
  auto server = start(held.methods());
  Outcome out;
  std::thread caller([&] { out = call(server->address(), echo_method, "x"); });
  held.wait();
  std::thread stopper([&] { server->stop(60'000); });
  held.done(std::string("finished"));
  caller.join();
  stopper.join();
  EXPECT_EQ(out.message, "finished");
}

TEST(GrpcServer, StopDoesNotWaitForever) {
  Held held;
  auto server = start(held.methods());
  Outcome out;
  std::thread caller([&] { out = call(server->address(), echo_method, "x"); });
  held.wait();
  server->stop(50);
  server.reset();
  caller.join();
  EXPECT_FALSE(out.status.ok());
  held.done(std::string("too late"));
}

TEST(GrpcServer, ATakenPortIsAnError) {
  const auto server = start(echo_methods());
  const auto second = GrpcServer::start({.listen = server->address()}, echo_methods());
  EXPECT_FALSE(second);
}

TEST(GrpcServer, GarbageDoesNotHurtOthers) {
  const auto server = start(echo_methods());
  HttpClient client;
  const auto answer = client.request(server->address(), {.method = "POST", .body = "not http2"}, {.timeout_ms = 5'000});
  EXPECT_FALSE(answer.has_value() && answer->status == 200);
  EXPECT_EQ(call(server->address(), echo_method, "hello").message, ":hello:m");
}

}  // namespace
}  // namespace hs::net
