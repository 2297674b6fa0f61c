#include "model/rows.h"

namespace hs::model {
namespace {

bool is_set(std::string_view bits, size_t row) {
  return row / 8 < bits.size() && (static_cast<unsigned char>(bits[row / 8]) >> row % 8 & 1) != 0;
}

// Keeps what `stays(row)`.
template <class T, class Stays>
void keep(std::vector<T>& column, const Stays& stays) {
  size_t to = 0;
  for (size_t row = 0; row < column.size(); ++row)
    if (stays(row)) column[to++] = std::move(column[row]);
  column.resize(to);
}

template <class Stays>
void keep(AttributeColumn& column, const Stays& stays) {
  AttributeColumn out;
  for (size_t row = 0; row < column.rows(); ++row) {
    if (!stays(row)) continue;
    out.items.insert(out.items.end(), column.begin(row), column.end(row));
    out.end_row();
  }
  column = std::move(out);
}

template <class Stays, class... Columns>
void keep_all(const Stays& stays, Columns&... columns) {
  (keep(columns, stays), ...);
}

}  // namespace

void remove_points(Points& p, std::string_view rows) {
  const auto stays = [&](size_t row) { return !is_set(rows, row); };
  std::vector<uint32_t> moved(p.size());  // where a point that stays is afterwards
  uint32_t next = 0;
  for (size_t row = 0; row < p.size(); ++row) moved[row] = stays(row) ? next++ : next;
  Exemplars& e = p.exemplars;
  const std::vector<uint32_t> points = e.point;
  const auto exemplar_stays = [&](size_t row) { return stays(points[row]); };
  keep_all(exemplar_stays, e.point, e.time, e.value, e.int_value, e.is_int, e.trace_id, e.span_id, e.attributes);
  for (uint32_t& point : e.point) point = moved[point];
  keep_all(stays, p.metric, p.time, p.start_time, p.flags, p.value, p.int_value, p.is_int, p.distribution,
           p.attributes);
  if (!p.series_id.empty()) keep(p.series_id, stays);
}

}  // namespace hs::model
