#include <charconv>
#include <string>
#include <vector>

#include "wire/logtext/findings.h"

namespace hs::wire::logtext {
namespace {

using model::ValueType;

struct Pair {
  std::string_view key, value;
  std::string unescaped;  // of a quoted value with escapes
  bool quoted = false, escaped = false;
};

bool is_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-' || c == '/' || c == '@';
}

// Behind the opening quote.
bool read_quoted(std::string_view& left, Pair& pair) {
  size_t at = 0;
  while (at < left.size() && left[at] != '"') {
    if (left[at] == '\\') pair.escaped = true;
    at += left[at] == '\\' ? 2 : 1;
  }
  if (at >= left.size()) return false;
  pair.value = left.substr(0, at);
  pair.quoted = true;
  left.remove_prefix(at + 1);
  if (!pair.escaped) return true;
  for (size_t i = 0; i < pair.value.size(); ++i) {
    char c = pair.value[i];
    if (c == '\\' && i + 1 < pair.value.size()) {
      c = pair.value[++i];
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'r') c = '\r';
    }
    pair.unescaped += c;
  }
  return true;
}

bool read_pair(std::string_view& left, Pair& pair) {
  size_t key = 0;
  while (key < left.size() && is_key(left[key])) ++key;
  if (key == 0 || key == left.size() || left[key] != '=') return false;
  pair.key = left.substr(0, key);
  left.remove_prefix(key + 1);
  if (left.starts_with('"')) {
    left.remove_prefix(1);
    return read_quoted(left, pair) && (left.empty() || left.front() == ' ');
  }
  pair.value = left.substr(0, left.find(' '));
  left.remove_prefix(pair.value.size());
  return pair.value.find('"') == pair.value.npos;
}

ValueType type_of(const Pair& pair) {
  if (pair.quoted || pair.value.empty()) return ValueType::string;
  if (pair.value == "true" || pair.value == "false") return ValueType::boolean;
  int64_t integer = 0;
  const char* end = pair.value.data() + pair.value.size();
  // Only the canonical form: "007" and "+1" are names.
  if (std::from_chars(pair.value.data(), end, integer).ptr == end && std::to_string(integer) == pair.value)
    return ValueType::integer;
  return ValueType::string;
}

}  // namespace

// The whole line must be pairs, and two at least: "a=b" may stand in any sentence.
bool read_logfmt(std::string_view text, const Limits& limits, Findings& out) {
  thread_local std::vector<Pair> pairs;
  pairs.clear();
  std::string_view left = text;
  while (!left.empty() && (left.back() == '\n' || left.back() == '\r' || left.back() == ' ')) left.remove_suffix(1);
  while (!left.empty()) {
    if (left.front() == ' ') {
      left.remove_prefix(1);
      continue;
    }
    if (pairs.size() >= 4 * limits.fields_max || !read_pair(left, pairs.emplace_back())) return false;
  }
  if (pairs.size() < 2) return false;
  for (const Pair& pair : pairs) out.field(pair.key, pair.escaped ? pair.unescaped : pair.value, type_of(pair));
  return true;
}

}  // namespace hs::wire::logtext
