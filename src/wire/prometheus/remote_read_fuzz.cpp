// Any bytes as a ReadRequest: no crash, within the bounds, the same result twice.

#include <cstdint>

#include "base/assert.h"
#include "wire/prometheus/remote_read.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace prometheus = hs::wire::prometheus;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto once = prometheus::decode_read(body), twice = prometheus::decode_read(body);
  HS_ASSERT(once.has_value() == twice.has_value(), "decoding is a function");
  if (!once) return 0;
  HS_ASSERT(once->size() <= prometheus::read_queries_max && once->size() == twice->size(), "queries");
  for (const prometheus::ReadQuery& query : *once)
    HS_ASSERT(!query.matchers.empty() && query.matchers.size() <= prometheus::read_matchers_max, "matchers");
  return 0;
}
