#include "wire/otlp/rewrite.h"

#include <protozero/pbf_writer.hpp>

#include "wire/otlp/json.h"
#include "wire/otlp/protobuf.h"
#include "wire/otlp/schema.h"

namespace hs::wire::otlp {
namespace {

// Walks here: it tells where it stands, so that fields can be copied whole.
using Raw = protozero::pbf_reader;
using protozero::pbf_wire_type;
using protozero::pbf_writer;

// A decoder trims values long before; a body of a few megabytes could nest deeper than our stack.
constexpr int depth_max = 100;

constexpr uint32_t key_number = 1, value_number = 2, string_value_number = 1;
constexpr uint32_t trace_id_number = 1, trace_state_number = 3, status_number = 15, code_number = 3;
constexpr int32_t status_error = 2;

bool fits(const Field& field, pbf_wire_type type) {
  switch (field.kind) {
    case Kind::text:
    case Kind::bytes:
    case Kind::id:
    case Kind::message:
      return type == pbf_wire_type::length_delimited;
    default:
      return type != pbf_wire_type::length_delimited || field.repeated;
  }
}

std::string_view raw_view(Raw& r) {
  const protozero::data_view view = r.get_view();
  return {view.data(), view.size()};
}

pbf_reader reader_of(std::string_view message) { return pbf_reader(message.data(), message.size()); }

std::string_view key_of(std::string_view key_value) {
  std::string_view key;
  for_each_message(key_value, key_number, [&](std::string_view text) { key = text; });
  return key;
}

Edits::Span view_span(std::string_view message) {
  Edits::Span span;
  for (pbf_reader r = reader_of(message); r.next();) {
    if (r.tag_and_type() == bytes(trace_id_number))
      span.trace_id = view_of(r);
    else if (r.tag_and_type() == bytes(trace_state_number))
      span.trace_state = view_of(r);
    else if (r.tag_and_type() == bytes(status_number))
      for (pbf_reader status = r.get_message(); status.next();) {
        if (status.tag_and_type() == varint(code_number))
          span.error = status.get_enum() == status_error;
        else
          status.skip();
      }
    else
      r.skip();
  }
  return span;
}

class Rewriter {
 public:
  Rewriter(const Edits& edits, Rewritten& result)
      : edits_(edits), result_(result), redacts_(edits.text || edits.attribute), out_(result.body) {}

  void message(const Message& message, std::string_view in, pbf_writer& writer, int depth) {
    Raw r(in.data(), in.size());
    for (const char* start = in.data(); r.next(); start = r.data().data()) {
      const Field* field = message.find(r.tag());
      if (field == nullptr || !fits(*field, r.wire_type())) {
        r.skip();
        if (redacts_)
          ++result_.unknown_dropped;
        else
          copy(start, r);
      } else if (field->kind == Kind::message) {
        child(*field, start, r, writer, depth + 1);
      } else if (field->free_text && edits_.text) {
        std::string text(raw_view(r));
        if (edits_.text(text))
          writer.add_bytes(field->number, text);
        else
          copy(start, r);
      } else {
        r.skip();
        copy(start, r);
      }
    }
  }

 private:
  void copy(const char* start, const Raw& r) { out_.append(start, r.data().data()); }

  void child(const Field& field, const char* start, Raw& r, pbf_writer& writer, int depth) {
    const std::string_view in = raw_view(r);
    if (depth > depth_max) {
      ++result_.unknown_dropped;
      return;
    }
    const Role role = field.message->role;
    if (role == Role::key_value && edits_.attribute) {
      const auto verdict = edits_.attribute(key_of(in));
      if (verdict == Edits::Attribute::drop) return;
      if (verdict == Edits::Attribute::mask) return mask(field, key_of(in), writer);
    }
    if (role == Role::span) return span(field, in, start, r, writer, depth);
    const uint64_t dropped = result_.spans_dropped, kept = spans_kept_;
    const size_t size = out_.size();
    {
      pbf_writer sub(writer, field.number);
      message(*field.message, in, sub, depth);
      if (result_.spans_dropped > dropped && spans_kept_ == kept)
        return sub.rollback();  // nothing is left of the group
    }
    // A writer leaves out what is empty; an empty value, say, is one all the same.
    if (out_.size() == size) writer.add_message(field.number, "", 0);
  }

  void span(const Field& field, std::string_view in, const char* start, const Raw& r, pbf_writer& writer, int depth) {
    std::string trace_state;
    bool changed = false;
    if (edits_.span) {
      const Edits::Span view = view_span(in);
      trace_state = view.trace_state;
      if (!edits_.span(view, trace_state)) {
        ++result_.spans_dropped;
        return;
      }
      changed = trace_state != view.trace_state;
    }
    ++spans_kept_;
    if (!changed && !redacts_) return copy(start, r);
    pbf_writer sub(writer, field.number);
    message(*field.message, in, sub, depth);
    if (changed) sub.add_bytes(trace_state_number, trace_state);  // after the old one: the last one counts
  }

  void mask(const Field& field, std::string_view key, pbf_writer& writer) {
    pbf_writer key_value(writer, field.number);
    key_value.add_bytes(key_number, key.data(), key.size());
    pbf_writer value(key_value, value_number);
    value.add_bytes(string_value_number, edits_.mask);
  }

  const Edits& edits_;
  Rewritten& result_;
  const bool redacts_;
  std::string& out_;
  uint64_t spans_kept_ = 0;
};

}  // namespace

Result<Rewritten> rewrite(model::Signal signal, std::string_view body, const Edits& edits) {
  Rewritten result;
  result.body.reserve(body.size() + body.size() / 16);
  try {
    pbf_writer writer(result.body);
    Rewriter(edits, result).message(request_message(signal), body, writer, 0);
  } catch (const protozero::exception& e) {
    return fail(Code::invalid_argument, std::string("the body is no protobuf: ") + e.what());
  }
  return result;
}

Result<std::string> protobuf_of_json(model::Signal signal, std::string body) {
  const DecodeLimits limits;
  Builder builder(signal, limits);
  return transcode_json(builder, std::move(body));
}

}  // namespace hs::wire::otlp
