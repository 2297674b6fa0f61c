#pragma once
// Scalar settings: each is declared once, in settings_table.cpp, with its help, type, range and default. The YAML file,
// --set, the reference page and the error messages all come from that table.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace hs::config {

enum class SettingType : uint8_t {
  text,
  boolean,
  integer,
  real,
  duration,  // written 500ms, 10s, 30d; held in milliseconds
  bytes,     // written 64MiB, 10GB, 1048576; held in bytes
  address,   // host:port, or empty for off
  choice,    // one of `choices`
  list,      // of texts
};

struct Setting {
  std::string_view name;  // dotted: listen.http
  SettingType type = SettingType::text;
  std::string_view fallback = {};  // the default, as one would write it
  double min = 0, max = 0;         // inclusive; both 0: no range
  std::string_view choices = {};   // "a|b|c"
  bool live = false;               // a reload may change it; otherwise a restart is needed
  std::string_view help = {};
};

std::span<const Setting> setting_table();        // all
std::span<const Setting> listen_setting_table();
std::span<const Setting> agent_setting_table();  // those of `homeostat agent` alone, a part of it
std::span<const Setting> sampling_setting_table();
const Setting* find_setting(std::string_view name);
// "text", "duration" ...; for messages and the reference page.
std::string_view name_of(SettingType type);

// "64MiB", "10GB", "512" -> bytes.
Result<int64_t> parse_bytes(std::string_view text);

// Every declared setting with its value. Reading an undeclared name or the wrong type is a programmer error (asserts).
class Settings {
 public:
  Settings();  // all defaults
  Status set(std::string_view name, std::string_view text);
  Status set_list(std::string_view name, std::vector<std::string> items);

  std::string text(std::string_view name) const;  // text, address, choice
  bool flag(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  int64_t ms(std::string_view name) const;
  int64_t bytes(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;

  // Names whose values differ.
  std::vector<std::string_view> difference(const Settings& other) const;

 private:
  using Value = std::variant<std::string, bool, int64_t, double, std::vector<std::string>>;
  const Value& at(std::string_view name, SettingType type) const;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace hs::config
