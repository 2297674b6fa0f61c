#pragma once
// The one way to the data: ClickHouse's HTTP protocol, spoken to the engine child over its UNIX socket or to a real
// ClickHouse server over TCP. Thread-safe; calls block; one exchange a call.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/http.h"
#include "store/block.h"
#include "store/result.h"

namespace hs::store {

struct ClientOptions {
  io::Endpoint endpoint;
  std::string database = "homeostat";
  std::string user, password;          // of a ClickHouse server; the engine child's socket needs none
  int64_t insert_timeout_ms = 60'000;  // a block on a busy disk
  int64_t query_timeout_ms = 30'000;   // unless the query has its own
  std::stop_token cancel = {};         // ends every query that has no token of its own
};

// A query. `sql` is constant text of ours: data and user input go into `params` ({name:Type} in the text), never into
// the text itself.
struct Query {
  std::string_view sql;
  std::vector<std::pair<std::string, std::string>> params = {};  // values as plain text: 5, abc, ['a','b']
  int64_t timeout_ms = 0;                                        // 0: ClientOptions::query_timeout_ms
  uint64_t memory_bytes_max = 0;                                 // 0: the engine's bound for one query
  std::stop_token cancel = {};                                   // ends the query in the engine too
};

struct Summary {
  uint64_t read_rows = 0, read_bytes = 0, result_rows = 0;
};

// Gets blocks as they arrive; false ends the query early, which is not an error.
using BlockSink = std::function<bool(const ResultBlock&)>;

// Errors of all calls: unavailable (the engine is down, starting, out of memory or disk: try again), deadline_exceeded,
// resource_exhausted (too many queries at once, a query needs too much memory), invalid_argument (the engine refuses
// it for good; for an insert: quarantine), not_found (no such table), internal.
class Client {
 public:
  Client(ClientOptions options, io::Http& http) : options_(std::move(options)), http_(http) {}

  Status ping();
  // Whole and durable, or an error after which it may or may not be in. Sending the same block again is safe, but after
  // a crash of the engine ok may mean that it knows the token and not the rows: ask has_cut().
  Status insert(const Block& block) { return insert(block.table, block.token, block.native); }
  // A request to stop through `cancel` ends the call with unavailable.
  Status insert(std::string_view table, std::string_view token, std::string_view native, std::stop_token cancel = {});
  Result<Summary> query(const Query& query, const BlockSink& sink);
  // All blocks at once; too_large beyond `rows_max`.
  Result<std::vector<ResultBlock>> collect(const Query& query, size_t rows_max = 100'000);
  // A statement without a result (DDL).
  Status execute(const Query& query);

  // Are rows of `cut` in this table and partition? For replay.
  Result<bool> has_cut(std::string_view table, std::string_view partition, uint64_t cut, std::stop_token cancel = {});
  // Does the engine work on an insert under this token right now?
  Result<bool> is_inserting(std::string_view token, std::stop_token cancel = {});

  const ClientOptions& options() const { return options_; }
  Client in_database(std::string database) const;
  // The same, whose queries end with `stop`: for a thread that must not outlive it.
  Client until(std::stop_token stop) const;

 private:
  struct Answer;
  Result<Answer> ask(const Query& query, const io::HttpLimits& limits);
  ClientOptions options_;
  io::Http& http_;
};

// What ClickHouse's exception means to us. `insert`: a code that is not known to pass by itself is the block's fault
// (invalid_argument), so that one block cannot hold up everything behind it.
Code code_of_exception(int exception_code, std::string_view text, bool insert);

}  // namespace hs::store
