#pragma once
// Prometheus remote read: what is asked for, and the answer as SAMPLES (chunks are a server's choice, which we do not
// offer). https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/ and prompb/remote.proto. Pure.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace hs::wire::prometheus {

struct ReadMatcher {
  enum class Type : uint8_t { equal = 0, not_equal = 1, regex = 2, not_regex = 3 };
  Type type = Type::equal;
  std::string name, value;
};

struct ReadQuery {
  int64_t start_ms = 0, end_ms = 0;  // inclusive
  std::vector<ReadMatcher> matchers;
};

// One request asks for few selectors (Prometheus: for one); each is as much work as a query.
inline constexpr size_t read_queries_max = 64;
inline constexpr size_t read_matchers_max = 256;

// `body` is the protobuf message, not compressed any more. invalid_argument: no such message, a query without a
// matcher, a client that takes nothing but chunks, or more than the bounds above.
Result<std::vector<ReadQuery>> decode_read(std::string_view body);

// The answer: of each query, in their order, what WriteEncoder made of its series (a QueryResult has the same form).
std::string encode_read(std::span<const std::string> results);

}  // namespace hs::wire::prometheus
