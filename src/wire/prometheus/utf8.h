#pragma once
// Internal to wire/prometheus.

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace hs::wire::prometheus {

inline bool is_utf8(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
  return ascii || repair_utf8(text) == text;
}

}  // namespace hs::wire::prometheus
