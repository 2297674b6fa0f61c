// The test program's main: runs the tests, or is the engine child of one of them.

#include <gtest/gtest.h>

#include <cstdio>
#include <string_view>

#include "net/http_server.h"
#include "store/engine/engine.h"
#include "store/schema.h"
#include "store/test_engine.h"

namespace hs::store::test {
namespace {

class Socket final : public Listening {
 public:
  std::unique_ptr<net::HttpServer> server;
};

int run_child(const std::string& directory) {
  EngineOptions options;
  options.directory = directory + "/engine";
  options.library = library_path();
  options.socket_directory = directory;
  options.memory_bytes = 600LL << 20;
  return run_engine(options, [&](EngineHandlers handlers) -> Result<std::unique_ptr<Listening>> {
    auto socket = std::make_unique<Socket>();
    net::HttpServerOptions http;
    http.listen.unix_path = directory + "/engine.sock";
    http.body_bytes_max = 512ULL << 20;
    http.all_bodies_bytes_max = 1ULL << 30;
    HS_ASSIGN(socket->server, net::HttpServer::start(std::move(http), std::move(handlers.local)));
    return socket;
  });
}

// The library brings an allocator of its own, which does not work inside a sanitized process.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HS_NO_ENGINE 1
#endif
#endif
void leave_out_engine_tests() {
#ifdef HS_NO_ENGINE
  std::puts("sanitized build: tests that need the real engine are left out");
  testing::GTEST_FLAG(filter) =
      "-Store.*:ExactlyOnce.*:Supervisor.*:Schema.*:Retention.DropsInTheEngine:Retention."
      "TheSizeBoundHoldsInsideOnePartition";
#endif
}

std::unique_ptr<Engine> shared;

class StopShared final : public testing::Environment {
 public:
  void TearDown() override { shared.reset(); }
};

}  // namespace

Engine& shared_engine() {
  if (!shared) {
    shared = std::make_unique<Engine>();
    const bool ready = shared->supervisor.wait_ready(60'000);
    EXPECT_TRUE(ready) << shared->supervisor.state().reason << "; the library is expected at " << library_path();
    const Status migrated = migrate(shared->client);
    EXPECT_TRUE(migrated) << migrated.error().message;
  }
  return *shared;
}

}  // namespace hs::store::test

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "engine") return hs::store::test::run_child(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  hs::store::test::leave_out_engine_tests();
  testing::AddGlobalTestEnvironment(new hs::store::test::StopShared);
  return RUN_ALL_TESTS();
}
