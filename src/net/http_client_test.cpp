#include "net/http_client.h"

#include <atomic>
#include <functional>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/test_socket.h"

namespace hs::net {
namespace {

// A server of raw bytes: one thread, each connection is given to `talk` in turn.
class RawServer {
 public:
  explicit RawServer(std::function<void(Fd&)> talk)
      : listener_(*listen_on(*io::parse_endpoint("127.0.0.1:0"))), thread_([this, talk = std::move(talk)] {
          while (!over_) {
            pollfd one{listener_.fd.get(), POLLIN, 0};
            ::poll(&one, 1, 20);
            if (Fd fd = accept_one(listener_.fd.get())) talk(fd);
          }
        }) {}
  ~RawServer() {
    over_ = true;
    thread_.join();
  }
  const io::Endpoint& address() const { return listener_.address; }

 private:
  std::atomic<bool> over_ = false;
  Listener listener_;
  std::thread thread_;
};

std::string read_request(Fd& fd) {
  std::string got;
  char part[4096];
  while (got.find("\r\n\r\n") == std::string::npos) {
    pollfd one{fd.get(), POLLIN, 0};
    ::poll(&one, 1, -1);
    const ssize_t n = ::recv(fd.get(), part, sizeof part, 0);
    if (n <= 0) break;
    got.append(part, static_cast<size_t>(n));
  }
  return got;
}
void say(Fd& fd, std::string_view bytes) { (void)!::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }

Code code_of(const Result<http::Response>& r) { return r ? Code::internal : r.error().code; }

TEST(HttpClient, NobodyListens) {
  io::Endpoint to;
  {
    const auto listener = listen_on(*io::parse_endpoint("127.0.0.1:0"));
    to = listener->address;
  }
  HttpClient client;
  const auto answer = client.request(to, {}, {});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::unavailable);
  EXPECT_NE(answer.error().message.find(to.text()), std::string::npos);
  to.unix_path = testing::TempDir() + "/nobody.sock";
  EXPECT_EQ(code_of(client.request(to, {}, {})), Code::unavailable);
}

TEST(HttpClient, ASilentServerMeetsTheDeadline) {
  std::atomic<bool> over = false;
  RawServer server([&](Fd& fd) {
    read_request(fd);
    while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  HttpClient client;
  EXPECT_EQ(code_of(client.request(server.address(), {}, {.timeout_ms = 100})), Code::deadline_exceeded);
  over = true;
}

TEST(HttpClient, ATricklingServerMeetsTheDeadlineToo) {
  RawServer server([&](Fd& fd) {
    read_request(fd);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 100; ++i) {
      say(fd, "x");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  HttpClient client;
  EXPECT_EQ(code_of(client.request(server.address(), {}, {.timeout_ms = 100})), Code::deadline_exceeded);
}

TEST(HttpClient, CancellingEndsTheCall) {
  std::atomic<bool> asked = false, over = false;
  RawServer server([&](Fd& fd) {
    read_request(fd);
    asked = true;
    while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  std::stop_source stop;
  std::thread canceller([&] {
    while (!asked) std::this_thread::yield();
    stop.request_stop();
  });
  HttpClient client;
  EXPECT_EQ(code_of(client.request(server.address(), {}, {.timeout_ms = 600'000, .cancel = stop.get_token()})),
            Code::unavailable);
  canceller.join();
  over = true;
}

Result<http::Response> hear(const std::string& bytes) {
  RawServer server([&](Fd& fd) {
    read_request(fd);
    say(fd, bytes);
  });
  HttpClient client;
  return client.request(server.address(), {}, {});
}

TEST(HttpClient, AnswersThatAreNotHttp) {
  EXPECT_EQ(code_of(hear("SSH-2.0-OpenSSH\r\n\r\n")), Code::internal);
  EXPECT_EQ(code_of(hear("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), Code::unavailable);
  EXPECT_EQ(code_of(hear("")), Code::unavailable);
  EXPECT_EQ(code_of(hear("HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x'))), Code::internal);
}

TEST(HttpClient, AnswersWithoutLengthAndAfterInterimOnes) {
  EXPECT_EQ(hear("HTTP/1.1 200 OK\r\n\r\nto the end")->body, "to the end");
  EXPECT_EQ(hear("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX: y\r\n\r\n")->headers.get("x"), "y");
}

TEST(HttpClient, AnAnswerHasALimit) {
  const auto server =
      HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")},
                        http::answer([](const http::Request&) { return http::Response::text(200, "12345"); }));
  HttpClient client;
  EXPECT_EQ(code_of(client.request((*server)->address(), {}, {.body_bytes_max = 4})), Code::too_large);
  EXPECT_EQ(client.request((*server)->address(), {}, {.body_bytes_max = 5})->body, "12345");
}

TEST(HttpClient, ASinkMayStopAndGetsOnlySuccesses) {
  const auto server = HttpServer::start(
      {.listen = *io::parse_endpoint("127.0.0.1:0")},
      http::answer([](const http::Request& r) { return http::Response::text(r.path == "/bad" ? 500 : 200, "body"); }));
  HttpClient client;
  std::string seen;
  const auto keep = [&](std::string_view part) {
    seen += part;
    return true;
  };
  const auto bad = client.request((*server)->address(), {.target = "/bad"}, {.sink = keep});
  EXPECT_EQ(bad->body, "body");
  EXPECT_EQ(seen, "");
  EXPECT_EQ(client.request((*server)->address(), {.target = "/good"}, {.sink = keep})->body, "");
  EXPECT_EQ(seen, "body");
  const auto stop = [](std::string_view) { return false; };
  EXPECT_EQ(code_of(client.request((*server)->address(), {.target = "/good"}, {.sink = stop})), Code::conflict);
}

TEST(HttpClient, ARestartedServerIsFoundAgain) {
  const auto handler = http::answer([](const http::Request& r) { return http::Response::text(200, r.body); });
  auto server = HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")}, handler);
  const io::Endpoint address = (*server)->address();
  HttpClient client;
  ASSERT_TRUE(client.request(address, {}, {}));
  ASSERT_EQ(client.idle_connections(), 1u);
  server->reset();
  server = HttpServer::start({.listen = address}, handler);
  ASSERT_TRUE(server);
  const auto answer = client.request(address, {.method = "POST", .body = "again"}, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "again");
}

TEST(HttpClient, OnlyRepeatableMethodsAreTriedTwice) {
  // Every connection answers once, then takes one more request and closes without an answer.
  std::atomic<int> requests = 0;
  RawServer server([&](Fd& fd) {
    read_request(fd);
    ++requests;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    read_request(fd);
    ++requests;
  });
  HttpClient client;
  ASSERT_TRUE(client.request(server.address(), {}, {}));
  EXPECT_EQ(code_of(client.request(server.address(), {.method = "POST", .body = "b"}, {})), Code::unavailable);
  EXPECT_EQ(requests, 2);
  ASSERT_TRUE(client.request(server.address(), {}, {}));
  EXPECT_TRUE(client.request(server.address(), {}, {}));
}

TEST(HttpClient, ABadRequestIsNotSent) {
  HttpClient client;
  const io::Endpoint to = *io::parse_endpoint("127.0.0.1:1");
  EXPECT_EQ(code_of(client.request(to, {.target = "/a b"}, {})), Code::invalid_argument);
  EXPECT_EQ(code_of(client.request(to, {.target = "/a\r\nX: y"}, {})), Code::invalid_argument);
  EXPECT_EQ(code_of(client.request(to, {.method = "GET /x"}, {})), Code::invalid_argument);
}

TEST(HttpClient, TheAddressIsCheckedWhenItIsDialled) {
  const auto server =
      HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")},
                        http::answer([](const http::Request&) { return http::Response::text(200, "in"); }));
  HttpClient client;
  std::string asked;
  const auto no = [&](std::string_view address) -> Status {
    asked = address;
    return fail(Code::permission_denied, "not there");
  };
  io::Endpoint to = (*server)->address();
  to.host = "localhost";
  ASSERT_TRUE(client.request(to, {}, {}));  // leaves a connection in the pool, which must not be taken
  EXPECT_EQ(code_of(client.request(to, {}, {.may_dial = no})), Code::permission_denied);
  EXPECT_EQ(asked, "127.0.0.1");
}

TEST(HttpClient, LargeBodiesBothWays) {
  const auto server =
      HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")},
                        http::answer([](const http::Request& r) { return http::Response::text(200, r.body); }));
  std::string body(20 * 1024 * 1024, 'x');
  for (size_t i = 0; i < body.size(); i += 1000) body[i] = static_cast<char>(i);
  HttpClient client;
  const auto answer = client.request((*server)->address(), {.method = "POST", .body = body}, {.timeout_ms = 60'000});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body == body, true);
}

TEST(HttpClient, ManyThreadsShareIt) {
  const auto server =
      HttpServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")},
                        http::answer([](const http::Request& r) { return http::Response::text(200, r.path); }));
  HttpClient client;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string path = fmt::format("/{}/{}", t, i);
        const auto answer = client.request((*server)->address(), {.target = path}, {});
        ASSERT_TRUE(answer) << answer.error().message;
        ASSERT_EQ(answer->body, path);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_LE(client.idle_connections(), 8u);
}

TEST(HttpClient, ANameThatDoesNotExist) {
  HttpClient client;
  const auto answer = client.request(*io::parse_endpoint("does-not-exist.invalid:80"), {}, {.timeout_ms = 5'000});
  ASSERT_FALSE(answer);  // unavailable, or the deadline where no resolver answers
  EXPECT_TRUE(answer.error().code == Code::unavailable || answer.error().code == Code::deadline_exceeded);
}

}  // namespace
}  // namespace hs::net
