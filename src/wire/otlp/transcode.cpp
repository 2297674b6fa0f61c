// OTLP/JSON as OTLP/protobuf. What is present is written, defaults too: presence means something in a oneof.

#include <protozero/pbf_writer.hpp>

#include "base/text.h"
#include "wire/otlp/json.h"
#include "wire/otlp/schema.h"

namespace hs::wire::otlp {
namespace {

using protozero::pbf_writer;

class Transcoder {
 public:
  // `bytes`: what the writers write into.
  Transcoder(JsonReader& reader, const std::string& bytes) : r_(reader), bytes_(bytes) {}

  void message(Element e, std::string_view name, const Message& message, pbf_writer& out) {
    r_.fields(e, name, [&](std::string_view key, Element value) {
      const Field* field = message.find(key);
      if (field == nullptr) return;
      if (!field->repeated) return one(value, *field, out);
      if (field->kind == Kind::message || field->kind == Kind::text)
        return r_.each(value, key, [&](Element item) { one(item, *field, out); });
      packed(value, *field, out);
    });
  }

 private:
  void one(Element e, const Field& field, pbf_writer& out) {
    const uint32_t number = field.number;
    switch (field.kind) {
      case Kind::text: {
        const std::string_view text = r_.text(e, field.name);
        return out.add_bytes(number, text.data(), text.size());
      }
      case Kind::bytes:
        return out.add_bytes(number, r_.bytes(e, field.name));
      case Kind::id: {
        const std::string_view hex = r_.text(e, field.name);
        const auto raw = from_hex(hex);
        return out.add_bytes(number, raw ? *raw : std::string(hex));  // one that is no id must not become one
      }
      case Kind::boolean:
        return out.add_bool(number, r_.boolean(e, field.name));
      case Kind::integer:
        return out.add_int64(number, r_.i64(e, field.name));
      case Kind::count:
        return out.add_uint64(number, r_.u64(e, field.name));
      case Kind::zigzag:
        return out.add_sint32(number, r_.i32(e, field.name));
      case Kind::fixed64:
        return out.add_fixed64(number, r_.u64(e, field.name));
      case Kind::signed64:
        return out.add_sfixed64(number, r_.i64(e, field.name));
      case Kind::fixed32:
        return out.add_fixed32(number, r_.u32(e, field.name));
      case Kind::real:
        return out.add_double(number, r_.real(e, field.name));
      case Kind::message:
        break;
    }
    nested(e, field, out);
  }

  void nested(Element e, const Field& field, pbf_writer& out) {
    const size_t size = bytes_.size();
    {
      pbf_writer sub(out, field.number);
      message(e, field.name, *field.message, sub);
    }
    // A writer leaves out what is empty; an empty value, say, is one all the same.
    if (bytes_.size() == size) out.add_message(field.number, "", 0);
  }

  void packed(Element e, const Field& field, pbf_writer& out) {
    std::string bytes;
    pbf_writer values(bytes);
    r_.each(e, field.name, [&](Element item) {
      const size_t start = bytes.size();
      one(item, field, values);
      bytes.erase(start, 1);  // the tag: packed numbers of these messages have numbers below 16
    });
    out.add_bytes(field.number, bytes);
  }

  JsonReader& r_;
  const std::string& bytes_;
};

}  // namespace

std::string transcode(JsonReader& r, Element root) {
  std::string out;
  pbf_writer writer(out);
  Transcoder(r, out).message(root, "request", request_message(r.b.batch.signal), writer);
  return out;
}

}  // namespace hs::wire::otlp
