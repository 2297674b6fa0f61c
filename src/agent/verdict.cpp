#include "agent/verdict.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

#include "base/text.h"
#include "wire/otlp/otlp.h"

namespace hs::agent {
namespace {

// A receiver may ask for more; a typing error there must not stop an agent for a year.
constexpr int64_t retry_after_max_ms = 3'600'000;
constexpr size_t why_bytes_max = 300;

// Retry-After: seconds, or a date (RFC 9110, 10.2.3).
int64_t retry_after_ms(const http::Response& response, UnixNanos now) {
  const std::string text(response.headers.get("Retry-After"));
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    std::tm date{};
    if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return 0;
    seconds = timegm(&date) - now / nanos_per_s;
  }
  return std::clamp<int64_t>(seconds, 0, retry_after_max_ms / 1000) * 1000;
}

Verdict::Kind kind_of(int status) {
  switch (status) {
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return Verdict::Kind::busy;
    case 401:
    case 403:
    case 404:
    case 405:
    case 407:
    case 421:
      return Verdict::Kind::misconfigured;
    default:
      break;
  }
  if (status >= 500) return Verdict::Kind::failed;
  return status >= 400 ? Verdict::Kind::refused : Verdict::Kind::misconfigured;  // redirects are not followed
}

}  // namespace

std::string_view name_of(Verdict::Kind kind) {
  constexpr std::string_view names[] = {"delivered", "busy", "misconfigured", "failed", "refused"};
  return names[static_cast<size_t>(kind)];
}

Verdict judge(const Result<http::Response>& answer, ingest::WireFormat format, UnixNanos now) {
  Verdict out;
  const bool protobuf = format == ingest::WireFormat::otlp_protobuf;
  if (!answer) {
    out.kind = answer.error().code == Code::too_large ? Verdict::Kind::failed : Verdict::Kind::busy;
    out.why = printable(answer.error().message, why_bytes_max);
    return out;
  }
  if (answer->status >= 200 && answer->status < 300) {
    if (!protobuf) return out;  // its partial success is for the receiver's metrics to tell
    auto partial = wire::otlp::decode_response(answer->body);
    out.rejected = partial.rejected;
    out.why = printable(partial.why, why_bytes_max);
    return out;
  }
  out.kind = kind_of(answer->status);
  out.retry_after_ms = retry_after_ms(*answer, now);
  const auto refusal = protobuf ? wire::otlp::decode_status(answer->body) : wire::otlp::Refusal{};
  out.retry_after_ms = std::max(out.retry_after_ms, std::min(refusal.retry_after_ms, retry_after_max_ms));
  out.why = fmt::format("{}: {}", answer->status,
                        printable(refusal.message.empty() ? answer->body : refusal.message, why_bytes_max));
  return out;
}

}  // namespace hs::agent
