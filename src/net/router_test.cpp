#include "net/router.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace hs::net {
namespace {

http::Handler named(std::string name) {
  return http::answer([name = std::move(name)](const http::Request& r) {
    std::string text = name;
    for (const auto& [key, value] : r.params) text += fmt::format(" {}={}", key, value);
    return http::Response::text(200, text);
  });
}

http::Response ask(const Router& router, std::string method, std::string path) {
  http::Response out;
  http::Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  router(std::move(request), [&](http::Response r) { out = std::move(r); });
  return out;
}

Router sample() {
  return Router({{"GET", "/", named("root")},
                 {"GET", "/v1/incidents", named("list")},
                 {"GET", "/v1/incidents/open", named("open")},
                 {"GET", "/v1/incidents/{id}", named("one")},
                 {"GET", "/v1/incidents/{id}/spans", named("spans")},
                 {"POST", "/v1/flush", named("flush")},
                 {"DELETE", "/v1/flush", named("unflush")},
                 {"GET", "/files/{path...}", named("file")},
                 {"GET", "/files/index", named("index")}});
}

TEST(Router, ExactAndParameters) {
  const Router router = sample();
  EXPECT_EQ(ask(router, "GET", "/").body, "root");
  EXPECT_EQ(ask(router, "GET", "/v1/incidents").body, "list");
  EXPECT_EQ(ask(router, "GET", "/v1/incidents/open").body, "open");
  EXPECT_EQ(ask(router, "GET", "/v1/incidents/7").body, "one id=7");
  EXPECT_EQ(ask(router, "GET", "/v1/incidents/open/spans").body, "spans id=open");
  EXPECT_EQ(ask(router, "GET", "/files/a/b//c").body, "file path=a/b//c");
  EXPECT_EQ(ask(router, "GET", "/files/").body, "file path=");
  EXPECT_EQ(ask(router, "GET", "/files").body, "file path=");
  EXPECT_EQ(ask(router, "GET", "/files/index").body, "index");
  EXPECT_EQ(ask(router, "GET", "/files/index/x").body, "file path=index/x");
}

TEST(Router, NotFound) {
  const Router router = sample();
  for (const char* path : {"", "x", "*", "/v1", "/v1/", "/v1/incidents/", "/v1/incidents//spans", "/V1/incidents",
                           "/v1/incidents/1/spans/2", "//"})
    EXPECT_EQ(ask(router, "GET", path).status, 404) << path;
}

TEST(Router, MethodNotAllowedSaysWhatIs) {
  const Router router = sample();
  const auto refused = ask(router, "GET", "/v1/flush");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.get("Allow"), "DELETE, POST");
  EXPECT_EQ(ask(router, "HEAD", "/v1/incidents").body, "list");
  EXPECT_EQ(ask(router, "HEAD", "/v1/flush").status, 405);
}

}  // namespace
}  // namespace hs::net
