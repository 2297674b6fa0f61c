// Any bytes as a body, compressed or not: no crash, aligned columns, only valid UTF-8, the same result twice.

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "base/text.h"
#include "model/canonical.h"
#include "wire/prometheus/remote_write.h"
#include "wire/prometheus/snappy.h"

namespace hs::wire::prometheus {
namespace {

void check_aligned(const model::Points& p) {
  HS_ASSERT(p.metric.size() == p.size() && p.distribution.size() == p.size() && p.value.size() == p.size(), "points");
  HS_ASSERT(p.attributes.rows() == p.size() && p.flags.size() == p.size() && p.start_time.size() == p.size(), "points");
  const model::Exemplars& e = p.exemplars;
  HS_ASSERT(e.attributes.rows() == e.point.size() && e.time.size() == e.point.size(), "exemplars");
  for (const uint32_t point : e.point) HS_ASSERT(point < p.size(), "an exemplar's point");
  for (const uint32_t metric : p.metric) HS_ASSERT(metric < p.metrics.size(), "a point's metric");
}

void check(const std::string& body, const WriteLimits& limits, WriteVersion version) {
  const auto once = decode_write(body, limits, version);
  const auto twice = decode_write(body, limits, version);
  HS_ASSERT(once.has_value() == twice.has_value(), "decoding is a function");
  if (!once) return;
  check_aligned(once->points);
  const std::string text = model::describe(*once);
  HS_ASSERT(text == model::describe(*twice), "decoding is a function");
  HS_ASSERT(repair_utf8(text) == text, "only valid UTF-8 comes out");
}

}  // namespace
}  // namespace hs::wire::prometheus

// The first byte chooses whether the body is compressed, whether the limits are tight, and the version.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace prometheus = hs::wire::prometheus;
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1) {
    auto plain = prometheus::snappy_decompress(body, 1 << 20);
    if (!plain) return 0;
    body = std::move(*plain);
  }
  prometheus::WriteLimits limits;
  if (data[0] & 2) {
    limits.decoded_bytes_max = 4096;
    limits.labels_per_series_max = limits.exemplars_per_series_max = limits.windows_max = 2;
    limits.name_bytes_max = limits.value_bytes_max = limits.buckets_per_histogram_max = 8;
  }
  prometheus::check(body, limits, data[0] & 4 ? prometheus::WriteVersion::two : prometheus::WriteVersion::one);
  return 0;
}
