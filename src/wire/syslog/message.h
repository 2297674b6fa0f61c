#pragma once
// One syslog message: RFC 5424, RFC 3164 (and what is sent under its name), or a line of text.
//
// Pure; thread-safe. The texts are views of the frame, but for parameter values, which had to be unescaped.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace hs::wire::syslog {

struct Parameter {        // of structured data
  std::string_view id;    // SD-ID, "exampleSDID@32473"
  std::string_view name;  // "" when the element has no parameters
  std::string value;
};

struct Message {
  bool has_priority = false;
  uint8_t facility = 0, severity = 0;               // 0-23 and 0-7 (RFC 5424, tables 1 and 2), when has_priority
  uint16_t version = 0;                             // 0: not RFC 5424
  UnixNanos time = 0;                               // 0: the message does not tell
  std::string_view host, app, process, message_id;  // "" when absent or "-"
  std::vector<Parameter> parameters;
  std::string_view text;     // without a byte order mark
  std::string_view problem;  // "" or what is wrong with the header; `text` then is all that could not be understood
};

struct ParseContext {
  UnixNanos received = 0;    // RFC 3164 has no year: the one that puts the message nearest before this
  int64_t utc_offset_s = 0;  // of times that do not tell, east is positive
};

// Structured data beyond these is left out, the rest of the message is taken. RFC 5424 has no bound.
inline constexpr size_t parameters_max = 128;

// Never fails: what is no syslog header is text. A header that breaks a rule of RFC 5424 is tried as RFC 3164, then
// taken as text behind its priority; `problem` says so.
Message parse(std::string_view frame, const ParseContext& context);

// "Z", "+02:00", "-07:30" -> seconds east.
Result<int64_t> parse_utc_offset(std::string_view text);

// OpenTelemetry's severity number (logs data model, appendix B) and syslog's keyword of a severity 0-7.
uint8_t severity_number(uint8_t severity);
std::string_view severity_name(uint8_t severity);

}  // namespace hs::wire::syslog
