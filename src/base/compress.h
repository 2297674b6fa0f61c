#pragma once
// Undoing (and making) Content-Encoding. Input is hostile: the output limit holds while decompressing, so a bomb costs
// at most the limit, whatever its ratio. Pure; thread-safe.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs {

enum class Coding : uint8_t {
  identity,
  gzip,     // RFC 1952, also several members after each other
  deflate,  // RFC 9110 says zlib (RFC 1950); raw deflate (RFC 1951) is accepted too, since clients send it
  zstd,     // RFC 8878, also several and skippable frames
};

// The largest zstd window that is accepted: RFC 9659 allows no more for content codings, and the decoder allocates the
// window that a frame asks for before it has seen the data.
inline constexpr int zstd_window_log_max = 23;  // 8 MiB

// The coding that a Content-Encoding header names. "" and "identity" are identity, case does not matter. A coding that
// is unknown, or more than one (a chain of codings multiplies the ratio of a bomb): unsupported_media.
Result<Coding> parse_coding(std::string_view content_encoding);
std::string_view name_of(Coding coding);  // for that header; "" of identity

// The bytes without `coding`. More than `bytes_max` of output: too_large. Truncated, corrupt, or followed by something
// else: invalid_argument.
Result<std::string> decompress(Coding coding, std::string_view bytes, size_t bytes_max);

// parse_coding and decompress in one; `bytes_max` also bounds an identity body.
Result<std::string> decode_content(std::string_view content_encoding, std::string_view bytes, size_t bytes_max);

// For answers and tests; levels are the codecs' defaults.
Result<std::string> compress(Coding coding, std::string_view bytes);

}  // namespace hs
