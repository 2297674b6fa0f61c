#pragma once
// Homeostat's own log: one line an event on stderr, logfmt or JSON. Thread-safe.
//
//   log::info("journal opened", {{"segments", n}, {"bytes", bytes}});

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

namespace hs::log {

enum class Level : uint8_t { debug, info, warn, error };
enum class Format : uint8_t { logfmt, json };

// Called once by main, before other threads start.
void configure(Level least, Format format);

struct Field {
  std::string_view key;
  std::string value;
  bool quoted = true;  // JSON: a string; otherwise a bare number or boolean
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), value(fmt::format("{}", v)), quoted(false) {}
};
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view message, Fields fields);
inline void debug(std::string_view message, Fields fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::info, message, fields); }
inline void warn(std::string_view message, Fields fields = {}) { write(Level::warn, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::error, message, fields); }

}  // namespace hs::log
