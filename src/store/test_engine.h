#pragma once
// A real engine for tests: this test program itself, started again as the child (see engine_main_test.cpp).

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "net/http_client.h"
#include "store/client.h"
#include "store/supervisor.h"

namespace hs::store::test {

inline std::string self_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

// HS_TEST_ENGINE_LIBRARY, else where ./dev build links it.
inline std::string library_path() {
  if (const char* given = std::getenv("HS_TEST_ENGINE_LIBRARY")) return given;
  return std::filesystem::path(self_path()).parent_path().parent_path() / "libchdb.so";
}

class Directory {
 public:
  Directory() {
    std::string pattern = std::filesystem::temp_directory_path() / "homeostat-store-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Engine {
  Directory directory;
  net::HttpClient http;
  EngineSupervisor supervisor;
  Client client;

  Engine()
      : supervisor({.command = {self_path(), "engine", directory.path()}, .endpoint = endpoint()}, http),
        client({.endpoint = endpoint()}, http) {}
  io::Endpoint endpoint() const { return {.unix_path = directory.path() + "/engine.sock"}; }

  // The first value of the first row, as a number.
  uint64_t number(std::string_view sql) {
    const auto blocks = client.collect({.sql = sql});
    return blocks && !blocks->empty() ? (*blocks)[0].columns[0].u64(0) : UINT64_MAX;
  }
  std::string text(std::string_view sql) {
    const auto blocks = client.collect({.sql = sql});
    if (!blocks) return "error: " + blocks.error().message;
    return blocks->empty() ? "no rows" : std::string((*blocks)[0].columns[0].text(0));
  }
};

// One engine for all tests of the program that do not kill it, with the newest schema.
Engine& shared_engine();

}  // namespace hs::store::test
