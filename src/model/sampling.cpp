#include "model/sampling.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hs::model {
namespace {

constexpr size_t digits = 14;             // 56 bits in hex
constexpr double probability_min = 1e-4;  // what is kept stands for as many as readers believe (stream::weight_max)

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the first item of a list off it, without blanks around.
std::string_view next_item(std::string_view& list, char separator) {
  const size_t end = std::min(list.find(separator), list.size());
  const std::string_view item = trimmed(list.substr(0, end));
  list.remove_prefix(std::min(end + 1, list.size()));
  return item;
}

// What follows `key` in the item of `list` that begins with it; "" when there is none.
std::string_view list_value(std::string_view list, char separator, std::string_view key) {
  while (!list.empty()) {
    const std::string_view item = next_item(list, separator);
    if (item.starts_with(key)) return item.substr(key.size());
  }
  return {};
}

// Trailing zeros may be left out unless `whole`.
std::optional<uint64_t> bits_of(std::string_view hex, bool whole) {
  if (hex.empty() || hex.size() > digits || (whole && hex.size() < digits)) return std::nullopt;
  uint64_t bits = 0;
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), bits, 16);
  if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
  return bits << 4 * (digits - hex.size());
}

std::string hex_of(uint64_t threshold) {
  std::string hex = fmt::format("{:014x}", threshold);
  return hex.substr(0, std::max<size_t>(hex.find_last_not_of('0') + 1, 1));
}

// Appends the items of `list` that do not begin with `but`.
void append_others(std::string& out, std::string_view list, char separator, std::string_view but) {
  while (!list.empty()) {
    const std::string_view item = next_item(list, separator);
    if (item.empty() || item.starts_with(but)) continue;
    out += separator;
    out += item;
  }
}

}  // namespace

uint64_t threshold_for(double probability) {
  if (probability >= 1) return 0;
  const double kept = std::max(probability, probability_min) * static_cast<double>(threshold_end);
  return threshold_end - static_cast<uint64_t>(kept);
}

double probability_of(uint64_t threshold) {
  return 1 - static_cast<double>(threshold) / static_cast<double>(threshold_end);
}

std::optional<uint64_t> stated_threshold(std::string_view trace_state) {
  if (trace_state.empty()) return std::nullopt;
  return bits_of(list_value(list_value(trace_state, ',', "ot="), ';', "th:"), false);
}

std::optional<uint64_t> stated_randomness(std::string_view trace_state) {
  if (trace_state.empty()) return std::nullopt;
  return bits_of(list_value(list_value(trace_state, ',', "ot="), ';', "rv:"), true);
}

uint64_t random_bits(const TraceId& id) {
  uint64_t bits = 0;
  for (size_t i = id.size() - digits / 2; i < id.size(); ++i) bits = bits << 8 | id[i];
  return bits;
}

std::string with_threshold(std::string_view trace_state, uint64_t threshold) {
  if (threshold <= stated_threshold(trace_state).value_or(0)) return std::string(trace_state);
  // W3C: who changes a member moves it to the front.
  std::string out = "ot=th:" + hex_of(threshold);
  append_others(out, list_value(trace_state, ',', "ot="), ';', "th:");
  append_others(out, trace_state, ',', "ot=");
  return out;
}

}  // namespace hs::model
