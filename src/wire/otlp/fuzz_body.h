#pragma once
// What both fuzz targets check about any bytes: no crash, aligned columns, only valid UTF-8, the same result twice.

#include <cstdlib>
#include <string_view>

#include <simdjson.h>

#include "base/assert.h"
#include "model/canonical.h"
#include "wire/otlp/otlp.h"

namespace hs::wire::otlp {

inline void check_attributes(const model::AttributeColumn& column, size_t rows) {
  HS_ASSERT(column.rows() == rows, "attribute rows");
  HS_ASSERT(column.items.size() == (rows == 0 ? 0 : column.ends.back()), "attribute items");
}

inline void check_aligned(const model::Batch& batch) {
  const model::Spans& s = batch.spans;
  HS_ASSERT(s.links.ends.size() == s.size() && s.events.ends.size() == s.size(), "children");
  HS_ASSERT(s.trace_id.size() == s.size() && s.dropped_links.size() == s.size() && s.name.size() == s.size(), "spans");
  check_attributes(s.attributes, s.size());
  check_attributes(s.events.attributes, s.size() == 0 ? 0 : s.events.ends.back());
  check_attributes(s.links.attributes, s.size() == 0 ? 0 : s.links.ends.back());
  HS_ASSERT(s.links.flags.size() == s.links.attributes.rows(), "links");
  const model::Logs& l = batch.logs;
  HS_ASSERT(l.body.size() == l.size() && l.event_name.size() == l.size() && l.flags.size() == l.size(), "logs");
  check_attributes(l.attributes, l.size());
  const model::Points& p = batch.points;
  HS_ASSERT(p.metric.size() == p.size() && p.distribution.size() == p.size() && p.is_int.size() == p.size(), "points");
  check_attributes(p.attributes, p.size());
  check_attributes(p.exemplars.attributes, p.exemplars.point.size());
}

// The first byte chooses the signal and whether the limits are tight.
inline int fuzz_decode(Format format, const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto signal = static_cast<model::Signal>(1 + data[0] % 3);
  DecodeLimits limits;
  if (data[0] & 0x80) {
    limits.attributes_per_item_max = limits.children_per_item_max = limits.buckets_per_point_max = 2;
    limits.key_bytes_max = limits.name_bytes_max = limits.value_bytes_max = limits.nested_body_bytes_max = 8;
    limits.nesting_max = 2;
    limits.decoded_bytes_max = 4096;
  }
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto once = decode(signal, format, body, limits);
  const auto twice = decode(signal, format, body, limits);
  HS_ASSERT(once.has_value() == twice.has_value(), "decoding is a function");
  if (!once) return 0;
  check_aligned(*once);
  const std::string text = describe(*once);
  HS_ASSERT(text == describe(*twice), "decoding is a function");
  HS_ASSERT(simdjson::validate_utf8(text), "only valid UTF-8 comes out");
  return 0;
}

}  // namespace hs::wire::otlp
