// What an HTTP server must do with one request after another: framing, order, versions, headers.

#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/test_server.h"

namespace hs::net {
namespace {

using http::Done;
using http::Request;
using http::Response;

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

}  // namespace
}  // namespace hs::net
