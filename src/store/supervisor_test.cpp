#include "store/supervisor.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "io/clock.h"
#include "net/http_client.h"

namespace hs::store {
namespace {

// When each child of a supervisor was started, in ms, as the children themselves wrote it down.
std::vector<int64_t> starts_in(const std::string& path) {
  std::ifstream file(path);
  std::vector<int64_t> out;
  for (int64_t ns = 0; file >> ns;) out.push_back(ns / 1'000'000);
  return out;
}

// An engine that needs long to start on a starved machine would never be there if each were killed as soon as the one
// before. Only lower bounds: a busy machine makes every gap longer, none shorter.
TEST(EngineSupervisor, EachStartThatRanOutOfTimeGetsMore) {
  const std::string path = fmt::format("{}/starts-{}", testing::TempDir(), getpid());
  net::HttpClient http;
  SupervisorOptions options;
  options.command = {"/bin/sh", "-c", "date +%s%N >> " + path + "; exec sleep 1000"};
  options.endpoint.unix_path = path + ".sock";  // nobody listens there
  options.backoff_min_ms = options.backoff_max_ms = 1;
  options.start_timeout_ms = 200;
  options.start_timeout_max_ms = 600;
  const int64_t before = io::system_clock().wall() / nanos_per_ms;
  {
    EngineSupervisor supervisor(options, http);
    while (starts_in(path).size() < 5) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(supervisor.state().ready);
  }
  const std::vector<int64_t> starts = starts_in(path);
  EXPECT_GE(starts[2] - before, 200 + 400);
  EXPECT_GE(starts[4] - before, 200 + 400 + 600 + 600);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace hs::store
