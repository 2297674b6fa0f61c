#pragma once
// Log records that did not come by OTLP (syslog, files), as the body of an OTLP/protobuf Export request: from there on
// they are like all others, in the journal too. Not thread-safe.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"

namespace hs::wire::otlp {

struct TextAttribute {
  std::string_view key, value;
};

// Bytes that are no UTF-8 may stand anywhere: the decoder repairs them.
struct TextRecord {
  UnixNanos time = 0, observed_time = 0;  // 0: unknown
  uint8_t severity = 0;                   // OTLP SeverityNumber
  std::string_view severity_text, body;
  std::span<const TextAttribute> attributes;
};

class LogWriter {
 public:
  explicit LogWriter(std::string_view scope) : scope_(scope) {}

  // The records that follow have this resource; attributes with an empty value are left out.
  void resource(std::span<const TextAttribute> attributes);
  void add(const TextRecord& record);

  size_t records() const { return count_; }
  size_t bytes() const { return out_.size() + records_.size(); }
  // The request; the writer is empty afterwards.
  std::string take();

 private:
  void close();

  const std::string scope_;
  std::string resource_, records_, out_;
  size_t count_ = 0;
};

}  // namespace hs::wire::otlp
