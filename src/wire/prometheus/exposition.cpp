#include "wire/prometheus/exposition.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "wire/prometheus/exposition_builder.h"
#include "wire/prometheus/utf8.h"

namespace hs::wire::prometheus {

// As Go's 'g' with the fewest digits, and always a dot or an exponent.
std::string open_metrics_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  constexpr int smallest = -4, largest = 6;
  char text[400];
  const auto scientific = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  const std::string_view written(text, static_cast<size_t>(scientific.ptr - text));
  const size_t e = written.find('e');
  int exponent = 0;
  const size_t digits = e + (written[e + 1] == '+' ? 2 : 1);
  std::from_chars(written.data() + digits, written.data() + written.size(), exponent);
  if (value != 0 && (exponent < smallest || exponent >= largest)) return std::string(written);
  const auto fixed = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed);
  std::string out(text, fixed.ptr);
  if (out.find('.') == out.npos) out += ".0";
  return out;
}

Result<Exposition> parse_exposition(std::string body, ExpositionFormat format, const ExpositionLimits& limits) {
  ExpositionBuilder builder(limits);
  const std::string_view text = builder.out.arena.adopt(std::move(body));
  const bool binary = format == ExpositionFormat::protobuf;
  if (!binary && !is_utf8(text)) return fail(Code::invalid_argument, "the answer is not valid UTF-8");
  const Status read =
      binary ? read_protobuf(text, builder) : read_text(text, format == ExpositionFormat::open_metrics, builder);
  if (!read) return tl::unexpected(read.error());
  if (!builder.within_budget())
    return fail(Code::too_large,
                fmt::format("the answer needs more than {} bytes when parsed", limits.decoded_bytes_max));
  return std::move(builder.out);
}

}  // namespace hs::wire::prometheus
