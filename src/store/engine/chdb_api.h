#pragma once
// chDB's C interface (Apache-2.0, https://github.com/chdb-io/chdb-core), as far as it is used here, bound at run time:
// the library is 566 MB and must not be mapped into any other process of ours.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace hs::store {

struct ChdbResult;                   // opaque
struct ChdbInsert;                   // opaque
struct ChdbHandle;                   // opaque
using ChdbConnection = ChdbHandle*;  // what statements run on; chdb_connect gives a pointer to it

struct ChdbAnalysis {
  uint32_t struct_size, statement_count, flags, query_class;
};
// Values of ChdbAnalysis::query_class.
enum class ChdbClass : uint32_t { read_only = 0, mutating = 1, mutating_global = 2, control = 3, unknown = 4 };

// What one statement is bound to; the arrays stay the caller's.
struct ChdbText {
  const char* query;
  size_t query_size;
  const char* format;
  size_t format_size;
  const char* const* names;
  const size_t* name_sizes;
  const char* const* values;
  const size_t* value_sizes;
  size_t count;
};

// Loaded once, never unloaded. All functions are thread-safe; a connection runs one statement at a time.
struct Chdb {
  // unavailable when the library cannot be loaded or lacks a function (streaming inserts came with 26.7.3).
  static Result<Chdb> load(const std::string& path);

  const char* (*version)();
  void (*set_signal_handlers_enabled)(int);
  ChdbConnection* (*connect)(int, char**);
  void (*close)(ChdbConnection*);
  int (*classify)(ChdbConnection, const char*, size_t, const char*, size_t, ChdbAnalysis*);

  ChdbResult* query(ChdbConnection c, const ChdbText& t) const;         // the whole result at once
  ChdbResult* stream_query(ChdbConnection c, const ChdbText& t) const;  // then fetch()
  ChdbInsert* stream_insert(ChdbConnection c, const ChdbText& t) const;

  ChdbResult* (*fetch)(ChdbConnection, ChdbResult*);
  void (*cancel_query)(ChdbConnection, ChdbResult*);
  int (*append)(ChdbInsert*, const void*, size_t);
  ChdbResult* (*done)(ChdbInsert*);
  const char* (*insert_error)(ChdbInsert*);
  void (*destroy_insert)(ChdbInsert*);

  void (*destroy_result)(ChdbResult*);
  char* (*buffer)(ChdbResult*);
  size_t (*length)(ChdbResult*);
  const char* (*error)(ChdbResult*);
  uint64_t (*rows_read)(ChdbResult*);  // rows of the result
  uint64_t (*storage_rows_read)(ChdbResult*);
  uint64_t (*storage_bytes_read)(ChdbResult*);
  uint64_t (*rows_written)(ChdbResult*);
  uint64_t (*bytes_written)(ChdbResult*);

  using Bound = ChdbResult* (*)(ChdbConnection, const char*, size_t, const char*, size_t, const char* const*,
                                const size_t*, const char* const*, const size_t*, size_t);
  using BoundInsert = ChdbInsert* (*)(ChdbConnection, const char*, size_t, const char*, size_t, const char* const*,
                                      const size_t*, const char* const*, const size_t*, size_t);
  Bound query_with_params;
  Bound stream_query_with_params;
  BoundInsert stream_insert_with_params;
};

}  // namespace hs::store
