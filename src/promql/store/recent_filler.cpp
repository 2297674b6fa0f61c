#include "promql/store/recent_filler.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/time.h"
#include "promql/store/native.h"

namespace hs::promql::store {
namespace {

constexpr int64_t slot_ms = 3'600'000;               // the engine keeps samples by hour and series: read as they lie
constexpr int64_t slot_timeout_ms = 120'000;         // a start is a busy time
constexpr uint64_t engine_bytes_max = 512ULL << 20;  // as any query of ours

// In the order of series and time, so that runs are made once.
constexpr std::string_view samples_sql =
    "SELECT series_id, ts, flags, value, cut, ts_sent FROM samples"
    " WHERE ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Nano({end:Int64}, 'UTC')"
    " ORDER BY toStartOfHour(ts), series_id, ts";
constexpr std::string_view distributions_sql =
    "SELECT series_id, ts, flags, kind, cut, ts_sent, {} FROM distributions"
    " WHERE ts >= fromUnixTimestamp64Nano({{start:Int64}}, 'UTC') AND ts < fromUnixTimestamp64Nano({{end:Int64}}, "
    "'UTC')"
    " ORDER BY toStartOfHour(ts), series_id, ts";

}  // namespace

Status fill(Recent& recent, db::Client& client, io::Clock& clock, const std::stop_token& stop) {
  const auto now_ms = [&] { return clock.wall() / nanos_per_ms; };
  const int64_t oldest = recent.floor_ms();
  int64_t end = now_ms() + 2 * slot_ms;  // senders' clocks may run ahead by less
  for (int64_t start = now_ms() / slot_ms * slot_ms; end > oldest && !stop.stop_requested(); start -= slot_ms) {
    start = std::max(start, oldest);
    const auto ask = [&](std::string_view sql, auto add) -> Status {
      const db::Query query{
          .sql = sql,
          .params = {{"start", std::to_string(start * nanos_per_ms)}, {"end", std::to_string(end * nanos_per_ms)}},
          .timeout_ms = slot_timeout_ms,
          .memory_bytes_max = engine_bytes_max,
          .cancel = stop};
      HS_TRY(client.query(query, [&](const db::ResultBlock& rows) {
        (recent.*add)(rows, now_ms());
        return true;
      }));
      return {};
    };
    HS_TRY(ask(samples_sql, &Recent::add_samples));
    HS_TRY(ask(fmt::format(distributions_sql, native_columns), &Recent::add_distributions));
    if (stop.stop_requested() || !recent.filled(start)) break;
    end = start;
  }
  return {};
}

}  // namespace hs::promql::store
