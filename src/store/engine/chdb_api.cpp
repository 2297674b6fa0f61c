#include "store/engine/chdb_api.h"

#include <dlfcn.h>

#include <string_view>

#include <fmt/format.h>

namespace hs::store {
namespace {

constexpr std::string_view what_to_do = "run ./dev setup, or set engine.library to the path of libchdb.so";

template <class F>
bool bind(void* library, F& function, const char* name, std::string& missing) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) missing = name;
  return function != nullptr;
}

bool bind_results(void* so, Chdb& c, std::string& missing) {
  return bind(so, c.destroy_result, "chdb_destroy_query_result", missing) &&
         bind(so, c.buffer, "chdb_result_buffer", missing) && bind(so, c.length, "chdb_result_length", missing) &&
         bind(so, c.error, "chdb_result_error", missing) && bind(so, c.rows_read, "chdb_result_rows_read", missing) &&
         bind(so, c.storage_rows_read, "chdb_result_storage_rows_read", missing) &&
         bind(so, c.storage_bytes_read, "chdb_result_storage_bytes_read", missing) &&
         bind(so, c.rows_written, "chdb_result_rows_written", missing) &&
         bind(so, c.bytes_written, "chdb_result_bytes_written", missing);
}

bool bind_statements(void* so, Chdb& c, std::string& missing) {
  return bind(so, c.version, "chdb_version", missing) &&
         bind(so, c.set_signal_handlers_enabled, "chdb_set_signal_handlers_enabled", missing) &&
         bind(so, c.connect, "chdb_connect", missing) && bind(so, c.close, "chdb_close_conn", missing) &&
         bind(so, c.classify, "chdb_classify_query_n", missing) &&
         bind(so, c.query_with_params, "chdb_query_with_params_n", missing) &&
         bind(so, c.stream_query_with_params, "chdb_stream_query_with_params_n", missing) &&
         bind(so, c.stream_insert_with_params, "chdb_stream_insert_with_params_n", missing) &&
         bind(so, c.fetch, "chdb_stream_fetch_result", missing) &&
         bind(so, c.cancel_query, "chdb_stream_cancel_query", missing) &&
         bind(so, c.append, "chdb_stream_append", missing) && bind(so, c.done, "chdb_stream_done", missing) &&
         bind(so, c.insert_error, "chdb_stream_insert_error", missing) &&
         bind(so, c.destroy_insert, "chdb_destroy_insert_stream", missing);
}

}  // namespace

Result<Chdb> Chdb::load(const std::string& path) {
  void* so = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (so == nullptr) {
    const char* why = dlerror();
    return fail(Code::unavailable,
                fmt::format("cannot load the storage engine: {}; {}", why == nullptr ? path.c_str() : why, what_to_do));
  }
  Chdb chdb{};
  std::string missing;
  if (!bind_statements(so, chdb, missing) || !bind_results(so, chdb, missing)) {
    return fail(Code::unavailable,
                fmt::format("{} has no {}: chDB 26.7.3 or later is needed; {}", path, missing, what_to_do));
  }
  return chdb;
}

ChdbResult* Chdb::query(ChdbConnection c, const ChdbText& t) const {
  return query_with_params(c, t.query, t.query_size, t.format, t.format_size, t.names, t.name_sizes, t.values,
                           t.value_sizes, t.count);
}

ChdbResult* Chdb::stream_query(ChdbConnection c, const ChdbText& t) const {
  return stream_query_with_params(c, t.query, t.query_size, t.format, t.format_size, t.names, t.name_sizes, t.values,
                                  t.value_sizes, t.count);
}

ChdbInsert* Chdb::stream_insert(ChdbConnection c, const ChdbText& t) const {
  return stream_insert_with_params(c, t.query, t.query_size, t.format, t.format_size, t.names, t.name_sizes, t.values,
                                   t.value_sizes, t.count);
}

}  // namespace hs::store
