#include "wire/otlp/protobuf.h"

#include <algorithm>

#include "base/text.h"
#include "model/canonical.h"

namespace hs::wire::otlp {
namespace {

constexpr std::array value_fields = {bytes(1), varint(2), varint(3), fixed64(4), bytes(5), bytes(6), bytes(7)};

// Builds the canonical text of arrays and maps (model/attributes.h). Text beyond the limit is not built.
class NestedText {
 public:
  NestedText(Builder& builder, size_t bytes_max) : b_(builder), bytes_max_(bytes_max) {}

  void array(pbf_reader array, uint32_t depth) {
    out_ += '[';
    bool first = true;
    while (enter(depth) && array.next()) {
      if (array.tag_and_type() != bytes(1)) {
        array.skip();
        continue;
      }
      if (!first) out_ += ',';
      first = false;
      value(array.get_message(), depth);
    }
    out_ += ']';
  }

  void map(pbf_reader map, uint32_t depth) {
    out_ += '[';
    bool first = true;
    while (enter(depth) && map.next()) {
      if (map.tag_and_type() != bytes(1)) {
        map.skip();
        continue;
      }
      if (!first) out_ += ',';
      first = false;
      key_value(map.get_message(), depth);
    }
    out_ += ']';
  }

  const std::string& text() const { return out_; }
  Fit fit() const { return fit_; }

 private:
  bool enter(uint32_t depth) {
    if (depth > b_.limits.nesting_max) fit_ = Fit::too_deep;
    if (out_.size() > bytes_max_) fit_ = Fit::too_large;
    return fit_ == Fit::ok;
  }

  void key_value(pbf_reader r, uint32_t depth) {
    std::string_view key, value_bytes;
    while (r.next()) {
      switch (r.tag_and_type()) {
        case bytes(1):
          key = view_of(r);
          break;
        case bytes(2):
          value_bytes = view_of(r);
          break;
        default:
          r.skip();
      }
    }
    out_ += "{\"key\":";
    text(key);
    out_ += ",\"value\":";
    value(pbf_reader(value_bytes.data(), value_bytes.size()), depth);
    out_ += '}';
  }

  void value(pbf_reader r, uint32_t depth) {
    out_ += '{';
    const size_t start = out_.size();
    while (r.next()) {
      const uint32_t field = r.tag_and_type();
      if (std::find(value_fields.begin(), value_fields.end(), field) == value_fields.end()) {
        r.skip();
        continue;
      }
      out_.resize(start);  // a oneof: the last one counts
      one_of(field, r, depth);
    }
    out_ += '}';
  }

  void one_of(uint32_t field, pbf_reader& r, uint32_t depth) {
    switch (field) {
      case bytes(1):
        out_ += "\"stringValue\":";
        return text(view_of(r));
      case varint(2):
        out_ += r.get_bool() ? "\"boolValue\":true" : "\"boolValue\":false";
        return;
      case varint(3):
        out_ += "\"intValue\":\"" + std::to_string(r.get_int64()) + '"';
        return;
      case fixed64(4):
        return real(r.get_double());
      case bytes(5):
        out_ += "\"arrayValue\":{\"values\":";
        array(r.get_message(), depth + 1);
        out_ += '}';
        return;
      case bytes(6):
        out_ += "\"kvlistValue\":{\"values\":";
        map(r.get_message(), depth + 1);
        out_ += '}';
        return;
      case bytes(7):
        out_ += "\"bytesValue\":\"" + to_base64(view_of(r)) + '"';
        return;
      default:
        r.skip();
    }
  }

  void text(std::string_view raw) {
    if (raw.size() > bytes_max_)
      fit_ = Fit::too_large;
    else
      model::append_json_string(out_, b_.text(raw));
  }

  void real(double value) {
    const bool quoted = !(value - value == 0);  // NaN and the infinities are strings in JSON
    out_ += quoted ? "\"doubleValue\":\"" : "\"doubleValue\":";
    model::append_real(out_, value);
    if (quoted) out_ += '"';
  }

  Builder& b_;
  size_t bytes_max_;
  std::string out_;
  Fit fit_ = Fit::ok;
};

void read_attributes(Builder& b, AttributeList& list, uint32_t tag, std::string_view message) {
  for_each_message(message, tag, [&](std::string_view kv) { read_attribute(b, list, kv); });
}

Value read_nested(Builder& b, pbf_reader r, model::ValueType type, size_t bytes_max) {
  NestedText text(b, bytes_max);
  if (type == model::ValueType::array)
    text.array(r, 1);
  else
    text.map(r, 1);
  const Fit fit = text.fit() == Fit::ok && text.text().size() > bytes_max ? Fit::too_large : text.fit();
  return b.nested(text.text(), type, fit);
}

}  // namespace

bool read_id(std::string_view raw, model::TraceId& id) {
  if (raw.size() == id.size()) std::memcpy(id.data(), raw.data(), id.size());
  return raw.size() == id.size() || raw.empty();
}

bool read_id(std::string_view raw, model::SpanId& id) {
  if (raw.size() == sizeof(id)) {
    std::memcpy(&id, raw.data(), sizeof(id));
    id = __builtin_bswap64(id);
  }
  return raw.size() == sizeof(id) || raw.empty();
}

Value read_value(Builder& b, pbf_reader any, const ValueLimits& limits) {
  Value value;
  while (any.next()) {
    switch (any.tag_and_type()) {
      case bytes(1):
        value = b.string(view_of(any), limits.text_bytes_max);
        break;
      case varint(2):
        value = b.boolean(any.get_bool());
        break;
      case varint(3):
        value = b.integer(any.get_int64());
        break;
      case fixed64(4):
        value = b.real(any.get_double());
        break;
      case bytes(5):
        value = read_nested(b, any.get_message(), model::ValueType::array, limits.nested_bytes_max);
        break;
      case bytes(6):
        value = read_nested(b, any.get_message(), model::ValueType::map, limits.nested_bytes_max);
        break;
      case bytes(7):
        value = b.bytes(view_of(any), limits.text_bytes_max);
        break;
      default:
        any.skip();
    }
  }
  return value;
}

namespace {

// Takes a field of this tag byte and a length below 128 from the front of `message`. Most fields are like that; the
// callers read the others with pbf_reader.
bool take_short(std::string_view& message, char tag, std::string_view& field) {
  if (message.size() < 2 || message[0] != tag) return false;
  const auto length = static_cast<unsigned char>(message[1]);
  if (length >= 128 || length > message.size() - 2) return false;
  field = message.substr(2, length);
  message.remove_prefix(2 + length);
  return true;
}

Value read_value_of(Builder& b, std::string_view any) {
  constexpr char string_value_tag = 0x0A;
  std::string_view rest = any, text;
  if (take_short(rest, string_value_tag, text) && rest.empty()) return b.string(text, b.limits.value_bytes_max);
  return read_value(b, pbf_reader(any.data(), any.size()), b.attribute_value());
}

}  // namespace

void read_attribute(Builder& b, AttributeList& list, std::string_view key_value) {
  constexpr char key_tag = 0x0A, value_tag = 0x12;
  if (!b.room(list)) return;
  std::string_view rest = key_value, key, value;
  if (take_short(rest, key_tag, key) && take_short(rest, value_tag, value) && rest.empty())
    return b.add(list, key, read_value_of(b, value));
  key = value = {};
  pbf_reader r(key_value.data(), key_value.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        key = view_of(r);
        break;
      case bytes(2):
        value = view_of(r);
        break;
      default:
        r.skip();
    }
  }
  b.add(list, key, read_value_of(b, value));
}

Group read_group(std::string_view message) {
  Group group;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        group.context = view_of(r);
        break;
      case bytes(2):
        ++group.items;
        r.skip();
        break;
      case bytes(3):
        group.schema_url = view_of(r);
        break;
      default:
        r.skip();
    }
  }
  return group;
}

uint32_t read_resource(Builder& b, const Group& group) {
  model::Resource resource;
  resource.schema_url = b.name(group.schema_url);
  AttributeList list{resource.attributes};
  read_attributes(b, list, 1, group.context);
  pbf_reader r(group.context.data(), group.context.size());
  while (r.next()) {
    if (r.tag_and_type() == varint(2))
      resource.dropped_attributes = r.get_uint32();
    else
      r.skip();
  }
  resource.dropped_attributes += list.dropped;
  return b.add_resource(std::move(resource));
}

uint32_t read_scope(Builder& b, const Group& group) {
  model::Scope scope;
  scope.schema_url = b.name(group.schema_url);
  AttributeList list{scope.attributes};
  pbf_reader r(group.context.data(), group.context.size());
  while (r.next()) {
    switch (r.tag_and_type()) {
      case bytes(1):
        scope.name = b.name(view_of(r));
        break;
      case bytes(2):
        scope.version = b.name(view_of(r));
        break;
      case bytes(3):
        read_attribute(b, list, view_of(r));
        break;
      case varint(4):
        scope.dropped_attributes = r.get_uint32();
        break;
      default:
        r.skip();
    }
  }
  scope.dropped_attributes += list.dropped;
  return b.add_scope(std::move(scope));
}

}  // namespace hs::wire::otlp
