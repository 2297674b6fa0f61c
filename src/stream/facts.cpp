#include "stream/facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <vector>

#include "model/sampling.h"

namespace hs::stream {
namespace {

using Member = std::string_view Facts::*;
struct Known {
  std::string_view key;
  Member text = nullptr;
  int Facts::* number = nullptr;
};

// The end of a key tells those of one length apart; all of ours are long enough.
constexpr size_t key_bytes_min = 7;
uint32_t end_of(std::string_view key) {
  uint32_t end = 0;
  std::memcpy(&end, key.data() + key.size() - sizeof end, sizeof end);
  return end;
}

const std::vector<Known>& known_keys() {
  static const std::vector<Known> keys{
      {"peer.service", &Facts::peer_service},
      {"server.address", &Facts::address},
      {"net.peer.name", &Facts::address},
      {"net.peer.ip", &Facts::address},
      {"network.peer.address", &Facts::address},
      {"server.port", &Facts::port},
      {"net.peer.port", &Facts::port},
      {"network.peer.port", &Facts::port},
      {"url.full", &Facts::url},
      {"http.url", &Facts::url},
      {"db.system.name", &Facts::db_system},
      {"db.system", &Facts::db_system},
      {"messaging.system", &Facts::messaging_system},
      {"messaging.destination.name", &Facts::destination},
      {"messaging.destination", &Facts::destination},
      {"rpc.service", &Facts::rpc_service},
      {"error.type", &Facts::error_type},
      {"client.address", &Facts::subject},
      {"http.client_ip", &Facts::subject},
      {"source.address", &Facts::subject},
      {"enduser.id", &Facts::subject},
      {"user.id", &Facts::subject},
      {"user.name", &Facts::subject},
      {"user.email", &Facts::subject},
      {"http.response.status_code", nullptr, &Facts::http_status},
      {"http.status_code", nullptr, &Facts::http_status},
      {"rpc.grpc.status_code", nullptr, &Facts::grpc_status},
      {"rpc.response.status_code", nullptr, &Facts::grpc_status},
      {"feature_flag.key", &Facts::flag_key},
      {"feature_flag.result.variant", &Facts::flag_variant},
      {"feature_flag.variant", &Facts::flag_variant},
      {"feature_flag.result.value", &Facts::flag_value},
      {"feature_flag.evaluation.value", &Facts::flag_value},
      {"feature_flag.result.reason", &Facts::flag_reason},
      {"feature_flag.evaluation.reason", &Facts::flag_reason},
      {"feature_flag.version", &Facts::flag_version},
      {"feature_flag.context.id", &Facts::flag_context},
  };
  return keys;
}

constexpr size_t key_bytes_max = 32;

// Keys by length: a row's keys are mostly not ours, and most lengths have one or two of ours.
struct Ended {
  uint32_t end = 0;
  Known known;
};
using ByLength = std::array<std::vector<Ended>, key_bytes_max + 1>;
const ByLength& by_length() {
  static const ByLength table = [] {
    ByLength made;
    for (const Known& known : known_keys()) made[known.key.size()].push_back({end_of(known.key), known});
    return made;
  }();
  return table;
}

// A number (rpc.grpc.status_code) or a name (rpc.response.status_code). Other RPC systems have codes of their own,
// whose meaning the span's status tells: -1.
int grpc_code_of(std::string_view text) {
  constexpr std::array<std::string_view, 17> names = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  int code = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
  if (error == std::errc())
    return end == text.data() + text.size() && code < static_cast<int>(names.size()) ? code : -1;
  const auto at = std::find(names.begin(), names.end(), text);
  return at == names.end() ? -1 : static_cast<int>(at - names.begin());
}

void read(const model::Attribute& attribute, const ByLength& table, Facts& facts) {
  if (attribute.key.size() < key_bytes_min || attribute.key.size() > key_bytes_max) return;
  const uint32_t end = end_of(attribute.key);
  for (const auto& [known_end, known] : table[attribute.key.size()]) {
    if (known_end != end) continue;
    if (std::memcmp(known.key.data(), attribute.key.data(), known.key.size()) != 0) continue;
    if (known.number == &Facts::grpc_status)
      facts.grpc_status = grpc_code_of(attribute.value);
    else if (known.number != nullptr)
      std::from_chars(attribute.value.data(), attribute.value.data() + attribute.value.size(), facts.*known.number);
    else if ((facts.*known.text).empty())
      facts.*known.text = attribute.value;
    return;
  }
}

bool is_server_fault(int grpc) {
  return grpc == 2 || grpc == 4 || grpc == 12 || grpc == 13 || grpc == 14 || grpc == 15;
}

constexpr uint32_t flag_random = 2;  // of W3C trace flags: the trace id's last 56 bits are random

}  // namespace

Facts facts_of(const model::Attribute* begin, const model::Attribute* end) {
  Facts facts;
  const ByLength& table = by_length();
  for (const model::Attribute* a = begin; a != end; ++a) read(*a, table, facts);
  return facts;
}

Ending ending_of(uint8_t span_status, const Facts& facts) {
  Ending ending;
  const int http = facts.http_status, grpc = facts.grpc_status;
  ending.denied = http == 401 || http == 403 || grpc == 7 || grpc == 16;
  ending.limited = http == 429 || grpc == 8;
  if (http >= 100)
    ending.error = http >= 500 || http == 408 || (span_status == 2 && http < 400);
  else if (grpc > 0)
    ending.error = is_server_fault(grpc);
  else
    ending.error = span_status == 2;
  return ending;
}

double weight_of(const model::Spans& spans, size_t row) {
  const std::string_view state = spans.trace_state[row];
  const auto threshold = model::stated_threshold(state);
  if (!threshold) return 1;
  auto randomness = model::stated_randomness(state);
  if (!randomness && (spans.flags[row] & flag_random) != 0) randomness = model::random_bits(spans.trace_id[row]);
  if (randomness && *randomness < *threshold) return 1;
  const double kept = model::probability_of(*threshold);
  return kept * weight_max <= 1 ? weight_max : 1 / kept;
}

std::string_view authority_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const size_t user = url.rfind('@');
  return user == std::string_view::npos ? url : url.substr(user + 1);
}

}  // namespace hs::stream
