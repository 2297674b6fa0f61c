#include "io/http.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hs::io {
namespace {

tl::unexpected<Error> bad(std::string_view text, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("\"{}\" is not an address: {}", text, why));
}

Result<uint16_t> parse_port(std::string_view whole, std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65535)
    return bad(whole, "the port must be a number from 0 to 65535");
  return static_cast<uint16_t>(port);
}

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

// host[:port] or [ipv6][:port]; port -1: there must be one.
Result<Endpoint> parse_authority(std::string_view whole, std::string_view text, int port_default) {
  Endpoint out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return bad(whole, "\"[\" without \"]\"");
    out.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (out.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos || out.host.empty())
      return bad(whole, "inside [] stands an IPv6 address");
  } else {
    const size_t colon = std::min(text.find(':'), text.size());
    out.host = text.substr(0, colon);
    rest = text.substr(colon);
    if (out.host.empty() || !std::all_of(out.host.begin(), out.host.end(), is_host_char))
      return bad(whole, "it has no valid host");
  }
  if (rest.empty() && port_default < 0) return bad(whole, "it has no port; write host:port");
  if (rest.empty()) {
    out.port = static_cast<uint16_t>(port_default);
    return out;
  }
  if (rest.front() != ':') return bad(whole, "after the host stands :port");
  HS_ASSIGN(out.port, parse_port(whole, rest.substr(1)));
  return out;
}

bool is_target_char(char c) { return c > ' ' && c < 0x7F && c != '#'; }

}  // namespace

std::string Endpoint::text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (!text.starts_with("unix:")) return parse_authority(text, text, -1);
  Endpoint out;
  out.unix_path = text.substr(5);
  if (out.unix_path.empty() || out.unix_path.find('\0') != std::string::npos)
    return bad(text, "after unix: stands the path of a socket");
  return out;
}

Result<Url> parse_url(std::string_view text) {
  Url out;
  if (text.starts_with("unix:")) {
    HS_ASSIGN(out.endpoint, parse_endpoint(text));
    return out;
  }
  if (text.starts_with("https://")) return bad(text, "https is not spoken here; use http:// or a local proxy");
  if (!text.starts_with("http://")) return bad(text, "it must start with http:// or unix:");
  const std::string_view rest = text.substr(7);
  const size_t slash = std::min(rest.find_first_of("/?#"), rest.size());
  HS_ASSIGN(out.endpoint, parse_authority(text, rest.substr(0, slash), 80));
  const std::string_view target = rest.substr(slash);
  if (!std::all_of(target.begin(), target.end(), is_target_char))
    return bad(text, "the path must be percent-encoded and without a fragment");
  out.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return out;
}

}  // namespace hs::io
