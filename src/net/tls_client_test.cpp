#include "net/tls_client.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "net/socket.h"
#include "net/test_identity.h"

namespace hs::net {
namespace {

// Answers each connection once. `answer` is sent as it is; then the connection is closed, well or not.
class Server {
 public:
  Server(const Identity& identity, std::string answer, bool ask_for_certificate = false, bool close_well = true)
      : listener_(*listen_on({.host = "127.0.0.1"})), answer_(std::move(answer)), close_well_(close_well) {
    ctx_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_file(ctx_, identity.cert_file().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx_, identity.key_file().c_str(), SSL_FILETYPE_PEM);
    if (ask_for_certificate) {
      SSL_CTX_load_verify_locations(ctx_, identity.cert_file().c_str(), nullptr);
      SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~Server() {
    thread_.request_stop();
    thread_.join();
    SSL_CTX_free(ctx_);
  }
  io::Endpoint address() const { return listener_.address; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd ready{listener_.fd.get(), POLLIN, 0};
      if (::poll(&ready, 1, 50) <= 0) continue;
      const Fd fd(::accept(listener_.fd.get(), nullptr, nullptr));  // blocking
      timeval patience{2, 0};
      ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      SSL* ssl = SSL_new(ctx_);
      SSL_set_fd(ssl, fd.get());
      char request[4096];
      if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof request) > 0) {
        SSL_write(ssl, answer_.data(), static_cast<int>(answer_.size()));
        if (close_well_) SSL_shutdown(ssl);
      }
      SSL_free(ssl);
    }
  }
  Listener listener_;
  SSL_CTX* ctx_;
  std::string answer_;
  bool close_well_;
  std::jthread thread_;
};

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

Result<http::Response> ask(const Server& server, TlsOptions options) {
  return TlsClient(std::move(options)).request(server.address(), {.target = "/"}, {.timeout_ms = 5'000});
}

TEST(TlsClient, TalksToWhomItTrusts) {
  const Identity identity;
  const Server server(identity, ok);
  const auto answer = ask(server, {.ca_file = identity.cert_file()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "hello");
  EXPECT_TRUE(ask(server, {.ca_file = identity.cert_file(), .server_name = "localhost"}));
}

TEST(TlsClient, RefusesWhomItDoesNotTrust) {
  const Identity identity;
  const Server server(identity, ok);
  const auto unknown = ask(server, {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::unavailable);
  EXPECT_NE(unknown.error().message.find("certificate"), std::string::npos) << unknown.error().message;
  EXPECT_FALSE(ask(server, {.ca_file = identity.cert_file(), .server_name = "other.example"}));
  EXPECT_TRUE(ask(server, {.insecure_skip_verify = true}));
}

TEST(TlsClient, ShowsItsCertificate) {
  const Identity identity;
  const Server server(identity, ok, true);
  EXPECT_FALSE(ask(server, {.ca_file = identity.cert_file()}));
  EXPECT_TRUE(ask(
      server, {.ca_file = identity.cert_file(), .cert_file = identity.cert_file(), .key_file = identity.key_file()}));
}

TEST(TlsClient, FilesThatAreNoneAreNamed) {
  const Identity identity;
  const Server server(identity, ok);
  const auto answer = ask(server, {.ca_file = "/nowhere/ca.pem"});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("ca_file /nowhere/ca.pem"), std::string::npos) << answer.error().message;
}

// Without its close_notify, an answer that lasts until the end may be cut by anybody between.
TEST(TlsClient, ACutAnswerIsNoAnswer) {
  const Identity identity;
  const std::string open_end = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
  const Server well(identity, open_end), cut(identity, open_end, false, false);
  const auto whole = ask(well, {.ca_file = identity.cert_file()});
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->body, "hello");
  EXPECT_FALSE(ask(cut, {.ca_file = identity.cert_file()}));
}

TEST(TlsClient, PlainServersAndSilentOnes) {
  const auto silent = *listen_on({.host = "127.0.0.1"});
  const auto late = TlsClient({}).request(silent.address, {}, {.timeout_ms = 100});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
}

}  // namespace
}  // namespace hs::net
