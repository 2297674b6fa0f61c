#include "ingest/incoming.h"

#include <algorithm>
#include <cctype>

namespace hs::ingest {

Result<std::string> tenant_of(const http::Headers& headers) {
  constexpr size_t bytes_max = 150;
  constexpr std::string_view others = "!-_.*'()";
  const std::string_view name = headers.get("X-Scope-OrgID");
  const bool good = name.size() <= bytes_max && std::all_of(name.begin(), name.end(), [&](char c) {
                      return std::isalnum(static_cast<unsigned char>(c)) != 0 || others.find(c) != others.npos;
                    });
  if (good) return std::string(name);
  return fail(Code::invalid_argument, "X-Scope-OrgID: a tenant's name is up to 150 letters, digits and !-_.*'()");
}

}  // namespace hs::ingest
