#include "ingest/shipment.h"

#include <charconv>

#include <fmt/format.h>

namespace hs::ingest {
namespace {

// A number after `name`, which it takes off the front.
template <class T>
bool take(std::string_view& text, std::string_view name, T& value, int base, size_t digits_max) {
  if (!text.starts_with(name)) return false;
  text.remove_prefix(name.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(text.size(), digits_max), value, base);
  const bool good = error == std::errc() && (base != 16 || end == text.data() + digits_max);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return good;
}

}  // namespace

std::string text_of(const Shipment& shipment) {
  return fmt::format("stream={:016x}{:016x} number={} oldest={}", shipment.stream.high, shipment.stream.low,
                     shipment.number, shipment.oldest);
}

Result<Shipment> parse_shipment(std::string_view text) {
  if (text.empty()) return Shipment{};
  Shipment out;
  const bool good = take(text, "stream=", out.stream.high, 16, 16) && take(text, "", out.stream.low, 16, 16) &&
                    take(text, " number=", out.number, 10, 20) && take(text, " oldest=", out.oldest, 10, 20);
  const bool open = out.oldest <= out.number && out.number - out.oldest < Shipment::open_max;
  if (good && text.empty() && out.known() && open) return out;
  return fail(Code::invalid_argument,
              fmt::format("{}: it is written stream=<32 hex digits> number=N oldest=M, with M <= N < M + {}",
                          shipment_header, Shipment::open_max));
}

}  // namespace hs::ingest
