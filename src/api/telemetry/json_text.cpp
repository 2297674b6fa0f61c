#include "api/telemetry/json_text.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "model/canonical.h"

namespace hs::api::telemetry {
namespace {

constexpr int64_t exact_max = (int64_t{1} << 53) - 1;  // what a double holds, and so JavaScript

std::string_view type_name(char letter) {
  switch (static_cast<model::ValueType>(letter)) {
    case model::ValueType::empty:
      return "empty";
    case model::ValueType::string:
      return "string";
    case model::ValueType::boolean:
      return "bool";
    case model::ValueType::integer:
      return "int";
    case model::ValueType::real:
      return "double";
    case model::ValueType::bytes:
      return "bytes";
    case model::ValueType::array:
      return "array";
    case model::ValueType::map:
      return "map";
  }
  return "string";
}

template <class T>
bool parse_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

void write_typed(JsonText& out, char type, std::string_view text) {
  int64_t integer = 0;
  double real = 0;
  switch (static_cast<model::ValueType>(type)) {
    case model::ValueType::empty:
      out.raw("null");
      return;
    case model::ValueType::boolean:
      out.boolean(text == "true");
      return;
    case model::ValueType::integer:
      parse_whole(text, integer) ? out.integer(integer) : out.text(text);
      return;
    case model::ValueType::real:
      parse_whole(text, real) && std::isfinite(real) ? out.real(real) : out.text(text);
      return;
    case model::ValueType::array:
    case model::ValueType::map:
      json::Json::accept(text) ? out.raw(text) : out.text(text);
      return;
    default:
      out.text(text);
  }
}

}  // namespace

void JsonText::separate() {
  if (!first_) out_ += ',';
  first_ = false;
}

JsonText& JsonText::open(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
  return *this;
}

JsonText& JsonText::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  separate();
  model::append_json_string(out_, name);
  out_ += ':';
  first_ = true;
  return *this;
}

JsonText& JsonText::text(std::string_view value) {
  separate();
  model::append_json_string(out_, value);
  return *this;
}

JsonText& JsonText::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonText& JsonText::integer(int64_t value) {
  return value >= -exact_max && value <= exact_max ? raw(fmt::format_int(value).c_str()) : digits(value);
}

JsonText& JsonText::count(uint64_t value) {
  return value <= exact_max ? raw(fmt::format_int(value).c_str()) : digits(value);
}

JsonText& JsonText::digits(int64_t value) { return raw(fmt::format("\"{}\"", value)); }
JsonText& JsonText::digits(uint64_t value) { return raw(fmt::format("\"{}\"", value)); }

JsonText& JsonText::real(double value) {
  std::string number;
  model::append_real(number, value);
  if (!std::isfinite(value)) return text(number);
  if (number.find_first_of(".e") == number.npos) number += ".0";
  return raw(number);
}

JsonText& JsonText::hex(uint64_t id) { return raw(fmt::format("\"{:016x}\"", id)); }
JsonText& JsonText::hex_bytes(std::string_view raw_bytes) { return text(to_hex(raw_bytes)); }

void write_value(JsonText& out, char type, std::string_view text) {
  out.key("type").text(type_name(type)).key("value");
  write_typed(out, type, text);
}

void write_attributes(JsonText& out, const store::ResultColumn& map, const store::ResultColumn& types, size_t row) {
  const std::string_view letters = types.text(row);
  out.open('[');
  for (size_t i = map.begin(row); i < map.end(row); ++i) {
    const size_t at = i - map.begin(row);
    out.open('{').key("key").text(map.keys().text(i));
    write_value(out, at < letters.size() ? letters[at] : 's', map.values().text(i));
    out.close('}');
  }
  out.close(']');
}

int64_t time_sent(int64_t stored, int64_t ts_sent) { return ts_sent == 0 ? stored : ts_sent < 0 ? 0 : ts_sent; }

}  // namespace hs::api::telemetry
