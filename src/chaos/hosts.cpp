#include "chaos/hosts.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace hs::chaos {
namespace {

bool is_numeric(const std::string& host) {
  std::array<unsigned char, 16> raw{};
  return ::inet_pton(AF_INET, host.c_str(), raw.data()) == 1 || ::inet_pton(AF_INET6, host.c_str(), raw.data()) == 1;
}

bool is_special_v4(const unsigned char* b) { return b[0] == 0 || b[0] >= 224 || (b[0] == 169 && b[1] == 254); }

// Unspecified, link-local, multicast; and IPv4 inside IPv6.
bool is_special(const std::string& address) {
  std::array<unsigned char, 16> b{};
  if (::inet_pton(AF_INET, address.c_str(), b.data()) == 1) return is_special_v4(b.data());
  if (::inet_pton(AF_INET6, address.c_str(), b.data()) != 1) return true;
  const bool low = std::all_of(b.begin(), b.begin() + 10, [](unsigned char c) { return c == 0; });
  if (low && b[10] == 0xFF && b[11] == 0xFF) return is_special_v4(b.data() + 12);
  const bool unspecified = std::all_of(b.begin(), b.end(), [](unsigned char c) { return c == 0; });
  return unspecified || b[0] == 0xFF || (b[0] == 0xFE && (b[1] & 0xC0) == 0x80);
}

}  // namespace

Result<HostList> HostList::parse(const std::vector<std::string>& entries) {
  HostList out;
  for (const std::string& entry : entries) {
    auto endpoint = io::parse_endpoint(entry);
    if (!endpoint) return fail(Code::invalid_argument, fmt::format("chaos.hosts: {}", endpoint.error().message));
    if (!endpoint->unix_path.empty()) return fail(Code::invalid_argument, "chaos.hosts: takes host:port, not unix:");
    out.entries_.push_back(std::move(*endpoint));
  }
  return out;
}

Status HostList::allows(const io::Endpoint& to) const {
  if (std::find(entries_.begin(), entries_.end(), to) != entries_.end()) return {};
  return fail(
      Code::permission_denied,
      fmt::format("{} is not among chaos.hosts; add \"{}\" there to let experiments call it", to.text(), to.text()));
}

Status HostList::may_dial(const io::Endpoint& to, std::string_view address) {
  const std::string text(address);
  const bool numeric = is_numeric(to.host);
  if (numeric ? text == to.host : !is_special(text)) return {};
  return fail(Code::permission_denied,
              fmt::format("{} leads to the address {}, which experiments may not call", to.text(), text));
}

}  // namespace hs::chaos
