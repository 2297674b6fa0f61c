#include "ledger/entry.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::ledger {
namespace {

using json::Json;

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Nesting of brackets outside strings, without parsing.
size_t depth_of(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

tl::unexpected<Error> wrong(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("not an entry: {}", what));
}

}  // namespace

std::string encode(const Entry& entry) {
  return json::dump({{"index", entry.index},
                     {"kind", entry.kind},
                     {"payload", entry.payload},
                     {"prev", to_hex(security::view(entry.previous))},
                     {"unix_ns", entry.time}});
}

Result<Entry> decode_entry(std::string_view line) {
  if (line.size() > entry_bytes_max) return wrong("the line is too long");
  if (depth_of(line) > entry_depth_max) return wrong("it is nested too deeply");
  HS_ASSIGN(Json document, json::parse(line, "the entry"));
  const auto index = json::integer(document, "index");
  const auto time = json::integer(document, "unix_ns");
  const auto kind = json::text(document, "kind");
  const auto previous = json::text(document, "prev");
  const auto payload = document.is_object() ? document.find("payload") : document.end();
  if (!index || *index < 0 || !time || !kind || !previous || !is_hash(*previous)) return wrong("a member is missing");
  if (payload == document.end() || document.size() != 5) return wrong("its members are not those of an entry");
  Entry entry{static_cast<uint64_t>(*index), *time, std::string(*kind), {}, std::move(*payload)};
  const std::string hash = *from_hex(*previous);
  std::memcpy(entry.previous.data(), hash.data(), entry.previous.size());
  return entry;
}

Json blob_reference(std::string_view content) {
  return {{"blob", to_hex(security::view(security::sha256(content)))}, {"bytes", content.size()}};
}

std::optional<BlobReference> blob_of(const Json& payload) {
  const auto hash = json::text(payload, "blob");
  const auto bytes = json::integer(payload, "bytes");
  if (!payload.is_object() || payload.size() != 2 || !hash || !is_hash(*hash) || !bytes || *bytes < 0)
    return std::nullopt;
  return BlobReference{std::string(*hash), static_cast<uint64_t>(*bytes)};
}

}  // namespace hs::ledger
