#include "net/tls_server.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "net/test_identity.h"

namespace hs::net {
namespace {

TEST(TlsServer, WhatIsWrongIsNamedByItsSetting) {
  const Identity one, other;
  const auto problem = [](TlsServerOptions options) {
    const auto made = TlsServer::make(std::move(options));
    return made ? "" : made.error().message;
  };
  EXPECT_EQ(problem({.cert_file = one.cert_file(), .key_file = one.key_file()}), "");
  EXPECT_EQ(problem({.key_file = one.key_file()}), "tls.cert_file is not set");
  EXPECT_EQ(problem({.cert_file = one.cert_file()}), "tls.key_file is not set");
  EXPECT_EQ(problem({.cert_file = one.cert_file(), .key_file = other.key_file()}),
            "tls.key_file " + other.key_file() + ": key values mismatch");
  EXPECT_TRUE(problem({.cert_file = one.key_file(), .key_file = one.key_file()})
                  .starts_with("tls.cert_file " + one.key_file() + ": "));
  EXPECT_TRUE(problem({.cert_file = "/nowhere", .key_file = one.key_file()}).starts_with("tls.cert_file /nowhere: "));
  EXPECT_TRUE(problem({.cert_file = one.cert_file(), .key_file = one.key_file(), .client_ca_file = one.key_file()})
                  .starts_with("tls.client_ca_file " + one.key_file() + ": "));
}

TEST(TlsServer, ReadsAgainWholeOrNotAtAll) {
  const Identity identity, next;
  const auto server = *TlsServer::make({.cert_file = identity.cert_file(), .key_file = identity.key_file()});
  const auto before = server->now();
  std::filesystem::copy(next.cert_file(), identity.cert_file(), std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(server->read());  // the new certificate, still with the old key
  EXPECT_EQ(server->now(), before);
  std::filesystem::copy(next.key_file(), identity.key_file(), std::filesystem::copy_options::overwrite_existing);
  auto material = server->read();
  ASSERT_TRUE(material) << material.error().message;
  server->apply(std::move(*material));
  EXPECT_NE(server->now()->cert, before->cert);
  EXPECT_EQ(server->now()->generation, before->generation + 1);
}

}  // namespace
}  // namespace hs::net
