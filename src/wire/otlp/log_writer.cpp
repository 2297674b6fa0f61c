// Field numbers: collector/logs/v1/logs_service.proto, logs/v1/logs.proto, common/v1/common.proto.
#include "wire/otlp/log_writer.h"

#include <protozero/pbf_builder.hpp>
#include <protozero/pbf_writer.hpp>

#include <utility>

namespace hs::wire::otlp {
namespace {

using protozero::pbf_writer;

void add_text(pbf_writer& writer, uint32_t tag, std::string_view text) {
  if (!text.empty()) writer.add_bytes(tag, text.data(), text.size());
}

// An AnyValue that is a string; an empty one is a string too.
void add_string(pbf_writer& writer, uint32_t tag, std::string_view text) {
  pbf_writer value(writer, tag);
  value.add_bytes(1, text.data(), text.size());
}

void add_attribute(pbf_writer& writer, uint32_t tag, const TextAttribute& attribute) {
  pbf_writer pair(writer, tag);
  add_text(pair, 1, attribute.key);
  add_string(pair, 2, attribute.value);
}

}  // namespace

void LogWriter::resource(std::span<const TextAttribute> attributes) {
  std::string next;
  pbf_writer writer(next);
  for (const TextAttribute& attribute : attributes)
    if (!attribute.value.empty()) add_attribute(writer, 1, attribute);
  if (next == resource_) return;
  close();
  resource_ = std::move(next);
}

void LogWriter::add(const TextRecord& record) {
  pbf_writer scope_logs(records_);
  pbf_writer writer(scope_logs, 2);
  writer.add_fixed64(1, static_cast<uint64_t>(record.time));
  writer.add_fixed64(11, static_cast<uint64_t>(record.observed_time));
  if (record.severity != 0) writer.add_int32(2, record.severity);
  add_text(writer, 3, record.severity_text);
  add_string(writer, 5, record.body);
  for (const TextAttribute& attribute : record.attributes) add_attribute(writer, 6, attribute);
  ++count_;
}

void LogWriter::close() {
  if (records_.empty()) return;
  std::string scope;
  pbf_writer scope_writer(scope);
  add_text(scope_writer, 1, scope_);
  std::string scope_logs;
  pbf_writer(scope_logs).add_message(1, scope);
  scope_logs += records_;
  pbf_writer request(out_);
  pbf_writer resource_logs(request, 1);
  resource_logs.add_message(1, resource_);
  resource_logs.add_message(2, scope_logs);
  records_.clear();
}

std::string LogWriter::take() {
  close();
  resource_.clear();
  count_ = 0;
  return std::exchange(out_, {});
}

}  // namespace hs::wire::otlp
