// gRPC on the port of an HTTP server: connections that speak HTTP/2 go on to the gRPC server.
#include <thread>

#include <gtest/gtest.h>

#include "net/grpc_server.h"
#include "net/test_grpc.h"
#include "net/test_server.h"

namespace hs::net {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view empty_settings("\0\0\0\4\0\0\0\0\0", 9);  // a frame

struct BothServers {
  explicit BothServers(rpc::Methods methods = echo_methods(), HttpServerOptions options = {}) {
    auto started = GrpcServer::start({.listen = *io::parse_endpoint("127.0.0.1:0")}, std::move(methods));
    EXPECT_TRUE(started) << started.error().message;
    grpc = std::move(*started);
    options.http2 = [this](Fd connection, std::string_view received) { grpc->adopt(std::move(connection), received); };
    http = start(echo, options);
  }
  std::unique_ptr<GrpcServer> grpc;
  std::unique_ptr<HttpServer> http;  // after grpc: it hands over until it ends
};

TEST(Http2Connection, BothProtocolsOnOnePort) {
  const BothServers servers;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(call(servers.http->address(), echo_method, "hello").message, ":hello:m");
    EXPECT_NE(ask(*servers.http, get_and_close).find("GET /a 0"), std::string::npos);
  }
  const std::string large(3'000'000, 'a');  // larger than any buffer on the way
  EXPECT_EQ(call(servers.http->address(), echo_method, large, GRPC_COMPRESS_NONE).status.error_code(),
            grpc::INVALID_ARGUMENT);  // the echo's limit: it has arrived
  EXPECT_EQ(call(servers.http->address(), "/test.Echo/Shout", "x").status.error_code(), grpc::UNIMPLEMENTED);
}

TEST(Http2Connection, TheBeginningMayComeInPieces) {
  const BothServers servers;
  RawClient client(servers.http->address());
  for (const char byte : preface) client.send({&byte, 1});
  client.send(empty_settings);
  const std::string got = client.read_until(empty_settings.substr(3));  // at the latest the answer to our settings
  EXPECT_EQ(got.at(3), 4) << "the first frame of a server is SETTINGS";
}

TEST(Http2Connection, WhatOnlyBeginsLikeHttp2IsRefused) {
  const BothServers servers;
  for (const std::string_view bytes : {"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI / HTTP/1.1\r\n\r\n"})
    EXPECT_NE(ask(*servers.http, bytes).find("HTTP/1.1 400"), std::string::npos) << bytes;
}

TEST(Http2Connection, OnlyAtTheBeginningOfAConnection) {
  const BothServers servers;
  const std::string both = std::string(get) + std::string(preface);
  EXPECT_NE(ask(*servers.http, both).find("HTTP/1.1 400"), std::string::npos);
}

TEST(Http2Connection, WhoSaysHalfOfItHasTheTimeOfAHeader) {
  const BothServers servers(echo_methods(), {.header_timeout_ms = 100});
  RawClient client(servers.http->address());
  client.send(preface.substr(0, 10));
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(Http2Connection, CountsAsTheGrpcServersFromThen) {
  const BothServers servers(echo_methods(), {.connections_max = 1});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(servers.http->address()));
    clients.back()->send(std::string(preface) + std::string(empty_settings));
    clients.back()->read_until(empty_settings.substr(3));
    while (servers.http->connections() > 0) std::this_thread::yield();
  }
  EXPECT_NE(ask(*servers.http, get_and_close).find("GET /a 0"), std::string::npos);
}

TEST(Http2Connection, StoppingTheGrpcServerEndsThem) {
  BothServers servers;
  RawClient open(servers.http->address());
  open.send(std::string(preface) + std::string(empty_settings));
  open.read_until(empty_settings.substr(3));
  servers.grpc->stop(0);
  open.read_to_end();  // it ends
  RawClient late(servers.http->address());
  late.send(preface);
  EXPECT_EQ(late.read_to_end(), "");
}

}  // namespace
}  // namespace hs::net
