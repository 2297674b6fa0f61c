// Its bounds: sizes, slow clients, numbers of connections; each is told to the client.

#include <chrono>
#include <mutex>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/test_server.h"

namespace hs::net {
namespace {

using http::Done;
using http::Request;
using http::Response;

TEST(HttpServer, LimitsOfHeaderAndBody) {
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  const auto server = start(echo, options);
  const std::string long_header = fmt::format("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", std::string(17'000, 'a'));
  EXPECT_TRUE(ask(*server, long_header).starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(ask(*server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n").starts_with("HTTP/1.1 413"));
  const std::string chunk =
      fmt::format("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{}\r\n1\r\na\r\n",
                  std::string(1000, 'b'));
  const std::string answer = ask(*server, chunk);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413")) << answer;
  EXPECT_NE(answer.find("\"too_large\""), std::string::npos);
  const std::string extension =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'e');
  EXPECT_TRUE(ask(*server, extension).starts_with("HTTP/1.1 413"));
}

TEST(HttpServer, AClientThatGoesOnSendingStillReadsItsRefusal) {
  HttpServerOptions options;
  options.body_bytes_max = 1000;
  const auto server = start(echo, options);
  const std::string body(8 * 1024 * 1024, 'x');
  HttpClient client;
  const auto answer = client.request(server->address(), {.method = "POST", .body = body}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
}

TEST(HttpServer, AllBodiesTogetherHaveABound) {
  HttpServerOptions options;
  options.all_bodies_bytes_max = 100'000;
  std::mutex mutex;
  std::vector<Done> waiting;
  const auto server = start(
      [&](const Request&, const Done& done) {
        const std::lock_guard lock(mutex);
        waiting.push_back(done);
      },
      options);
  const std::string body(60'000, 'x');
  const std::string request = fmt::format("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{}", body);
  const auto arrived = [&](size_t n, int tries) {
    for (int i = 0; i < tries; ++i) {
      if (const std::lock_guard lock(mutex); waiting.size() >= n) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  };
  RawClient first(server->address());
  first.send(request);
  ASSERT_TRUE(arrived(1, 30'000));
  const std::string refused = ask(*server, request);
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503")) << refused;
  EXPECT_NE(refused.find("Retry-After: 1"), std::string::npos);
  waiting.front()(Response::text(200, "first;"));
  first.read_until("first;");
  std::optional<RawClient> third;
  for (int i = 0; i < 20; ++i) {  // what the first took is free a moment after its answer
    third.emplace(server->address());
    third->send(request);
    if (arrived(2, 500)) break;
  }
  ASSERT_TRUE(arrived(2, 500));
  waiting.back()(Response::text(200, "third;"));
  EXPECT_EQ(third->read_until("third;").substr(0, 12), "HTTP/1.1 200");
}

TEST(HttpServer, SlowClientsAreClosed) {
  HttpServerOptions options;
  options.header_timeout_ms = 300;
  options.body_progress_timeout_ms = 300;
  options.idle_timeout_ms = 300;
  const auto server = start(echo, options);
  RawClient silent(server->address()), header(server->address()), body(server->address()), idle(server->address());
  header.send("GET / HTT");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  idle.send(get);
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_EQ(header.read_to_end(), "");
  EXPECT_EQ(body.read_to_end(), "");
  EXPECT_TRUE(idle.read_to_end().ends_with("GET /a 0\n"));
}

TEST(HttpServer, ABodyThatTricklesHasALimitAsAWhole) {
  HttpServerOptions options;
  options.body_timeout_ms = 500;
  const auto server = start(echo, options);
  RawClient client(server->address());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  int sent = 0;
  while (client.send("x")) {  // each byte is progress, but the whole takes too long
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ASSERT_LT(++sent, 10'000);
  }
}

TEST(HttpServer, AReaderThatStopsReadingIsClosed) {
  HttpServerOptions options;
  options.write_progress_timeout_ms = 300;
  const auto server =
      start([](const Request&, const Done& done) { done(Response::text(200, std::string(64 << 20, 'x'))); }, options);
  RawClient client(server->address());
  client.send(get);
  while (server->connections() == 0) std::this_thread::yield();
  while (server->connections() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

TEST(HttpServer, TooManyConnectionsAreTold) {
  HttpServerOptions options;
  options.connections_max = 2;
  const auto server = start(echo, options);
  RawClient a(server->address()), b(server->address());
  a.send(get);
  b.send(get);
  a.read_until("GET /a 0\n");
  b.read_until("GET /a 0\n");
  RawClient c(server->address());
  EXPECT_TRUE(c.read_to_end().starts_with("HTTP/1.1 503"));
  a.close();
  while (server->connections() == 2) std::this_thread::yield();
  EXPECT_TRUE(ask(*server, get_and_close).starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace hs::net
