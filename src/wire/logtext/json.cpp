#include <simdjson.h>

#include <string>

#include "model/canonical.h"
#include "wire/logtext/findings.h"

namespace hs::wire::logtext {
namespace {

using model::ValueType;
using simdjson::dom::element;
using simdjson::dom::element_type;

class Reader {
 public:
  Reader(const Limits& limits, Findings& out) : limits_(limits), out_(out) {}

  void object(const simdjson::dom::object& fields, uint32_t depth) {
    for (const auto field : fields) {
      if (++seen_ > 4 * limits_.fields_max) return;  // of a hostile document; added ones have a bound of their own
      const size_t before = path_.size();
      if (before + field.key.size() + 1 > limits_.key_bytes_max) continue;
      if (before > 0) path_ += '.';
      path_ += field.key;
      value(field.value, depth);
      path_.resize(before);
    }
  }

 private:
  void value(const element& v, uint32_t depth) {
    switch (v.type()) {
      case element_type::OBJECT:
        if (depth < limits_.depth_max) return object(v.get_object().value_unsafe(), depth + 1);
        return out_.field(path_, simdjson::minify(v), ValueType::string);
      case element_type::ARRAY:
        return out_.field(path_, simdjson::minify(v), ValueType::string);
      case element_type::STRING:
        return out_.field(path_, v.get_string().value_unsafe(), ValueType::string);
      case element_type::INT64:
        return out_.field(path_, std::to_string(v.get_int64().value_unsafe()), ValueType::integer);
      case element_type::UINT64:  // beyond 2^63: no integer of OpenTelemetry's
        return out_.field(path_, std::to_string(v.get_uint64().value_unsafe()), ValueType::string);
      case element_type::DOUBLE: {
        std::string text;
        model::append_real(text, v.get_double().value_unsafe());
        return out_.field(path_, text, ValueType::real);
      }
      case element_type::BOOL:
        return out_.field(path_, model::boolean_text(v.get_bool().value_unsafe()), ValueType::boolean);
      default:
        return;  // null
    }
  }

  const Limits& limits_;
  Findings& out_;
  std::string path_;
  uint32_t seen_ = 0;
};

}  // namespace

bool read_json(std::string_view text, const Limits& limits, Findings& out) {
  thread_local simdjson::dom::parser parser(64 * 1024);  // of the largest text; grown memory stays the thread's
  simdjson::dom::object fields;
  if (parser.parse(text.data(), text.size(), true).get(fields) != simdjson::SUCCESS) return false;
  Reader(limits, out).object(fields, 1);
  return true;
}

}  // namespace hs::wire::logtext
