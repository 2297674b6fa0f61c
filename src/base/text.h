#pragma once
// Small text tools that every layer needs.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs {

std::string to_hex(std::string_view bytes);              // lower case
Result<std::string> from_hex(std::string_view text);     // either case; an odd length is an error
std::string to_base64(std::string_view bytes);           // RFC 4648 section 4, padded
Result<std::string> from_base64(std::string_view text);  // padding optional; also the URL alphabet

// The candidate nearest to `word` (edit distance), or "" when none is near enough to be a typing error.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

// Telemetry is hostile: control characters (also C1 and the escape that drives terminals) become spaces,
// invalid UTF-8 becomes U+FFFD, and at most `max_bytes` are kept.
std::string printable(std::string_view text, size_t max_bytes = 4096);

// Every byte that is no part of valid UTF-8 becomes U+FFFD; all else stays.
std::string repair_utf8(std::string_view text);
// At most `max_bytes` of valid UTF-8 text, cut at a character's border.
std::string_view utf8_prefix(std::string_view text, size_t max_bytes);

}  // namespace hs
