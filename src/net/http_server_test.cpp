#include "net/http_server.h"

#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/body_pipe.h"
#include "net/http_client.h"
#include "net/test_socket.h"

namespace hs::net {
namespace {

using http::Done;
using http::Request;
using http::Response;

const io::Endpoint any_port = *io::parse_endpoint("127.0.0.1:0");

// Threads of a test's handlers; declare it before the server.
class Workers {
 public:
  ~Workers() {
    for (auto& t : threads_) t.join();
  }
  void run(auto f) {
    const std::lock_guard lock(mutex_);
    threads_.emplace_back(std::move(f));
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

// Says what it got: method, path and size of the body.
void echo(const Request& request, const Done& done) {
  done(Response::text(200, fmt::format("{} {} {}\n", request.method, request.path, request.body.size())));
}

std::unique_ptr<HttpServer> start(http::Handler handler, HttpServerOptions options = {}) {
  options.listen = any_port;
  auto server = HttpServer::start(options, std::move(handler));
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

constexpr std::string_view get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view get_and_close = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

std::string ask(const HttpServer& server, std::string_view bytes) {
  RawClient client(server.address());
  client.send(bytes);
  return client.read_to_end();
}

TEST(HttpServer, AnswersWithOneHeadAndBody) {
  const auto server = start(echo);
  const std::string answer = ask(*server, get_and_close);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Date: "), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nGET /a 0\n"));
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  Workers workers;
  const auto server = start([&](const Request& request, const Done& done) {
    // The first takes a way through another thread; the later ones must wait for it.
    workers.run([path = request.path, done] { done(Response::text(200, "path" + path + "|")); });
  });
  std::string bytes;
  for (int i = 0; i < 50; ++i) bytes += fmt::format("GET /{:03} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  RawClient client(server->address());
  client.send(bytes);
  const std::string answers = client.read_until("|", 50);
  size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers.find(fmt::format("path/{:03}|", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(HttpServer, AThousandRequestsOnOneConnection) {
  const auto server = start(echo);
  HttpClient client;
  for (int i = 0; i < 1000; ++i) {
    const auto answer = client.request(server->address(), {.target = fmt::format("/{}", i)}, {});
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_EQ(answer->body, fmt::format("GET /{} 0\n", i));
  }
  EXPECT_EQ(server->connections(), 1u);
  EXPECT_EQ(client.idle_connections(), 1u);
}

TEST(HttpServer, BodiesByLengthAndChunkedAndByteByByte) {
  const auto server = start([](const Request& request, const Done& done) { done(Response::text(200, request.body)); });
  const std::string by_length = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  const std::string chunked =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n";
  RawClient client(server->address());
  for (const char byte : by_length + chunked) ASSERT_TRUE(client.send({&byte, 1}));
  client.read_to_end();
  EXPECT_EQ(client.count("\r\n\r\nhello"), 2);
}

TEST(HttpServer, PathAndQueryAreDecoded) {
  const auto server = start([](const Request& r, const Done& done) {
    done(Response::text(200, fmt::format("{}|{}|{}", r.path, r.query_value("q"), r.query_value("r"))));
  });
  const std::string answer = ask(*server, "GET /a%20b/c?q=1+2%2B&r HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("/a b/c|1 2+|")) << answer;
  EXPECT_TRUE(
      ask(*server, "GET http://host:1/p?q=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("/p|2|"));
}

TEST(HttpServer, GarbageGets400AndTheConnectionEnds) {
  const auto server = start(echo);
  const std::string_view bad[] = {
      "\x16\x03\x01\x02garbage\r\n\r\n",
      "GET / HTTP/1.1\r\nHost x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",                        // no Host
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",  // two
      "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\na",
  };
  for (const auto bytes : bad) {
    const std::string answer = ask(*server, bytes);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << bytes << " -> " << answer;
    EXPECT_NE(answer.find("\"invalid_argument\""), std::string::npos);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  }
  EXPECT_TRUE(ask(*server, get_and_close).starts_with("HTTP/1.1 200"));
}

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
  RawClient first(server->address());
  first.send(request);
  while (true) {
    const std::lock_guard lock(mutex);
    if (!waiting.empty()) break;
  }
  const std::string refused = ask(*server, request);
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503")) << refused;
  EXPECT_NE(refused.find("Retry-After: 1"), std::string::npos);
  waiting.front()(Response::text(200, "first;"));
  first.read_until("first;");
  RawClient third(server->address());
  third.send(request);
  while (true) {
    const std::lock_guard lock(mutex);
    if (waiting.size() == 2) break;
  }
  waiting.back()(Response::text(200, "third;"));
  EXPECT_EQ(third.read_until("third;").substr(0, 12), "HTTP/1.1 200");
}

TEST(HttpServer, ExpectContinue) {
  HttpServerOptions options;
  options.body_bytes_max = 100;
  const auto server = start(echo, options);
  RawClient client(server->address());
  client.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_NE(client.read_until("POST /e 3\n").find("HTTP/1.1 200"), std::string::npos);
  // A body that would be refused is not asked for.
  EXPECT_TRUE(ask(*server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n")
                  .starts_with("HTTP/1.1 413"));
}

TEST(HttpServer, HeadHasTheLengthAndNoBody) {
  const auto server = start(echo);
  const std::string answer = ask(*server, "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(answer.find("Content-Length: 10\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
  HttpClient client;
  const auto head = client.request(server->address(), {.method = "HEAD", .target = "/a"}, {});
  ASSERT_TRUE(head);
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(client.idle_connections(), 1u);
}

TEST(HttpServer, Http10ClosesUnlessAskedNotTo) {
  const auto server = start(echo);
  EXPECT_NE(ask(*server, "GET /a HTTP/1.0\r\n\r\n").find("Connection: close"), std::string::npos);
  RawClient client(server->address());
  client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  client.read_until("GET /a 0\n");
  client.send("GET /a HTTP/1.0\r\n\r\n");
  client.read_to_end();
  EXPECT_EQ(client.count("GET /a 0\n"), 2);
}

TEST(HttpServer, HeadersCannotBreakOutOfTheirLine) {
  const auto server = start([](const Request&, const Done& done) {
    Response response = Response::text(200, "x");
    response.headers.set("X-Bad", "a\r\nX-Injected: 1");
    response.headers.set("X Bad", "b");
    response.headers.set("X-Good", "c");
    response.headers.set("Content-Length", "77");
    done(std::move(response));
  });
  const std::string answer = ask(*server, get_and_close);
  EXPECT_EQ(answer.find("X-Injected"), std::string::npos);
  EXPECT_EQ(answer.find("X Bad"), std::string::npos);
  EXPECT_EQ(answer.find("77"), std::string::npos);
  EXPECT_NE(answer.find("X-Good: c"), std::string::npos);
}

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
