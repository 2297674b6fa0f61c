#include <algorithm>
#include <array>

#include "wire/logtext/findings.h"

namespace hs::wire::logtext {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_upper(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// "ERROR", "[error]", "<warn>", "error: ..." at the beginning; not "no error" and not "ERRORS".
bool stands_for_level(std::string_view text, size_t begin, size_t end) {
  const std::string_view word = text.substr(begin, end - begin);
  if (begin > 0 && is_word(text[begin - 1])) return false;
  if (end < text.size() && is_word(text[end])) return false;
  if (is_upper(word)) return true;
  const char before = begin > 0 ? text[begin - 1] : '\0';
  const char after = end < text.size() ? text[end] : '\0';
  return (before == '[' && after == ']') || (before == '<' && after == '>') || (begin == 0 && after == ':');
}

// glog and klog: "E0102 15:04:05.678901 ..."
uint8_t glog_severity(std::string_view text) {
  const bool form = text.size() > 6 && text[5] == ' ' &&
                    std::all_of(text.begin() + 1, text.begin() + 5, [](char c) { return c >= '0' && c <= '9'; });
  if (!form) return 0;
  switch (text[0]) {
    case 'I':
      return 9;
    case 'W':
      return 13;
    case 'E':
      return 17;
    case 'F':
      return 21;
    default:
      return 0;
  }
}

void find_severity(std::string_view text, Findings& out) {
  if (const uint8_t glog = glog_severity(text)) {
    out.severity = glog;
    out.severity_text = text.substr(0, 1);
    return;
  }
  for (size_t at = 0; at < text.size();) {
    if (!is_letter(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && is_letter(text[end])) ++end;
    const uint8_t severity = severity_of(text.substr(at, end - at));
    if (severity != 0 && stands_for_level(text, at, end)) {
      out.severity = severity;
      out.severity_text = text.substr(at, end - at);
      return;
    }
    at = end;
  }
}

// The run of hex digits that begins behind "name", a separator and perhaps a quote.
std::string_view id_behind(std::string_view text, size_t at) {
  size_t separators = 0;
  while (at < text.size() && std::string_view("=: \"'[").find(text[at]) != std::string_view::npos && separators < 4)
    ++at, ++separators;
  size_t end = at;
  while (end < text.size() && is_hex(text[end])) ++end;
  if (separators == 0 || (end < text.size() && is_word(text[end]))) return {};
  return text.substr(at, end - at);
}

bool same_letter(char a, char lower) { return a == lower || a == static_cast<char>(lower - 'a' + 'A'); }

// Where behind "trace_id", "traceId", "trace-id", "trace.id" (or "span...") its separator begins; 0 when it is not
// there.
size_t behind_name(std::string_view text, size_t at, std::string_view name) {
  if (text.size() - at < name.size() + 2) return 0;
  for (const char c : name)
    if (!same_letter(text[at++], c)) return 0;
  if (text[at] == '_' || text[at] == '-' || text[at] == '.') ++at;
  if (text.size() - at < 2 || !same_letter(text[at], 'i') || !same_letter(text[at + 1], 'd')) return 0;
  return at + 2;
}

// "00-<32 hex>-<16 hex>-<2 hex>" (W3C traceparent)
bool read_traceparent(std::string_view text, size_t at, Findings& out) {
  constexpr size_t length = 55;
  if (text.size() - at < length || text[at + 35] != '-' || text[at + 52] != '-') return false;
  if (!out.wants_trace || !out.set_trace(text.substr(at + 3, 32))) return false;
  if (out.wants_span) out.set_span(text.substr(at + 36, 16));
  return true;
}

// Where an id's name or a traceparent may begin.
constexpr std::array<bool, 256> may_begin_id = [] {
  std::array<bool, 256> out{};
  for (const unsigned char c : {'0', 't', 'T', 's', 'S'}) out[c] = true;
  return out;
}();

void find_ids(std::string_view text, Findings& out) {
  for (size_t at = 0; at < text.size() && (out.wants_trace || out.wants_span); ++at) {
    const char c = text[at];
    if (!may_begin_id[static_cast<unsigned char>(c)]) continue;
    if (c == '0' && text.substr(at).starts_with("00-") && read_traceparent(text, at, out)) return;
    if (out.wants_trace && same_letter(c, 't'))
      if (const size_t behind = behind_name(text, at, "trace")) out.set_trace(id_behind(text, behind));
    if (out.wants_span && same_letter(c, 's'))
      if (const size_t behind = behind_name(text, at, "span")) out.set_span(id_behind(text, behind));
  }
}

}  // namespace

void search_text(std::string_view text, const Limits& limits, Findings& out) {
  if (out.wants_severity) find_severity(text.substr(0, limits.severity_within), out);
  if (out.wants_trace || out.wants_span) find_ids(text.substr(0, limits.ids_within), out);
}

}  // namespace hs::wire::logtext
