#pragma once
// One connection to the open engine, used for one statement and closed: opening costs 0.2 ms, and so no setting of one
// request can reach another. Settings go in as connection arguments, never as text of a statement.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "store/engine/chdb_api.h"

namespace hs::store {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// ClickHouse's own error: its code and its text.
struct Exception {
  int code = 0;
  std::string text;
};
template <class T>
using Outcome = tl::expected<T, Exception>;

// "Code: 60. DB::Exception: ..." -> 60; 1002 (UNKNOWN_EXCEPTION) when there is no code in it.
Exception parse_exception(std::string_view text);

struct Progress {
  uint64_t read_rows = 0, read_bytes = 0, written_rows = 0, written_bytes = 0, result_rows = 0;
};

class Session {
 public:
  // `settings` are ClickHouse's query settings by name. A value that the engine does not accept: code 36.
  static Outcome<Session> open(const Chdb& chdb, const std::string& path, const Pairs& settings);
  Session(Session&& other) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

  ChdbAnalysis classify(std::string_view sql) const;
  Outcome<void> use(std::string_view database);

  // Rows out of band. All or nothing for a single block of a single partition.
  Outcome<Progress> insert(std::string_view statement, std::string_view format, std::string_view data,
                           const Pairs& params);
  // The whole result at once. The library's parser takes several statements here: call it only with text that
  // classify() says is one.
  Outcome<std::string> run(std::string_view sql, std::string_view format, const Pairs& params);

  // A result in pieces: start(), then next() until it gives "". Takes SELECT and its like only.
  Outcome<void> start(std::string_view sql, std::string_view format, const Pairs& params);
  Outcome<std::string> next();
  void cancel();  // between start() and the end; from the thread that calls next()

  const Progress& progress() const { return progress_; }

 private:
  Session(const Chdb& chdb, ChdbConnection* connection) : chdb_(&chdb), connection_(connection) {}
  void count(ChdbResult* result);
  const Chdb* chdb_;
  ChdbConnection* connection_;
  ChdbResult* stream_ = nullptr;
  Progress progress_;
};

}  // namespace hs::store
