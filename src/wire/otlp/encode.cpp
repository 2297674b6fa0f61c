// Answers. Field numbers: collector/{trace,metrics,logs}/v1/*_service.proto; google/rpc/{status,error_details}.proto.

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

#include "model/canonical.h"
#include "wire/otlp/otlp.h"

namespace hs::wire::otlp {
namespace {

constexpr std::string_view retry_info_type = "type.googleapis.com/google.rpc.RetryInfo";

std::string_view rejected_key(model::Signal signal) {
  switch (signal) {
    case model::Signal::traces:
      return "rejectedSpans";
    case model::Signal::metrics:
      return "rejectedDataPoints";
    case model::Signal::logs:
      return "rejectedLogRecords";
  }
  return "";
}

void add_text(protozero::pbf_writer& writer, uint32_t tag, std::string_view text) {
  if (!text.empty()) writer.add_bytes(tag, text.data(), text.size());
}

// google.protobuf.Duration
std::string duration(int64_t ms) {
  std::string out;
  protozero::pbf_writer writer(out);
  if (ms >= 1000) writer.add_int64(1, ms / 1000);
  if (ms % 1000 != 0) writer.add_int32(2, static_cast<int32_t>(ms % 1000 * nanos_per_ms));
  return out;
}

std::string retry_info(int64_t retry_after_ms) {
  std::string info, any;
  protozero::pbf_writer(info).add_message(1, duration(retry_after_ms));
  protozero::pbf_writer writer(any);
  add_text(writer, 1, retry_info_type);
  add_text(writer, 2, info);
  return any;
}

}  // namespace

std::string encode_response(model::Signal signal, Format format, uint64_t rejected, std::string_view why) {
  const bool nothing_to_say = rejected == 0 && why.empty();
  std::string out;
  if (format == Format::json) {
    if (nothing_to_say) return "{}";
    out = "{\"partialSuccess\":{";
    if (rejected != 0) out += fmt::format("\"{}\":\"{}\",", rejected_key(signal), rejected);
    out += "\"errorMessage\":";
    model::append_json_string(out, why);
    return out + "}}";
  }
  if (nothing_to_say) return out;
  std::string partial;
  protozero::pbf_writer writer(partial);
  if (rejected != 0) writer.add_int64(1, static_cast<int64_t>(rejected));
  add_text(writer, 2, why);
  protozero::pbf_writer(out).add_message(1, partial);
  return out;
}

std::string encode_status(Format format, const Error& error) {
  std::string out;
  if (format == Format::json) {
    out = fmt::format("{{\"code\":{},\"message\":", grpc_status(error.code));
    model::append_json_string(out, error.message);
    return out + '}';
  }
  protozero::pbf_writer writer(out);
  writer.add_int32(1, grpc_status(error.code));
  add_text(writer, 2, error.message);
  if (error.retry_after_ms > 0) writer.add_message(3, retry_info(error.retry_after_ms));
  return out;
}

}  // namespace hs::wire::otlp
