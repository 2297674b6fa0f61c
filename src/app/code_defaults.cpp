#include "app/code_defaults.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace hs::app {
namespace {

constexpr std::array<std::string_view, 3> our_variants = {"base", "candidate", "promoted"};

std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

// SDKs write True, true, 5, 5.0: what is meant is compared.
bool is_base(const config::Knob& knob, const std::string& value) {
  const std::string base = config::to_text(knob.base);
  if (knob.type == config::KnobType::string) return value == base;
  const auto a = number_in(base), b = number_in(value);
  return a && b ? *a == *b : lower(value) == base;
}

const config::Knob* named(const std::vector<config::Knob>& declared, const std::string& key) {
  const auto found = std::find_if(declared.begin(), declared.end(), [&](const auto& k) { return k.key == key; });
  return found == declared.end() ? nullptr : &*found;
}

}  // namespace

void CodeDefaults::see(const std::vector<stream::ConfigSeen>& seen, const std::vector<config::Knob>& declared,
                       UnixNanos at) {
  for (const stream::ConfigSeen& one : seen) {
    if (one.value.empty()) continue;  // the SDK does not tell it
    if (std::find(our_variants.begin(), our_variants.end(), one.variant) != our_variants.end()) continue;
    const config::Knob* knob = named(declared, one.knob);
    const std::pair where(one.knob, one.service);
    if (knob == nullptr || (known_.size() >= kept_max && !known_.contains(where))) continue;
    Default& last = known_[where];
    const bool is_new = last.value != one.value;
    last = {one.value, one.instance, at};
    if (is_new && !is_base(*knob, one.value))
      log::warn("a code default differs from the knob's base: without values the application behaves differently",
                {{"knob", one.knob},
                 {"service", one.service},
                 {"code_default", one.value},
                 {"base", config::to_text(knob->base)}});
  }
}

nlohmann::json CodeDefaults::of(const config::Knob& knob) const {
  nlohmann::json out = nlohmann::json::array();
  for (auto it = known_.lower_bound({knob.key, ""}); it != known_.end() && it->first.first == knob.key; ++it)
    out.push_back({{"service", it->first.second},
                   {"instance", it->second.instance},
                   {"value", it->second.value},
                   {"at", format_rfc3339(it->second.at)},
                   {"differs", !is_base(knob, it->second.value)}});
  return out;
}

size_t CodeDefaults::differing(const std::vector<config::Knob>& declared) const {
  return static_cast<size_t>(std::count_if(known_.begin(), known_.end(), [&](const auto& item) {
    const config::Knob* knob = named(declared, item.first.first);
    return knob != nullptr && !is_base(*knob, item.second.value);
  }));
}

}  // namespace hs::app
