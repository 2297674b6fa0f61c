// The HTTP server over TLS, asked by our own client; apptest/test_tls.py asks with those of others.

#include "net/http_server.h"

#include <gtest/gtest.h>

#include "net/test_identity.h"
#include "net/test_server.h"
#include "net/tls_client.h"
#include "net/tls_server.h"

namespace hs::net {
namespace {

class HttpsServer : public testing::Test {
 protected:
  static void mirror(const http::Request& request, const http::Done& done) {
    done(http::Response::text(200, request.body));
  }
  std::shared_ptr<TlsServer> tls() const {
    return *TlsServer::make({.cert_file = identity.cert_file(), .key_file = identity.key_file()});
  }
  Result<http::Response> ask(const HttpServer& server, std::string_view body) {
    return client.request(server.address(), {.method = "POST", .body = body}, {.timeout_ms = 60'000});
  }

  Identity identity;
  TlsClient client{{.ca_file = identity.cert_file()}};
};

TEST_F(HttpsServer, LargeBodiesComeBackWhole) {
  const auto server = start(mirror, {.tls = tls()});
  for (const size_t size : {0, 1, 16384, 16385, 5'000'000}) {
    std::string body(size, 'x');
    for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 % 251);
    const auto answer = ask(*server, body);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_TRUE(answer->body == body) << size;
  }
}

class Pieces final : public http::BodySource {
 public:
  void next(std::function<void(Result<std::string>)> ready) override {
    ready(++given_ > 40 ? std::string() : std::string(100'000, static_cast<char>('a' + given_ % 20)));
  }

 private:
  int given_ = 0;
};

TEST_F(HttpsServer, StreamsAreWhole) {
  const auto server = start(
      [](const http::Request&, const http::Done& done) {
        http::Response response = http::Response::text(200, "");
        response.stream = std::make_shared<Pieces>();
        done(std::move(response));
      },
      {.tls = tls()});
  const auto answer = ask(*server, "");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body.size(), 4'000'000);
}

TEST_F(HttpsServer, WhoSpeaksPlainHttpIsToldSo) {
  const auto server = start(mirror, {.tls = tls()});
  const std::string answer = net::ask(*server, get);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("https"), std::string::npos);
  EXPECT_TRUE(ask(*server, "x"));
}

TEST_F(HttpsServer, WhoDoesNotShakeHandsIsClosed) {
  const auto server = start(mirror, {.tls = tls(), .handshake_timeout_ms = 50});
  const std::string answer = net::ask(*server, "\x16\x03\x01");
  EXPECT_EQ(answer, "");
}

TEST_F(HttpsServer, StopsWithHandshakesUnderWay) {
  const auto server = start(mirror, {.tls = tls()});
  const RawClient silent(server->address());
  while (server->connections() == 0) std::this_thread::yield();
  server->stop(10);
  EXPECT_EQ(server->connections(), 0);
}

}  // namespace
}  // namespace hs::net
