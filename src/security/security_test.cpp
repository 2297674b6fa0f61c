#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/text.h"
#include "io/files.h"
#include "security/credentials.h"
#include "security/crypto.h"
#include "security/guard.h"

namespace hs::security {
namespace {

TEST(Crypto, Sha256OfThePublishedVectors) {  // FIPS 180-2
  EXPECT_EQ(to_hex(view(sha256(""))), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("a", "b", "c"), sha256("abc"));
}

TEST(Crypto, Ed25519OfThePublishedVectors) {  // RFC 8032, 7.1, test 2
  const auto key =
      SigningKey::from_seed(from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").value());
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->public_key()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string signature = key->sign("\x72");
  EXPECT_EQ(to_hex(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(verify_ed25519(key->public_key(), "\x72", signature));
  EXPECT_FALSE(verify_ed25519(key->public_key(), "\x73", signature));
  EXPECT_FALSE(verify_ed25519(key->public_key(), "\x72", signature.substr(1)));
  EXPECT_FALSE(verify_ed25519("short", "\x72", signature));
  EXPECT_FALSE(SigningKey::from_seed("short"));
}

class Token : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hs-token-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name + "/token";
  }
  void TearDown() override { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }
  std::string path_;
};

TEST_F(Token, IsMadeOncePrivateAndLong) {
  const std::string token = ensure_token(path_, io::system_random()).value();
  EXPECT_EQ(token.size(), 64U);
  EXPECT_EQ(ensure_token(path_, io::system_random()).value(), token);
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(Token, IsRefusedWhenOthersMayReadItOrItIsShort) {
  ASSERT_TRUE(ensure_token(path_, io::system_random()));
  ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
  EXPECT_EQ(ensure_token(path_, io::system_random()).error().code, Code::permission_denied);
  ASSERT_TRUE(io::replace_file(path_, "hunter2\n", 0600, io::Durable::content));
  EXPECT_EQ(ensure_token(path_, io::system_random()).error().code, Code::invalid_argument);
}

TEST(Credentials, IdentifyBearersByName) {
  Credentials c;
  const std::vector<std::string> items = {"shop=secret=1", "probe=sha256:" + to_hex(view(sha256("other")))};
  ASSERT_TRUE(c.replace(items));
  EXPECT_EQ(c.identify("Bearer secret=1"), "shop");
  EXPECT_EQ(c.identify("bearer  other "), "probe");
  for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer secret", "Basic secret=1", "secret=1"})
    EXPECT_FALSE(c.identify(wrong)) << wrong;
  for (const char* bad : {"noequals", "=x", "a=", "a=sha256:12"}) {
    const std::vector<std::string> list = {bad};
    EXPECT_FALSE(c.replace(list)) << bad;
  }
  const std::vector<std::string> twice = {"a=1", "a=2"};
  EXPECT_FALSE(c.replace(twice));
  EXPECT_EQ(c.identify("Bearer secret=1"), "shop");  // a refused list changes nothing
}

class Guarding : public testing::Test {
 protected:
  Guarding() {
    auto operators = std::make_shared<Credentials>();
    operators->add("operator", "op-token");
    senders_ = std::make_shared<Credentials>();
    policy_.operators = operators;
    policy_.senders = senders_;
    policy_.rules = {{"POST", "/v1/traces", Access::sender},
                     {"", "/prometheus", Access::read},
                     {"POST", "/prometheus/api/v1/write", Access::sender},
                     {"GET", "/", Access::open, true},
                     {"", "/healthz", Access::open}};
    policy_.hosts = [] { return std::vector<std::string>{"Ops.Example"}; };
  }
  int ask(std::string method, std::string path, std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.peer = peer_;
    request.credential = "forged";
    if (host_ != nullptr) request.headers.set("Host", host_);
    for (const auto& [k, v] : headers) request.headers.set(k, v);
    reached_ = false;
    int status = 0;
    guard(
        [&](const http::Request& r, const http::Done& done) {
          reached_ = true;
          credential_ = r.credential;
          http::Response response = http::Response::text(200, "ok");
          response.headers.set("Access-Control-Allow-Origin", "*");
          done(std::move(response));
        },
        policy_)(std::move(request), [&](const http::Response& r) {
      status = r.status;
      EXPECT_EQ(r.headers.get("Access-Control-Allow-Origin"), "");
      EXPECT_EQ(r.headers.get("X-Content-Type-Options"), "nosniff");
    });
    EXPECT_EQ(reached_, status == 200);
    return status;
  }
  int at_host(const char* host) {
    host_ = host;
    return ask("GET", "/v1/incidents");
  }

  Policy policy_;
  std::shared_ptr<Credentials> senders_;
  const char* host_ = "127.0.0.1:4319";
  std::string peer_ = "127.0.0.1:50000", credential_;
  bool reached_ = false;
};

TEST_F(Guarding, HostMustBeOurs) {
  for (const char* ours : {"127.0.0.1:4319", "localhost", "LOCALHOST:1", "[::1]:4319", "127.9.9.9", "ops.example:4319"})
    EXPECT_EQ(at_host(ours), 200) << ours;
  for (const char* foreign : {"evil.example", "127.0.0.1.evil.example:4319", "localhost.evil.example", "", "[::1",
                              "192.168.1.5:4319", "[fe80::1]", "0.0.0.0", "127.0.0.1@evil", "2130706433"})
    EXPECT_EQ(at_host(foreign), 403) << foreign;
  EXPECT_EQ(at_host(nullptr), 403);
  policy_.any_address = true;
  EXPECT_EQ(at_host("192.168.1.5:4319"), 200);
  EXPECT_EQ(at_host("evil.example"), 403);
  peer_ = "unix";
  EXPECT_EQ(at_host(nullptr), 200);
}

TEST_F(Guarding, OriginMustBeOurs) {
  const auto from = [&](const char* origin) { return ask("GET", "/v1/incidents", {{"Origin", origin}}); };
  EXPECT_EQ(from("http://127.0.0.1:4319"), 200);
  EXPECT_EQ(from("https://127.0.0.1:4319"), 200);
  for (const char* foreign :
       {"http://127.0.0.1:8080", "http://localhost:4319", "null", "https://evil.example", "http://127.0.0.1:43190"})
    EXPECT_EQ(from(foreign), 403) << foreign;
  EXPECT_EQ(ask("POST", "/v1/traces", {{"Origin", "https://evil.example"}}), 403);
}

TEST_F(Guarding, ChangingNeedsTheToken) {
  EXPECT_EQ(ask("POST", "/v1/stop"), 401);
  EXPECT_EQ(ask("POST", "/v1/stop", {{"Authorization", "Bearer nope"}}), 401);
  EXPECT_EQ(ask("DELETE", "/healthz/x"), 200);  // an open prefix is open whatever the method: list only what may be
  EXPECT_EQ(ask("POST", "/v1/stop", {{"Authorization", "Bearer op-token"}}), 200);
  EXPECT_EQ(credential_, "operator");
  EXPECT_EQ(ask("POST", "/v1/tracesx"), 401);  // prefixes are whole segments
}

TEST_F(Guarding, SendersNeedANameOnceOneIsConfigured) {
  EXPECT_EQ(ask("POST", "/v1/traces"), 200);
  EXPECT_EQ(credential_, "");
  senders_->add("shop", "s3cret");
  EXPECT_EQ(ask("POST", "/v1/traces"), 401);
  EXPECT_EQ(ask("POST", "/v1/traces", {{"Authorization", "Bearer s3cret"}}), 200);
  EXPECT_EQ(credential_, "shop");
  EXPECT_EQ(ask("POST", "/v1/stop", {{"Authorization", "Bearer s3cret"}}), 401);  // a sender is no operator
}

TEST_F(Guarding, TheLongestPrefixDecides) {
  senders_->add("shop", "s3cret");
  EXPECT_EQ(ask("POST", "/prometheus/api/v1/query"), 200);
  EXPECT_EQ(ask("POST", "/prometheus/api/v1/write"), 401);
  policy_.read_needs_token = true;
  EXPECT_EQ(ask("POST", "/prometheus/api/v1/query"), 401);
  EXPECT_EQ(ask("GET", "/v1/incidents"), 401);
  EXPECT_EQ(ask("GET", "/healthz"), 200);
  EXPECT_EQ(ask("GET", "/"), 200);
  EXPECT_EQ(ask("POST", "/"), 401);
}

TEST(Bind, OnlyLoopbackWithoutACredential) {
  for (const char* inside : {"127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/x", ""})
    EXPECT_TRUE(check_bind("listen.http", inside, false, false)) << inside;
  for (const char* outside : {"0.0.0.0:1", "[::]:1", "192.168.1.5:1", "host.example:1", ":4318", "*:1"}) {
    EXPECT_FALSE(check_bind("listen.http", outside, false, false)) << outside;
    EXPECT_TRUE(check_bind("listen.http", outside, true, false)) << outside;
    EXPECT_TRUE(check_bind("listen.http", outside, false, true)) << outside;
  }
}

}  // namespace
}  // namespace hs::security
