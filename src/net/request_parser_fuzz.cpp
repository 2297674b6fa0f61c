// Any bytes, in pieces of any size, as an HTTP request: no crash, and no more body than allowed.
#include <algorithm>
#include <cstdlib>

#include "net/request_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  constexpr size_t body_bytes_max = 1000;
  hs::net::RequestParser parser(body_bytes_max, body_bytes_max);
  const size_t step = 1 + data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string waiting;
  for (size_t at = 0; at < bytes.size() && !parser.done(); at += step) {
    waiting += bytes.substr(at, step);
    for (size_t before = waiting.size() + 1; before > waiting.size() && !parser.done();) {
      before = waiting.size();
      const auto used = parser.feed(waiting);
      if (!used) return 0;
      waiting.erase(0, *used);
      if (parser.body_bytes() > body_bytes_max) std::abort();
    }
  }
  if (parser.header_done() && parser.take().path.empty()) std::abort();
  return 0;
}
