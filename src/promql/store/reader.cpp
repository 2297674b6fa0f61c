#include "promql/store/reader.h"

#include <algorithm>

#include "base/assert.h"
#include "store/block.h"

namespace hs::promql::store {
namespace {

constexpr uint64_t memory_bytes_max = 512ULL << 20;  // of the engine, for one query

// Nanoseconds of a millisecond, clamped: queries may ask for any time.
int64_t nanos_of(int64_t ms) {
  constexpr int64_t most = INT64_MAX / nanos_per_ms - 1;  // whose last nanosecond fits too
  return std::clamp(ms, int64_t{0}, most) * nanos_per_ms;
}

void add_window(Sql& sql, int64_t start, int64_t end) {
  sql.add(
      " tenant = {tenant:String} AND ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC')"
      " AND ts <= fromUnixTimestamp64Nano({end:Int64}, 'UTC')");
  sql.bind("start", std::to_string(start)).bind("end", std::to_string(end));
}

Status interrupted(Interrupt why) {
  return fail(Code::deadline_exceeded, why == Interrupt::canceled ? "query was canceled" : "query timed out");
}

}  // namespace

void add_fact_window(Sql& sql, const Window& window) {
  add_window(sql, nanos_of(window.start_ms), window.end_ms < 0 ? -1 : nanos_of(window.end_ms) + nanos_per_ms - 1);
}

void add_dictionary_window(Sql& sql, const Window& window) {
  constexpr int64_t partition_ns = db::partition_s * nanos_per_s;
  const int64_t start = nanos_of(window.start_ms);
  add_window(sql, start - start % partition_ns, window.end_ms < 0 ? -1 : nanos_of(window.end_ms));
}

Status Reader::each_block(const Sql& sql, const InterruptCheck& interrupt, const Block& block) const {
  db::Query query{.sql = sql.text,
                  .params = sql.params,
                  .timeout_ms = timeout_ms,
                  .memory_bytes_max = memory_bytes_max,
                  .cancel = cancel};
  query.params.emplace_back("tenant", tenant);
  Status status;
  const auto answer = client.query(query, [&](const db::ResultBlock& one) {
    const Interrupt why = interrupt ? interrupt() : Interrupt::none;
    status = why == Interrupt::none ? block(one) : interrupted(why);
    return status.has_value();
  });
  HS_TRY(status);
  if (answer) return {};
  // The engine ends an answer that takes too long by closing the connection: that is the query's time, not a failure.
  const Interrupt why = interrupt ? interrupt() : Interrupt::none;
  return why == Interrupt::none ? tl::unexpected(answer.error()) : interrupted(why);
}

Status Reader::each(const Sql& sql, const InterruptCheck& interrupt, const Row& row) const {
  return each_block(sql, interrupt, [&](const db::ResultBlock& block) -> Status {
    for (size_t i = 0; i < block.rows; ++i) HS_TRY(row(block, i));
    return {};
  });
}

const db::ResultColumn& column(const db::ResultBlock& block, std::string_view name) {
  const db::ResultColumn* found = block.find(name);
  HS_ASSERT(found != nullptr, name);
  return *found;
}

}  // namespace hs::promql::store
