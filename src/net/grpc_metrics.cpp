#include "net/grpc_metrics.h"

#include <map>
#include <mutex>
#include <string>

#include <fmt/format.h>

namespace hs::net {

GrpcMetrics::GrpcMetrics(std::string_view listener) {
  for (size_t code = 0; code < answers.size(); ++code)
    answers.at(code) =
        std::make_unique<metrics::Counter>("homeostat_grpc_answers_total", "Answers sent, by gRPC status code.",
                                           fmt::format("listener=\"{}\",code=\"{}\"", listener, code));
}

GrpcMetrics& GrpcMetrics::of(std::string_view listener) {
  static std::mutex mutex;
  // Never destroyed: the registry of metrics keeps pointers into it.
  static auto* const all = new std::map<std::string, std::unique_ptr<GrpcMetrics>, std::less<>>;
  const std::lock_guard lock(mutex);
  auto found = all->find(listener);
  if (found == all->end()) found = all->emplace(std::string(listener), std::make_unique<GrpcMetrics>(listener)).first;
  return *found->second;
}

void GrpcMetrics::count(int status) { answers.at(static_cast<size_t>(status))->add(); }

}  // namespace hs::net
