#pragma once
// What the endpoints share. Internal to api/telemetry.

#include <set>

#include "api/telemetry/json_text.h"
#include "api/telemetry/select.h"
#include "api/telemetry/telemetry.h"
#include "ingest/incoming.h"

namespace hs::api::telemetry {

using Blocks = std::vector<store::ResultBlock>;

// An answer stops growing here; the rest is on the next page.
inline constexpr size_t answer_bytes_max = 32 << 20;

struct Reader {
  Collect collect;
  io::Clock& clock;
  Held held = {};

  // Of the tenant whose data the request is about.
  Result<Blocks> run(Select select, const http::Request& request, size_t rows_max) const {
    HS_ASSIGN(const std::string tenant, ingest::tenant_of(request.headers));
    select.bind("tenant", tenant);
    return collect(select.query(request.gone), rows_max);
  }
};

// Columns by name; asserted to be there, because the query is ours.
const store::ResultColumn& column(const store::ResultBlock& block, std::string_view name);

// Resources and scopes that rows of an answer refer to, told once at its end:
//   "resources": {"<id>": {...}}, "scopes": {"<id>": {...}}
struct Contexts {
  std::set<uint64_t> resources, scopes;
};
struct Described {  // rows of `resources` and `scopes` that a query may not find yet
  Blocks resources, scopes;
};
Status write_contexts(JsonText& out, const Reader& reader, const http::Request& request, Contexts contexts,
                      const Described& known = {});

// The endpoints. Each answers a JSON object.
Result<std::string> read_trace(const Reader& reader, const http::Request& request);
Result<std::string> list_spans(const Reader& reader, const http::Request& request);
Result<std::string> list_logs(const Reader& reader, const http::Request& request);
Result<std::string> list_series(const Reader& reader, const http::Request& request);
Result<std::string> list_names(const Reader& reader, const http::Request& request);
Result<std::string> list_services(const Reader& reader, const http::Request& request);
Result<std::string> list_lint(const Reader& reader, const http::Request& request);

// The order and the bounds of a page of a list (Cursor): appended to `select` around the conditions that `filter` adds.
// Rows need the columns ts, cut and row_hash.
template <class Filter>
void page(Select& select, Literal from, const Cursor& cursor, uint64_t limit, Filter filter) {
  const auto conditions = [&] {
    select.within(cursor.start, cursor.at);
    select.add(" AND (ts < fromUnixTimestamp64Nano({end:Int64}, 'UTC') OR cut <= {cut:UInt64})");
    filter(select);
  };
  select.add(from).add(" WHERE");
  conditions();
  // Only rows of the page are read whole: the inner query looks at the columns of the conditions alone.
  select.add(" AND ts >= (SELECT min(ts) FROM (SELECT ts").add(from).add(" WHERE");
  conditions();
  select.add(" ORDER BY ts DESC LIMIT {reach:UInt64}))");
  select.add(" ORDER BY ts DESC, cut DESC, row_hash DESC LIMIT {limit:UInt64} OFFSET {skip:UInt64}");
  select.bind("cut", cursor.cut).bind("limit", limit).bind("skip", cursor.skip).bind("reach", limit + cursor.skip);
}

// Writes rows with `write(block, row)` until the answer is large enough, and notes where the next page begins.
class PageWriter {
 public:
  PageWriter(const Cursor& cursor, uint64_t limit) : next_(cursor), limit_(limit) {}

  template <class Write>
  void rows(JsonText& out, const Blocks& blocks, Write write) {
    for (const store::ResultBlock& block : blocks)
      for (size_t row = 0; row < block.rows; ++row) {
        if (out.size() >= answer_bytes_max) return;
        write(block, row);
        count(column(block, "ts").i64(row), column(block, "cut").u64(row));
      }
  }
  // "next_cursor", when there may be more.
  void finish(JsonText& out) const;

 private:
  void count(int64_t ts, uint64_t cut);
  Cursor next_;
  uint64_t limit_, written_ = 0;
};

}  // namespace hs::api::telemetry
