#include "app/engine_command.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/log.h"
#include "io/files.h"
#include "io/http.h"
#include "io/random.h"
#include "net/http_server.h"
#include "security/credentials.h"
#include "store/engine/engine.h"

namespace hs::app {
namespace {

class Sockets final : public store::Listening {
 public:
  std::unique_ptr<net::HttpServer> local, tcp;
};

// A block of the store is one body, and its size follows from what ingest puts into a cut.
constexpr size_t block_bytes_max = 512ULL << 20;

Result<std::unique_ptr<net::HttpServer>> start(io::Endpoint endpoint, http::Handler handler) {
  net::HttpServerOptions options;
  options.listen = std::move(endpoint);
  options.name = "engine";
  options.body_bytes_max = block_bytes_max;
  options.all_bodies_bytes_max = 2 * block_bytes_max;
  // Blocks of tens of MiB come through the socket, from our own parent alone.
  if (!options.listen.unix_path.empty()) options.body_reserve_bytes_max = block_bytes_max;
  return net::HttpServer::start(std::move(options), std::move(handler));
}

store::Serve serve_on(std::string socket, std::string listen) {
  return [=](store::EngineHandlers handlers) -> Result<std::unique_ptr<store::Listening>> {
    auto sockets = std::make_unique<Sockets>();
    HS_ASSIGN(sockets->local, start({.unix_path = socket}, std::move(handlers.local)));
    if (!listen.empty()) {
      HS_ASSIGN(io::Endpoint endpoint, io::parse_endpoint(listen));
      HS_ASSIGN(sockets->tcp, start(std::move(endpoint), std::move(handlers.guarded)));
      log::info("engine listens", {{"address", sockets->tcp->address().text()}});
    }
    return sockets;
  };
}

}  // namespace

std::string engine_directory(const std::string& data) { return data + "/engine"; }
std::string engine_socket(const std::string& data) { return data + "/engine.sock"; }

std::string engine_library(const config::Settings& settings) {
  if (auto path = settings.text("engine.library"); !path.empty()) return path;
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "libchdb.so";
}

int engine(const Common& common, const std::string& listen, bool child) {
  const auto loaded = common.load();
  if (!loaded) {
    fmt::print(stderr, "{}\n", loaded.error().message);
    return 1;
  }
  const config::Settings& settings = (*loaded)->settings;
  const std::string data = settings.text("data");
  const std::string address = listen.empty() ? settings.text("listen.engine") : listen;
  store::EngineOptions options;
  // The engine would look for a relative one within itself.
  options.directory = std::filesystem::absolute(engine_directory(data)).string();
  options.library = engine_library(settings);
  options.socket_directory = data;
  options.memory_bytes = settings.bytes("engine.memory_max");
  options.watch_parent = child;
  if (!address.empty()) {
    auto made = io::make_directories(data);
    auto token = made ? security::ensure_token(data + "/token", io::system_random())
                      : Result<std::string>(tl::unexpected(made.error()));
    if (!token) {
      log::error("no token for the engine's clients", {{"why", token.error().message}});
      return 1;
    }
    options.token = *token;
  }
  return store::run_engine(options, serve_on(engine_socket(data), address));
}

}  // namespace hs::app
