// Any bytes as an answer in each format: no crash, aligned columns, the same result twice, and what comes out can be
// encoded and decoded again.

#include <cstdint>
#include <string>

#include "base/assert.h"
#include "wire/prometheus/exposition.h"
#include "wire/prometheus/remote_write.h"

namespace hs::wire::prometheus {
namespace {

void check(const std::string& body, ExpositionFormat format, const ExpositionLimits& limits) {
  const auto once = parse_exposition(body, format, limits), twice = parse_exposition(body, format, limits);
  HS_ASSERT(once.has_value() == twice.has_value(), "parsing is a function");
  if (!once) return;
  HS_ASSERT(once->size() == twice->size() && once->labels.rows() == once->size(), "rows");
  HS_ASSERT(once->time_ms.size() == once->size() && once->start_ms.size() == once->size(), "columns");
  WriteEncoder encoder;
  for (size_t i = 0; i < once->size(); ++i) {
    const WriteEncoder::Labels labels(once->labels.begin(i), once->labels.end(i));
    const WriteEncoder::Sample sample{1000, once->value[i], once->start_ms[i]};
    HS_ASSERT(!labels.empty() && labels[0].key == "__name__", "a name");
    if (once->histogram[i] == Exposition::no_histogram)
      encoder.series(labels, {&sample, 1});
    else
      encoder.histogram_message(labels, once->histograms.at(once->histogram[i]), sample, {});
  }
  for (const Exposition::Exemplar& e : once->exemplars) HS_ASSERT(e.sample < once->size(), "an exemplar's sample");
  (void)decode_write(encoder.take(), {});
}

}  // namespace
}  // namespace hs::wire::prometheus

// The first byte chooses the format and the limits.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace prometheus = hs::wire::prometheus;
  if (size == 0) return 0;
  const std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  prometheus::ExpositionLimits limits;
  limits.native_histograms = (data[0] & 4) != 0;
  limits.always_classic = (data[0] & 8) != 0;
  if ((data[0] & 16) != 0) limits.decoded_bytes_max = 2048, limits.labels_per_sample_max = 3;
  prometheus::check(body, static_cast<prometheus::ExpositionFormat>(data[0] % 3), limits);
  return 0;
}
