// Answers, read: the other direction of encode.cpp. Field numbers as there.

#include "wire/otlp/otlp.h"
#include "wire/otlp/protobuf.h"

namespace hs::wire::otlp {
namespace {

constexpr std::string_view retry_info_name = "google.rpc.RetryInfo";

pbf_reader reader_of(std::string_view message) { return pbf_reader(message.data(), message.size()); }

int64_t read_duration_ms(std::string_view duration) {
  int64_t seconds = 0, nanos = 0;
  for (pbf_reader r = reader_of(duration); r.next();) {
    if (r.tag_and_type() == varint(1))
      seconds = r.get_int64();
    else if (r.tag_and_type() == varint(2))
      nanos = r.get_int64();
    else
      r.skip();
  }
  constexpr int64_t year_s = 365 * 86'400;  // more is an error of the sender's, and would overflow somewhere
  if (seconds < 0 || seconds > year_s || nanos < 0) return 0;
  return seconds * 1000 + nanos / nanos_per_ms;
}

int64_t read_retry_ms(std::string_view any) {
  std::string_view type, value;
  for (pbf_reader r = reader_of(any); r.next();) {
    if (r.tag_and_type() == bytes(1))
      type = view_of(r);
    else if (r.tag_and_type() == bytes(2))
      value = view_of(r);
    else
      r.skip();
  }
  int64_t ms = 0;
  if (type.ends_with(retry_info_name))
    for_each_message(value, 1, [&](std::string_view duration) { ms = read_duration_ms(duration); });
  return ms;
}

}  // namespace

PartialSuccess decode_response(std::string_view body) {
  PartialSuccess out;
  try {
    for_each_message(body, 1, [&](std::string_view partial) {
      for (pbf_reader r = reader_of(partial); r.next();) {
        if (r.tag_and_type() == varint(1))
          out.rejected = static_cast<uint64_t>(std::max<int64_t>(0, r.get_int64()));
        else if (r.tag_and_type() == bytes(2))
          out.why = view_of(r);
        else
          r.skip();
      }
    });
  } catch (const protozero::exception&) {
    return {};
  }
  return out;
}

Refusal decode_status(std::string_view body) {
  Refusal out;
  try {
    for (pbf_reader r = reader_of(body); r.next();) {
      if (r.tag_and_type() == bytes(2))
        out.message = view_of(r);
      else if (r.tag_and_type() == bytes(3))
        out.retry_after_ms = std::max(out.retry_after_ms, read_retry_ms(view_of(r)));
      else
        r.skip();
    }
  } catch (const protozero::exception&) {
    return {};
  }
  return out;
}

}  // namespace hs::wire::otlp
