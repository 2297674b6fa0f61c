#include "wire/logtext/findings.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace hs::wire::logtext {
namespace {

using model::Attribute;
using model::ValueType;

enum class Role : uint8_t { none, severity, trace, span, time, message };

struct Known {
  std::string_view key;
  Role role;
};
// In lower case, without ".", "_", "-" and "@". What common loggers write: zap, logrus, slog, pino, winston, structlog,
// logback's encoders, ECS, serilog, and OpenTelemetry's log correlation.
constexpr std::array<Known, 17> known_keys = {{{"level", Role::severity},
                                               {"lvl", Role::severity},
                                               {"severity", Role::severity},
                                               {"severitytext", Role::severity},
                                               {"loglevel", Role::severity},
                                               {"levelname", Role::severity},
                                               {"traceid", Role::trace},
                                               {"oteltraceid", Role::trace},
                                               {"spanid", Role::span},
                                               {"otelspanid", Role::span},
                                               {"time", Role::time},
                                               {"ts", Role::time},
                                               {"timestamp", Role::time},
                                               {"t", Role::time},
                                               {"msg", Role::message},
                                               {"message", Role::message},
                                               {"logmessage", Role::message}}};

// Most keys are none of them, which their first letter tells.
constexpr std::array<bool, 256> may_begin_known = [] {
  std::array<bool, 256> out{};
  for (const unsigned char c : {'.', '_', '-', '@'}) out[c] = true;
  for (const Known& known : known_keys) {
    const auto first = static_cast<unsigned char>(known.key.front());
    out[first] = out[first - 'a' + 'A'] = true;
  }
  return out;
}();

Role role_of(std::string_view key) {
  if (key.empty() || !may_begin_known[static_cast<unsigned char>(key.front())]) return Role::none;
  std::array<char, 16> plain{};
  size_t n = 0;
  for (const char c : key) {
    if (c == '.' || c == '_' || c == '-' || c == '@') continue;
    if (n == plain.size()) return Role::none;
    plain[n++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c;
  }
  const std::string_view word(plain.data(), n);
  const auto at = std::find_if(known_keys.begin(), known_keys.end(), [&](const Known& k) { return k.key == word; });
  return at == known_keys.end() ? Role::none : at->role;
}

// pino and bunyan count in tens.
uint8_t severity_of_number(std::string_view value) {
  constexpr std::array<std::pair<std::string_view, uint8_t>, 6> levels = {
      {{"10", 1}, {"20", 5}, {"30", 9}, {"40", 13}, {"50", 17}, {"60", 21}}};
  for (const auto& [text, number] : levels)
    if (text == value) return number;
  return 0;
}

constexpr size_t fields_expected = 8;  // of a structured line

bool all_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

}  // namespace

uint8_t severity_of(std::string_view name) {
  struct Level {
    std::string_view name;
    uint8_t number;
  };
  constexpr std::array<Level, 20> levels = {
      {{"trace", 1}, {"verbose", 1},   {"debug", 5},  {"dbug", 5},   {"info", 9},    {"information", 9}, {"notice", 10},
       {"warn", 13}, {"warning", 13},  {"error", 17}, {"err", 17},   {"eror", 17},   {"severe", 17},     {"alert", 19},
       {"crit", 18}, {"critical", 21}, {"fatal", 21}, {"panic", 21}, {"dpanic", 21}, {"emerg", 21}}};
  constexpr size_t shortest = 3;
  std::array<char, 12> lower{};
  if (name.size() < shortest || name.size() > lower.size()) return 0;
  std::transform(name.begin(), name.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; });
  const std::string_view word(lower.data(), name.size());
  for (const Level& level : levels)
    if (level.name == word) return level.number;
  return 0;
}

bool Findings::set_trace(std::string_view hex) {
  const bool fits = hex.size() == 32 || hex.size() == 16;
  if (!fits || !all_hex(hex) || hex.find_first_not_of('0') == hex.npos) return false;
  const auto raw = from_hex(hex);
  trace_id = {};
  std::copy(raw->begin(), raw->end(), trace_id.end() - static_cast<ptrdiff_t>(raw->size()));
  wants_trace = false;
  return true;
}

bool Findings::set_span(std::string_view hex) {
  uint64_t id = 0;
  if (hex.size() != 16 || !all_hex(hex)) return false;
  std::from_chars(hex.data(), hex.data() + hex.size(), id, 16);
  if (id == 0) return false;
  span_id = id;
  wants_span = false;
  return true;
}

// True when the value went into one of the record's own fields.
bool Findings::consume(std::string_view key, std::string_view value, ValueType type) {
  switch (role_of(key)) {
    case Role::severity: {
      if (!wants_severity) return false;
      const uint8_t number = type == ValueType::integer ? severity_of_number(value) : severity_of(value);
      if (number == 0) return false;
      severity = number;
      severity_text = arena_.copy(value);
      wants_severity = false;
      return true;
    }
    case Role::trace:
      return wants_trace && set_trace(value);
    case Role::span:
      return wants_span && set_span(value);
    case Role::time: {
      if (!wants_time || type != ValueType::string || value.find('T') == value.npos) return false;
      const auto parsed = parse_time(value);
      if (!parsed || *parsed <= 0) return false;
      time = *parsed;
      wants_time = false;
      return true;
    }
    case Role::message:
      return true;  // the body has it
    case Role::none:
      return false;
  }
  return false;
}

bool Findings::is_known(std::string_view key) const {
  const auto same = [&](const Attribute& a) { return a.key == key; };
  return std::any_of(own_.begin(), own_.end(), same) || std::any_of(added.begin(), added.end(), same);
}

void Findings::field(std::string_view key, std::string_view value, ValueType type) {
  if (consume(key, value, type)) return;
  const size_t size = key.size() + value.size();
  const bool fits = !key.empty() && key.size() <= limits_.key_bytes_max && value.size() <= limits_.value_bytes_max &&
                    added.size() < limits_.fields_max && size <= left_;
  if (!fits || is_known(key)) return;
  left_ -= size;
  if (added.empty()) added.reserve(fields_expected);
  added.push_back({arena_.copy(key), arena_.copy(value), type});
}

}  // namespace hs::wire::logtext
