#include "wire/otlp/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "model/canonical.h"

namespace hs::wire::otlp {
namespace {

constexpr std::array<std::string_view, 7> value_keys = {"stringValue", "boolValue",   "intValue",  "doubleValue",
                                                        "arrayValue",  "kvlistValue", "bytesValue"};

template <class T>
bool parse_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// A number that is written as 1.0 or 1e3 is an integer too (proto3 JSON mapping).
template <class T>
bool integral(double d, T& value) {
  constexpr double low = std::is_signed_v<T> ? -9223372036854775808.0 : 0.0;
  constexpr double high = std::is_signed_v<T> ? 9223372036854775808.0 : 18446744073709551616.0;
  if (!(d >= low && d < high) || d != std::floor(d)) return false;
  value = static_cast<T>(d);
  return true;
}

template <class T>
bool read_integer(Element e, T& value) {
  std::string_view text;
  double real = 0;
  if (e.get(value) == simdjson::SUCCESS) return true;
  if (e.get(text) == simdjson::SUCCESS) return parse_whole(text, value);
  return e.type() == simdjson::dom::element_type::DOUBLE && e.get(real) == simdjson::SUCCESS && integral(real, value);
}

bool read_real(std::string_view text, double& value) {
  if (text == "NaN")
    value = std::nan("");
  else if (text == "Infinity")
    value = HUGE_VAL;
  else if (text == "-Infinity")
    value = -HUGE_VAL;
  else
    return !text.empty() && text.find_first_not_of("0123456789+-.eE") == text.npos && parse_whole(text, value);
  return true;
}

// False: not hex digits of exactly this many bytes.
bool read_hex(std::string_view text, unsigned char* out, size_t bytes) {
  if (text.size() != 2 * bytes) return false;
  const auto raw = from_hex(text);
  if (raw) std::memcpy(out, raw->data(), bytes);
  return raw.has_value();
}

// Builds the canonical text of arrays and maps (model/attributes.h). Text beyond the limit is not built.
class NestedText {
 public:
  NestedText(JsonReader& reader, size_t bytes_max) : r_(reader), bytes_max_(bytes_max) {}

  // {"values": [...]} of an ArrayValue or a KeyValueList
  void list(Element e, bool is_map, uint32_t depth) {
    out_ += '[';
    bool first = true;
    r_.fields(e, is_map ? "kvlistValue" : "arrayValue", [&](std::string_view key, Element values) {
      if (key != "values") return;
      r_.each(values, "values", [&](Element item) {
        if (!enter(depth)) return;
        if (!first) out_ += ',';
        first = false;
        is_map ? key_value(item, depth) : value(item, depth);
      });
    });
    out_ += ']';
  }

  const std::string& text() const { return out_; }
  Fit fit() const { return fit_ == Fit::ok && out_.size() > bytes_max_ ? Fit::too_large : fit_; }

 private:
  bool enter(uint32_t depth) {
    if (depth > r_.b.limits.nesting_max) fit_ = Fit::too_deep;
    if (out_.size() > bytes_max_) fit_ = Fit::too_large;
    return fit_ == Fit::ok;
  }

  void key_value(Element e, uint32_t depth) {
    std::string_view key;
    Element value_of;
    bool has_value = false;
    r_.fields(e, "values", [&](std::string_view name, Element field) {
      if (name == "key") key = r_.text(field, "key");
      if (name != "value") return;
      value_of = field;
      has_value = true;
    });
    out_ += "{\"key\":";
    model::append_json_string(out_, key);
    out_ += ",\"value\":";
    if (has_value)
      value(value_of, depth);
    else
      out_ += "{}";
    out_ += '}';
  }

  void value(Element e, uint32_t depth) {
    out_ += '{';
    const size_t start = out_.size();
    r_.fields(e, "value", [&](std::string_view name, Element field) {
      if (std::find(value_keys.begin(), value_keys.end(), name) == value_keys.end()) return;
      out_.resize(start);  // a oneof: the last one counts
      one_of(name, field, depth);
    });
    out_ += '}';
  }

  void one_of(std::string_view name, Element field, uint32_t depth) {
    if (name == "stringValue") {
      out_ += "\"stringValue\":";
      model::append_json_string(out_, r_.text(field, name));
    } else if (name == "boolValue") {
      out_ += r_.boolean(field, name) ? "\"boolValue\":true" : "\"boolValue\":false";
    } else if (name == "intValue") {
      out_ += fmt::format("\"intValue\":\"{}\"", r_.i64(field, name));
    } else if (name == "doubleValue") {
      real(r_.real(field, name));
    } else if (name == "bytesValue") {
      out_ += fmt::format("\"bytesValue\":\"{}\"", to_base64(r_.bytes(field, name)));
    } else if (name == "arrayValue" || name == "kvlistValue") {
      out_ += fmt::format("\"{}\":{{\"values\":", name);
      list(field, name == "kvlistValue", depth + 1);
      out_ += '}';
    }
  }

  void real(double value) {
    const bool quoted = !std::isfinite(value);
    out_ += quoted ? "\"doubleValue\":\"" : "\"doubleValue\":";
    model::append_real(out_, value);
    if (quoted) out_ += '"';
  }

  JsonReader& r_;
  size_t bytes_max_;
  std::string out_;
  Fit fit_ = Fit::ok;
};

}  // namespace

void JsonReader::wrong(std::string_view field, std::string_view wanted) {
  if (error_.empty()) error_ = fmt::format("field '{}' must be {}", field, wanted);
}

std::string_view JsonReader::text(Element e, std::string_view field) {
  std::string_view value;
  if (!e.is_null() && e.get(value) != simdjson::SUCCESS) wrong(field, "a string");
  return value;
}

std::string_view JsonReader::kept(Element e, std::string_view field) { return b.batch.arena.copy(text(e, field)); }

std::string JsonReader::bytes(Element e, std::string_view field) {
  auto raw = from_base64(text(e, field));
  if (raw) return std::move(*raw);
  wrong(field, "base64");
  return {};
}

uint64_t JsonReader::u64(Element e, std::string_view field) {
  uint64_t value = 0;
  if (!e.is_null() && !read_integer(e, value)) wrong(field, "an unsigned 64-bit integer");
  return value;
}

int64_t JsonReader::i64(Element e, std::string_view field) {
  int64_t value = 0;
  if (!e.is_null() && !read_integer(e, value)) wrong(field, "a signed 64-bit integer");
  return value;
}

uint32_t JsonReader::u32(Element e, std::string_view field) {
  const uint64_t value = u64(e, field);
  if (value > UINT32_MAX) wrong(field, "an unsigned 32-bit integer");
  return static_cast<uint32_t>(value);
}

int32_t JsonReader::i32(Element e, std::string_view field) {
  const int64_t value = i64(e, field);
  if (value < INT32_MIN || value > INT32_MAX) wrong(field, "a signed 32-bit integer");
  return static_cast<int32_t>(value);
}

double JsonReader::real(Element e, std::string_view field) {
  double value = 0;
  std::string_view text;
  if (e.is_null() || e.get(value) == simdjson::SUCCESS) return value;
  if (e.get(text) != simdjson::SUCCESS || !read_real(text, value)) wrong(field, "a number");
  return value;
}

bool JsonReader::boolean(Element e, std::string_view field) {
  bool value = false;
  if (!e.is_null() && e.get(value) != simdjson::SUCCESS) wrong(field, "true or false");
  return value;
}

int64_t JsonReader::enumeration(Element e, std::string_view field) {
  if (!e.is_string()) return i64(e, field);
  wrong(field, "an integer: names of enum values are not allowed in OTLP/JSON");
  return 0;
}

bool JsonReader::id(Element e, std::string_view field, model::TraceId& id) {
  const std::string_view hex = text(e, field);
  return hex.empty() || read_hex(hex, id.data(), id.size());
}

bool JsonReader::id(Element e, std::string_view field, model::SpanId& id) {
  const std::string_view hex = text(e, field);
  std::array<unsigned char, 8> raw{};
  if (!hex.empty() && !read_hex(hex, raw.data(), raw.size())) return false;
  id = 0;
  for (const unsigned char byte : raw) id = id << 8 | byte;
  return true;
}

Value JsonReader::value(Element e, std::string_view field, const ValueLimits& limits) {
  Value value;
  fields(e, field, [&](std::string_view name, Element one) {
    if (name == "stringValue") {
      value = b.string(kept(one, name), limits.text_bytes_max);
    } else if (name == "boolValue") {
      value = b.boolean(boolean(one, name));
    } else if (name == "intValue") {
      value = b.integer(i64(one, name));
    } else if (name == "doubleValue") {
      value = b.real(real(one, name));
    } else if (name == "bytesValue") {
      value = b.bytes(bytes(one, name), limits.text_bytes_max);
    } else if (name == "arrayValue" || name == "kvlistValue") {
      const bool is_map = name == "kvlistValue";
      NestedText nested(*this, limits.nested_bytes_max);
      nested.list(one, is_map, 1);
      value = b.nested(nested.text(), is_map ? model::ValueType::map : model::ValueType::array, nested.fit());
    }
  });
  return value;
}

void JsonReader::attributes(Element e, std::string_view field, AttributeList& list) {
  each(e, field, [&](Element key_value) {
    if (!b.room(list)) return;
    std::string_view key;
    Value value;
    fields(key_value, field, [&](std::string_view name, Element one) {
      if (name == "key") key = kept(one, name);
      if (name == "value") value = this->value(one, name, b.attribute_value());
    });
    b.add(list, key, value);
  });
}

uint32_t JsonReader::add_resource(Element by_resource) {
  model::Resource resource;
  AttributeList list{resource.attributes};
  fields(by_resource, "resource", [&](std::string_view key, Element value) {
    if (key == "schemaUrl") resource.schema_url = b.name(kept(value, key));
    if (key != "resource") return;
    fields(value, key, [&](std::string_view name, Element one) {
      if (name == "attributes") attributes(one, name, list);
      if (name == "droppedAttributesCount") resource.dropped_attributes = u32(one, name);
    });
  });
  resource.dropped_attributes += list.dropped;
  return b.add_resource(std::move(resource));
}

uint32_t JsonReader::add_scope(Element by_scope) {
  model::Scope scope;
  AttributeList list{scope.attributes};
  fields(by_scope, "scope", [&](std::string_view key, Element value) {
    if (key == "schemaUrl") scope.schema_url = b.name(kept(value, key));
    if (key != "scope") return;
    fields(value, key, [&](std::string_view name, Element one) {
      if (name == "name") scope.name = b.name(kept(one, name));
      if (name == "version") scope.version = b.name(kept(one, name));
      if (name == "attributes") attributes(one, name, list);
      if (name == "droppedAttributesCount") scope.dropped_attributes = u32(one, name);
    });
  });
  scope.dropped_attributes += list.dropped;
  return b.add_scope(std::move(scope));
}

}  // namespace hs::wire::otlp
