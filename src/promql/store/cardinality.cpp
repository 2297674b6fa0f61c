// What makes series many.

#include "promql/store/source.h"

namespace hs::promql::store {
namespace {

constexpr std::string_view each_series =
    " FROM (SELECT series_id, metric, attrs FROM series WHERE tenant = {tenant:String}"
    " AND ts >= fromUnixTimestamp64Nano({start:Int64}, 'UTC') AND ts <= fromUnixTimestamp64Nano({end:Int64}, 'UTC')"
    " LIMIT 1 BY series_id)";

Result<std::vector<NamedCount>> counts(const Reader& reader, std::string_view head, std::string_view tail,
                                       const Window& window, size_t limit) {
  Sql sql, bounds;
  add_dictionary_window(bounds, window);
  sql.add(head).add(each_series).add(tail).add(" ORDER BY n DESC, name LIMIT {limit:UInt64}");
  sql.params = bounds.params;
  sql.bind("limit", std::to_string(limit));
  std::vector<NamedCount> out;
  HS_TRY(reader.each(sql, {}, [&](const db::ResultBlock& block, size_t row) -> Status {
    out.push_back({std::string(column(block, "name").text(row)), column(block, "n").u64(row)});
    return {};
  }));
  return out;
}

Result<uint64_t> total(const Reader& reader, std::string_view head, const Window& window) {
  HS_ASSIGN(const auto one, counts(reader, head, "", window, 1));
  return one.empty() ? 0 : one[0].count;
}

}  // namespace

Result<Cardinality> StoreSource::cardinality(const Window& window, size_t limit) const {
  Cardinality out;
  HS_ASSIGN(out.series, total(reader_, "SELECT '' AS name, count() AS n", window));
  HS_ASSIGN(
      out.label_pairs,
      total(reader_,
            "SELECT '' AS name, uniqExactArray(arrayMap((k, v) -> (k, v), mapKeys(attrs), mapValues(attrs))) AS n",
            window));
  HS_ASSIGN(out.by_metric, counts(reader_, "SELECT metric AS name, count() AS n", " GROUP BY metric", window, limit));
  HS_ASSIGN(out.values_by_label,
            counts(reader_, "SELECT k AS name, uniqExact(v) AS n",
                   " ARRAY JOIN mapKeys(attrs) AS k, mapValues(attrs) AS v GROUP BY k", window, limit));
  HS_ASSIGN(out.bytes_by_label,
            counts(reader_, "SELECT k AS name, sum(length(v)) AS n",
                   " ARRAY JOIN mapKeys(attrs) AS k, mapValues(attrs) AS v GROUP BY k", window, limit));
  HS_ASSIGN(out.by_pair, counts(reader_, "SELECT concat(k, '=', v) AS name, count() AS n",
                                " ARRAY JOIN mapKeys(attrs) AS k, mapValues(attrs) AS v GROUP BY k, v", window, limit));
  return out;
}

}  // namespace hs::promql::store
