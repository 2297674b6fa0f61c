#pragma once
// The engine child: loads chDB and speaks the part of ClickHouse's HTTP interface that the store's client, and official
// ClickHouse clients, use. A process of its own, so that no crash, leak or signal handler of the library reaches ingest
// or the loop. It dies with its parent: by the kernel's signal, and when its standard input ends.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/http_message.h"

namespace hs::store {

struct EngineOptions {
  std::string directory;                // the engine's own; created; one process at a time (a lock file)
  std::string library;                  // path of libchdb.so
  std::string socket_directory;         // where the UNIX socket will be made; nothing else outside can be touched
  int64_t memory_bytes = 1200LL << 20;  // for data and queries; the library itself takes about 200 MB more
  std::string token;                    // what TCP clients must give as their password (or Bearer token)
  bool watch_parent = true;             // end when standard input does and when the parent dies
  int query_threads = 8;                // queries at once; as many again may wait
  int insert_threads = 2;
  int64_t lock_timeout_ms = 30'000;   // for an orphan of a killed parent to vanish
  int64_t query_timeout_ms = 60'000;  // bound of max_execution_time; a query may ask for less
};

// Listening sockets, made by the app (sockets live in net/). Destroying it stops intake.
class Listening {
 public:
  virtual ~Listening() = default;
};
struct EngineHandlers {
  http::Handler local;    // for the UNIX socket, which file permissions guard
  http::Handler guarded;  // for TCP: everything but /ping needs the token
};
// Called once the engine is open.
using Serve = std::function<Result<std::unique_ptr<Listening>>(EngineHandlers)>;

// Runs until SIGTERM or the parent's end, then stops intake, cancels queries, closes, and leaves the process by
// quick_exit (the library cannot be unloaded). Returns only when it could not start: the process's exit code.
int run_engine(const EngineOptions& options, const Serve& serve);

}  // namespace hs::store
