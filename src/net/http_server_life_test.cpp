// Clients that leave, streams, stopping, and the addresses that it listens on.

#include <sys/stat.h>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "base/body_pipe.h"
#include "net/http_client.h"
#include "net/test_server.h"

namespace hs::net {
namespace {

using http::Done;
using http::Request;
using http::Response;

TEST(HttpServer, AHandlerThatForgetsOrThrowsAnswers500) {
  const auto server = start([](const Request& request, const Done&) {
    if (request.path == "/throw") throw std::runtime_error("a library's");
  });
  EXPECT_TRUE(ask(*server, get_and_close).starts_with("HTTP/1.1 500"));
  EXPECT_TRUE(ask(*server, "GET /throw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 500"));
}

TEST(HttpServer, AClientThatLeavesIsNoticed) {
  std::atomic<bool> noticed = false, asked = false;
  std::thread worker;
  const auto server = start([&](Request request, const Done& done) {
    asked = true;
    worker = std::thread([&noticed, gone = request.gone, done] {
      while (!gone.stop_requested()) std::this_thread::yield();
      noticed = true;
      done(Response::text(200, "nobody reads this"));
    });
  });
  {
    RawClient client(server->address());
    client.send(get);
    while (!asked) std::this_thread::yield();
  }
  while (!noticed) std::this_thread::yield();
  worker.join();
}

TEST(HttpServer, StreamsAreChunkedAndArriveWhole) {
  Workers workers;
  const auto server = start([&](const Request& request, const Done& done) {
    auto pipe = http::make_body_pipe();
    workers.run([writer = std::move(pipe.writer), torn = request.path == "/torn"]() mutable {
      for (int i = 0; i < 1000; ++i)
        if (!writer.write(std::string(10'000, static_cast<char>('a' + i % 26)))) return;
      if (!torn) writer.finish();
    });
    done({.status = 200, .body = "begin;", .stream = pipe.source});
  });
  HttpClient client;
  size_t bytes = 0;
  const io::HttpLimits limits{.sink = [&](std::string_view part) {
    bytes += part.size();
    return true;
  }};
  const auto whole = client.request(server->address(), {.target = "/whole"}, limits);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(bytes, 10'000'006u);
  EXPECT_EQ(client.idle_connections(), 1u);
  const auto torn = client.request(server->address(), {.target = "/torn"}, limits);
  ASSERT_FALSE(torn);
  EXPECT_EQ(torn.error().code, Code::unavailable);
  // HTTP/1.0 knows no chunks: the end of the connection ends the body, and a torn one must be a reset.
  RawClient old(server->address());
  old.send("GET /whole HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.read_to_end().ends_with(std::string(10'000, 'a' + 999 % 26)));
  EXPECT_FALSE(old.was_reset());
  RawClient old_torn(server->address());
  old_torn.send("GET /torn HTTP/1.0\r\n\r\n");
  old_torn.read_to_end();
  EXPECT_TRUE(old_torn.was_reset());
}

TEST(HttpServer, AStreamEndsWhenItsReaderLeaves) {
  std::atomic<bool> stopped = false;
  std::thread producer;
  const auto server = start([&](const Request&, const Done& done) {
    auto pipe = http::make_body_pipe();
    producer = std::thread([&stopped, writer = std::move(pipe.writer)]() mutable {
      while (writer.write(std::string(100'000, 'x'))) {
      }
      stopped = true;
    });
    done({.stream = pipe.source});
  });
  {
    RawClient client(server->address());
    client.send(get);
    client.read_some();
  }
  producer.join();
  EXPECT_TRUE(stopped);
}

TEST(HttpServer, StopLetsARequestInFlightFinish) {
  std::mutex mutex;
  std::condition_variable changed;
  Done waiting;
  auto server = start([&](const Request&, const Done& done) {
    const std::lock_guard lock(mutex);
    waiting = done;
    changed.notify_all();
  });
  RawClient idle(server->address()), busy(server->address());
  busy.send(get);
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting != nullptr; });
  }
  std::thread stopper([&] { server->stop(60'000); });
  EXPECT_EQ(idle.read_to_end(), "");
  waiting(Response::text(200, "finished"));
  const std::string answer = busy.read_to_end();
  EXPECT_TRUE(answer.ends_with("finished")) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  stopper.join();
}

TEST(HttpServer, StopDoesNotWaitForeverAndLateAnswersAreDropped) {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Done> waiting;
  std::vector<std::stop_token> gone;
  auto server = start([&](Request request, const Done& done) {
    const std::lock_guard lock(mutex);
    waiting.push_back(done);
    gone.push_back(request.gone);
    changed.notify_all();
  });
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(server->address()));
    clients.back()->send(get);
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting.size() == 20; });
  }
  server->stop(50);
  for (const auto& token : gone) EXPECT_TRUE(token.stop_requested());
  for (auto& client : clients) EXPECT_EQ(client->read_to_end(), "");
  server.reset();
  for (const Done& done : waiting) done(Response::text(200, "too late"));
}

TEST(HttpServer, StopUnderLoad) {
  for (int round = 0; round < 5; ++round) {
    auto server = start(echo);
    std::atomic<bool> over = false;
    std::vector<std::thread> clients;
    std::atomic<int> answered = 0;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&, address = server->address()] {
        HttpClient client;
        while (!over) {
          const auto answer = client.request(address, {.method = "POST", .body = "abc"}, {});
          if (answer) {
            EXPECT_EQ(answer->body, "POST / 3\n");
            ++answered;
          }
        }
      });
    while (answered < 100) std::this_thread::yield();
    server->stop(1000);
    over = true;
    for (auto& t : clients) t.join();
    server.reset();
  }
}

TEST(HttpServer, UnixSocketsWithLongPathsToo) {
  const std::string folder = testing::TempDir() + "/" + std::string(90, 'd');
  std::filesystem::create_directories(folder);
  for (const std::string& path : {testing::TempDir() + "/s.sock", folder + "/engine.sock"}) {
    HttpServerOptions options;
    options.listen.unix_path = path;
    auto server = HttpServer::start(options, echo);
    ASSERT_TRUE(server) << server.error().message;
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    HttpClient client;
    EXPECT_EQ(client.request((*server)->address(), {.target = "/u"}, {})->body, "GET /u 0\n");
    const auto second = HttpServer::start(options, echo);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    server->reset();
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  std::filesystem::remove_all(folder);
}

TEST(HttpServer, AStaleUnixSocketIsReplaced) {
  io::Endpoint where;
  where.unix_path = testing::TempDir() + "/stale.sock";
  {
    auto listener = listen_on(where);
    ASSERT_TRUE(listener);
    listener->address.unix_path.clear();  // as after a kill: the file stays
  }
  ASSERT_TRUE(std::filesystem::exists(where.unix_path));
  const auto server = HttpServer::start({.listen = where}, echo);
  EXPECT_TRUE(server) << server.error().message;
}

TEST(HttpServer, ATakenPortIsAnError) {
  const auto server = start(echo);
  const auto second = HttpServer::start({.listen = server->address()}, echo);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos) << second.error().message;
  const auto named = HttpServer::start({.listen = *io::parse_endpoint("example.com:0")}, echo);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, Code::invalid_argument);
}

}  // namespace
}  // namespace hs::net
