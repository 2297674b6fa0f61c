#pragma once
// What the tests of the HTTP server share: a server on a free port, threads for its handlers, one question.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/test_socket.h"

namespace hs::net {

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
inline void echo(const http::Request& request, const http::Done& done) {
  done(http::Response::text(200, fmt::format("{} {} {}\n", request.method, request.path, request.body.size())));
}

inline std::unique_ptr<HttpServer> start(http::Handler handler, HttpServerOptions options = {}) {
  options.listen = *io::parse_endpoint("127.0.0.1:0");
  auto server = HttpServer::start(options, std::move(handler));
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

constexpr std::string_view get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view get_and_close = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

inline std::string ask(const HttpServer& server, std::string_view bytes) {
  RawClient client(server.address());
  client.send(bytes);
  return client.read_to_end();
}

}  // namespace hs::net
