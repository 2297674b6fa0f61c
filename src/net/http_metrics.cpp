#include "net/http_metrics.h"

#include <map>
#include <memory>
#include <mutex>

#include <fmt/format.h>

namespace hs::net {
namespace {

std::string label(std::string_view listener) { return fmt::format("listener=\"{}\"", listener); }
std::string label(std::string_view listener, std::string_view status) {
  return fmt::format("listener=\"{}\",status=\"{}\"", listener, status);
}

constexpr std::string_view answers = "homeostat_http_answers_total";
constexpr std::string_view answers_help = "Answers sent, by class of status.";

}  // namespace

HttpMetrics::HttpMetrics(std::string_view l)
    : connections("homeostat_http_connections", "Open connections.", label(l)),
      refused_connections("homeostat_http_refused_connections_total", "Closed at the bound of connections.", label(l)),
      failed_handshakes("homeostat_http_failed_handshakes_total", "Connections on which no TLS was agreed on.",
                        label(l)),
      http2_connections("homeostat_http_http2_connections_total",
                        "Connections that went on to the gRPC server, since they spoke HTTP/2.", label(l)),
      received_bytes("homeostat_http_received_bytes_total", "Bytes read from connections.", label(l)),
      sent_bytes("homeostat_http_sent_bytes_total", "Bytes written to connections.", label(l)),
      timeouts("homeostat_http_timeouts_total", "Connections closed because their time was up.", label(l)),
      answers_2xx(answers, answers_help, label(l, "2xx")),
      answers_3xx(answers, answers_help, label(l, "3xx")),
      answers_4xx(answers, answers_help, label(l, "4xx")),
      answers_5xx(answers, answers_help, label(l, "5xx")) {}

HttpMetrics& HttpMetrics::of(std::string_view listener) {
  static std::mutex mutex;
  // Never destroyed: the registry of metrics keeps pointers into it.
  static auto* const all = new std::map<std::string, std::unique_ptr<HttpMetrics>, std::less<>>;
  const std::lock_guard lock(mutex);
  auto found = all->find(listener);
  if (found == all->end()) found = all->emplace(std::string(listener), std::make_unique<HttpMetrics>(listener)).first;
  return *found->second;
}

void HttpMetrics::count_answer(int status) {
  metrics::Counter& counter = status < 300   ? answers_2xx
                              : status < 400 ? answers_3xx
                              : status < 500 ? answers_4xx
                                             : answers_5xx;
  counter.add();
}

}  // namespace hs::net
