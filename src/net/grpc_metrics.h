#pragma once
// What a gRPC listener counts, for /metrics.

#include <array>
#include <memory>
#include <string_view>

#include "base/metrics.h"

namespace hs::net {

struct GrpcMetrics {
  explicit GrpcMetrics(std::string_view listener);
  // One set per listener name, for the life of the process.
  static GrpcMetrics& of(std::string_view listener);
  void count(int status);  // a google.rpc.Code

  std::array<std::unique_ptr<metrics::Counter>, 17> answers;  // by google.rpc.Code
};

}  // namespace hs::net
