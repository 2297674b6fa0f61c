#pragma once
// Reads recorded JSON without trust: a field of another type is the fallback, never an exception.

#include <string>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace hs::loop {

template <class T>
T field(const nlohmann::json& from, const char* key, T fallback) {
  if (!from.is_object()) return fallback;
  auto found = from.find(key);
  if (found == from.end()) return fallback;
  if constexpr (std::is_same_v<T, bool>)
    return found->is_boolean() ? found->template get<bool>() : fallback;
  else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>)
    return found->is_number() ? found->template get<T>() : fallback;
  else if constexpr (std::is_same_v<T, std::string>)
    return found->is_string() ? found->template get<std::string>() : fallback;
  else
    return *found;
}

// The list under `key`, or an empty one.
inline nlohmann::json list(const nlohmann::json& from, const char* key) {
  auto found = field(from, key, nlohmann::json());
  return found.is_array() ? found : nlohmann::json::array();
}

}  // namespace hs::loop
