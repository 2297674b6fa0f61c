#pragma once
// What a listener counts, for /metrics.

#include <string>
#include <string_view>

#include "base/metrics.h"

namespace hs::net {

struct HttpMetrics {
  explicit HttpMetrics(std::string_view listener);
  // One set per listener name, for the life of the process.
  static HttpMetrics& of(std::string_view listener);
  void count_answer(int status);

  metrics::Gauge connections;
  metrics::Counter refused_connections, failed_handshakes, http2_connections, received_bytes, sent_bytes, timeouts;
  metrics::Counter answers_2xx, answers_3xx, answers_4xx, answers_5xx;
};

}  // namespace hs::net
