#include <fmt/format.h>

#include "wire/otlp/json.h"
#include "wire/otlp/protobuf.h"

namespace hs::wire::otlp {
namespace {

Result<model::Batch> decode_protobuf(Builder& b, std::string body) {
  const std::string_view request = b.adopt(std::move(body));
  try {
    switch (b.batch.signal) {
      case model::Signal::traces:
        read_traces(b, request);
        break;
      case model::Signal::logs:
        read_logs(b, request);
        break;
      case model::Signal::metrics:
        read_metrics(b, request);
        break;
    }
  } catch (const protozero::exception& e) {
    return fail(Code::invalid_argument, fmt::format("the body is no OTLP/protobuf request for {} ({})",
                                                    model::name_of(b.batch.signal), e.what()));
  }
  return b.finish();
}

}  // namespace

std::string_view name_of(Format format) { return format == Format::json ? "json" : "protobuf"; }

std::string_view content_type(Format format) {
  return format == Format::json ? "application/json" : "application/x-protobuf";
}

Result<model::Batch> decode(model::Signal signal, Format format, std::string body, const DecodeLimits& limits) {
  Builder builder(signal, limits);
  return format == Format::json ? decode_json(builder, std::move(body)) : decode_protobuf(builder, std::move(body));
}

}  // namespace hs::wire::otlp
