#pragma once
// Whom experiments may call: chaos.hosts, checked again when the address is dialled. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/http.h"

namespace hs::chaos {

class HostList {
 public:
  // Entries are "host:port". A wrong one is an error that names it.
  static Result<HostList> parse(const std::vector<std::string>& entries);

  // Whether `to` is one of them, word for word: no wildcards, no other port.
  Status allows(const io::Endpoint& to) const;
  // Whether the address that `to` resolved to may be dialled. A numeric host must be that address; a name (DNS is not
  // ours) must not lead to link-local (cloud metadata), multicast or unspecified addresses.
  static Status may_dial(const io::Endpoint& to, std::string_view address);

 private:
  std::vector<io::Endpoint> entries_;
};

}  // namespace hs::chaos
