#include "config/settings.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/assert.h"
#include "base/time.h"

namespace hs::config {
namespace {

constexpr std::string_view type_names[] = {"text",  "boolean", "integer", "real", "duration",
                                           "bytes", "address", "choice",  "list"};

template <class T>
Result<T> parse_number(std::string_view text, std::string_view what) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size())
    return fail(Code::invalid_argument, fmt::format("'{}' is not {}", text, what));
  return value;
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  return fail(Code::invalid_argument, fmt::format("'{}' is not a boolean; write true or false", text));
}

Result<std::string> parse_address(std::string_view text) {
  if (text.empty()) return std::string();
  const size_t colon = text.rfind(':');
  const auto port =
      colon == std::string_view::npos ? Result<int>(-1) : parse_number<int>(text.substr(colon + 1), "a port");
  if (!port || *port < 0 || *port > 65535 || colon == 0)
    return fail(
        Code::invalid_argument,
        fmt::format("'{}' is not an address; write host:port such as 127.0.0.1:4318, or nothing for off", text));
  return std::string(text);
}

Result<std::string> parse_choice(std::string_view text, std::string_view choices) {
  for (std::string_view left = choices; !left.empty();) {
    const size_t bar = std::min(left.find('|'), left.size());
    if (left.substr(0, bar) == text) return std::string(text);
    left.remove_prefix(std::min(bar + 1, left.size()));
  }
  return fail(Code::invalid_argument, fmt::format("'{}' is not one of {}", text, choices));
}

Status check_range(const Setting& s, double value) {
  if (s.min == 0 && s.max == 0) return {};
  if (value >= s.min && value <= s.max) return {};
  return fail(Code::invalid_argument, fmt::format("{} is outside {} .. {}", value, s.min, s.max));
}

}  // namespace

std::string_view name_of(SettingType type) { return type_names[static_cast<size_t>(type)]; }

const Setting* find_setting(std::string_view name) {
  for (const Setting& s : setting_table())
    if (s.name == name) return &s;
  return nullptr;
}

Result<int64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view suffix;
    double factor;
  };
  constexpr std::array<Unit, 12> units = {{{"", 1},
                                           {"B", 1},
                                           {"kB", 1e3},
                                           {"KB", 1e3},
                                           {"MB", 1e6},
                                           {"GB", 1e9},
                                           {"TB", 1e12},
                                           {"KiB", 1024},
                                           {"MiB", 1048576},
                                           {"GiB", 1073741824},
                                           {"TiB", 1099511627776},
                                           {"PB", 1e15}}};
  double number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  if (ec == std::errc() && number >= 0)
    for (const Unit& unit : units)
      if (suffix == unit.suffix && number * unit.factor < 9e18) return static_cast<int64_t>(number * unit.factor);
  return fail(Code::invalid_argument,
              fmt::format("'{}' is not a size; write a number and a unit, such as 512KiB, 64MiB or 10GB", text));
}

Settings::Settings() {
  for (const Setting& s : setting_table()) {
    const Status status = set(s.name, s.fallback);
    HS_ASSERT(status, "a setting's default must be valid");
  }
}

Status Settings::set(std::string_view name, std::string_view text) {
  const Setting* s = find_setting(name);
  HS_ASSERT(s != nullptr, "setting not declared");
  const auto store = [&](auto parsed) -> Status {
    if (!parsed) return fail(Code::invalid_argument, fmt::format("{}: {}", name, parsed.error().message));
    if constexpr (std::is_arithmetic_v<std::decay_t<decltype(*parsed)>>)
      if (const Status ok = check_range(*s, static_cast<double>(*parsed)); !ok)
        return fail(Code::invalid_argument, fmt::format("{}: {}", name, ok.error().message));
    values_.insert_or_assign(std::string(name), Value(*parsed));
    return {};
  };
  switch (s->type) {
    case SettingType::text:
      return store(Result<std::string>(std::string(text)));
    case SettingType::boolean:
      return store(parse_bool(text));
    case SettingType::integer:
      return store(parse_number<int64_t>(text, "a whole number"));
    case SettingType::real:
      return store(parse_number<double>(text, "a number"));
    case SettingType::duration:
      return store(parse_duration_ms(text));
    case SettingType::bytes:
      return store(parse_bytes(text));
    case SettingType::address:
      return store(parse_address(text));
    case SettingType::choice:
      return store(parse_choice(text, s->choices));
    case SettingType::list:
      return set_list(name, text.empty() ? std::vector<std::string>{} : std::vector{std::string(text)});
  }
  return {};
}

Status Settings::set_list(std::string_view name, std::vector<std::string> items) {
  const Setting* s = find_setting(name);
  HS_ASSERT(s != nullptr, "setting not declared");
  if (s->type != SettingType::list)
    return fail(Code::invalid_argument, fmt::format("{}: takes one {}, not a list", name, name_of(s->type)));
  values_.insert_or_assign(std::string(name), Value(std::move(items)));
  return {};
}

const Settings::Value& Settings::at(std::string_view name, SettingType type) const {
  const Setting* s = find_setting(name);
  HS_ASSERT(s != nullptr, name);
  const bool is_text = s->type == SettingType::address || s->type == SettingType::choice;
  HS_ASSERT(s->type == type || (is_text && type == SettingType::text), name);
  return values_.find(name)->second;
}

std::string Settings::text(std::string_view name) const { return std::get<std::string>(at(name, SettingType::text)); }
bool Settings::flag(std::string_view name) const { return std::get<bool>(at(name, SettingType::boolean)); }
int64_t Settings::integer(std::string_view name) const { return std::get<int64_t>(at(name, SettingType::integer)); }
double Settings::real(std::string_view name) const { return std::get<double>(at(name, SettingType::real)); }
int64_t Settings::ms(std::string_view name) const { return std::get<int64_t>(at(name, SettingType::duration)); }
int64_t Settings::bytes(std::string_view name) const { return std::get<int64_t>(at(name, SettingType::bytes)); }
std::vector<std::string> Settings::list(std::string_view name) const {
  return std::get<std::vector<std::string>>(at(name, SettingType::list));
}

std::vector<std::string_view> Settings::difference(const Settings& other) const {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : values_)
    if (other.values_.at(name) != value) names.push_back(name);
  return names;
}

}  // namespace hs::config
