// Any bytes, in pieces: frames stay within their bound and what parse() returns lies in the frame.
#include <cstdint>
#include <cstdlib>

#include "wire/syslog/framer.h"
#include "wire/syslog/message.h"

namespace {

void check(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs::wire::syslog;
  constexpr size_t frame_max = 200;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t step = size == 0 ? 1 : data[0] % 64U + 1;
  Framer framer(frame_max);
  std::string_view frame;
  const auto take = [&](bool last) {
    while (framer.next(frame, last)) {
      check(!frame.empty() && frame.size() <= frame_max);
      const Message m = parse(frame, {.received = 1'700'000'000'000'000'000, .utc_offset_s = -3600});
      check(m.facility <= 23 && m.severity <= 7 && m.parameters.size() <= parameters_max && m.time >= 0);
      check(m.text.empty() ||
            (m.text.data() >= frame.data() && m.text.data() + m.text.size() == frame.data() + frame.size()));
    }
  };
  for (size_t at = 0; at < size; at += step) {
    framer.add(all.substr(at, step));
    take(false);
  }
  take(true);
  return 0;
}
