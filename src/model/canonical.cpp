#include "model/canonical.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <tuple>

#include "base/hash.h"
#include "base/text.h"

namespace hs::model {
namespace {

// Enough for any int64 and for the shortest form of any double.
using NumberBuffer = std::array<char, 32>;

std::string_view format_real(NumberBuffer& buffer, double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), static_cast<size_t>(end - buffer.data())};
}

// Length-prefixed, so that no two contents have the same bytes.
void append_part(std::string& out, std::string_view part) {
  const auto size = static_cast<uint32_t>(part.size());
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(size >> shift & 255);
  out += part;
}

void append_attributes(std::string& out, const std::vector<Attribute>& attributes) {
  for (const Attribute& a : attributes) {
    append_part(out, a.key);
    out += static_cast<char>(a.type);
    append_part(out, a.value);
  }
}

void sort_attributes(std::vector<Attribute>& attributes) {
  std::sort(attributes.begin(), attributes.end(), [](const Attribute& a, const Attribute& b) {
    return std::tie(a.key, a.type, a.value) < std::tie(b.key, b.type, b.value);
  });
}

std::string_view first_of(const std::vector<Attribute>& attributes, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    for (const Attribute& a : attributes)
      if (a.key == key && !a.value.empty()) return a.value;
  return {};
}

void append_escaped(std::string& out, char c) {
  constexpr std::string_view from = "\"\\\b\f\n\r\t";
  constexpr std::string_view to = "\"\\bfnrt";
  out += '\\';
  if (const size_t at = from.find(c); at != std::string_view::npos) {
    out += to[at];
    return;
  }
  out += "u00";
  out += hs::to_hex({&c, 1});
}

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

}  // namespace

std::string_view boolean_text(bool value) { return value ? "true" : "false"; }

std::string_view integer_text(Arena& arena, int64_t value) {
  NumberBuffer buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return arena.copy({buffer.data(), static_cast<size_t>(end - buffer.data())});
}

std::string_view real_text(Arena& arena, double value) {
  NumberBuffer buffer;
  return arena.copy(format_real(buffer, value));
}

std::string_view base64_text(Arena& arena, std::string_view bytes) { return arena.copy(to_base64(bytes)); }

void append_real(std::string& out, double value) {
  NumberBuffer buffer;
  out += format_real(buffer, value);
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto stop = std::find_if(text.begin(), text.end(), needs_escape);
    out.append(text.begin(), stop);
    if (stop == text.end()) break;
    append_escaped(out, *stop);
    text.remove_prefix(static_cast<size_t>(stop - text.begin()) + 1);
  }
  out += '"';
}

void canonicalise(Resource& resource) {
  sort_attributes(resource.attributes);
  const std::string_view service = first_of(resource.attributes, {"service.name"});
  resource.service = service.empty() ? "unknown_service" : service;
  resource.instance = first_of(resource.attributes, {"service.instance.id", "host.name", "k8s.pod.name"});
  std::string bytes;
  append_part(bytes, resource.schema_url);
  append_attributes(bytes, resource.attributes);
  resource.id = hash64(bytes);
}

void canonicalise(Scope& scope) {
  sort_attributes(scope.attributes);
  std::string bytes;
  append_part(bytes, scope.name);
  append_part(bytes, scope.version);
  append_part(bytes, scope.schema_url);
  append_attributes(bytes, scope.attributes);
  scope.id = hash64(bytes);
}

}  // namespace hs::model
