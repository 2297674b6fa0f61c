#pragma once
// OTLP (opentelemetry-proto 1.x) as bytes: requests become batches, answers become bytes.
// Pure functions: no IO, no clock, no state; safe from any thread. The same body, format and limits always give the
// same batch: the journal's replay rests on it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/batch.h"

namespace hs::wire::otlp {

enum class Format : uint8_t { protobuf = 1, json = 2 };  // persistent (the journal): do not change
std::string_view name_of(Format format);                 // "protobuf", "json"
std::string_view content_type(Format format);            // "application/x-protobuf", "application/json"

// What one request may make us hold. Telemetry is hostile: two bytes of protobuf can ask for a row of 300.
// "Trimmed" below means: the excess is left out, counted in the item's dropped_* column, and said in
// Batch::rejected_why; the item itself is kept, but for a data point: without an attribute it is of another series.
struct DecodeLimits {
  // Memory of the decoded columns, beside the body itself. Honest requests need about one byte a byte; four times the
  // largest body that OTLP recommends (64 MiB) is left for small items. Beyond: too_large, split the request.
  size_t decoded_bytes_max = 256 << 20;
  // Values and separators of a JSON document: its parser needs up to 20 bytes for each. Beyond: too_large.
  size_t json_tokens_max = 16 << 20;
  // Attributes of one item (span, event, link, record, point, exemplar, resource, scope); 8 times the SDKs' default
  // of 128. Trimmed.
  uint32_t attributes_per_item_max = 1024;
  // Events and links of one span, exemplars of one point; 8 times the SDKs' default of 128. Trimmed.
  uint32_t children_per_item_max = 1024;
  // Buckets or quantiles of one point; SDKs' exponential histograms have 160. Beyond: the point is rejected.
  uint32_t buckets_per_point_max = 4096;
  // Arrays and maps in one another. Beyond: the attribute is trimmed, a log record with such a body is rejected.
  uint32_t nesting_max = 32;
  // Keys go into dictionaries, which live long. Longer ones are trimmed.
  size_t key_bytes_max = 1024;
  // Names (of spans, events, scopes; severity text; units): cut at this length, at a character's border. A metric with
  // a longer name is rejected, because a cut name could be another metric's.
  size_t name_bytes_max = 4096;
  // One attribute's text: stack traces and prompts fit. Longer strings and bytes are cut, arrays and maps trimmed.
  size_t value_bytes_max = 1 << 20;
  // A log record's body, when it is an array or a map: its text can be 6 times its bytes in the request. Beyond: the
  // record is rejected. Bodies that are strings or bytes are bounded by the request alone.
  size_t nested_body_bytes_max = 16 << 20;
};

// Decodes the body of one Export request; the body must not be compressed any more, and becomes the batch's.
//
// Errors: invalid_argument (not protobuf or JSON at all, a known field of a wrong JSON type, or every item is
// unacceptable), too_large (a limit above). Otherwise the batch holds what could be taken, and
//   rejected      counts items (spans, points, records) that could not: spans without a valid trace and span id, ...
//   rejected_why  says why, also when nothing was rejected but something was trimmed or repaired; "" when all is well.
// Treatment, so that one bad byte does not lose a batch:
//   - invalid UTF-8 and unpaired surrogates become U+FFFD
//   - log records and exemplars with malformed trace or span ids lose these ids; links with them are trimmed
//   - times after 2262 are clamped to the largest UnixNanos; a span that ends before it starts has duration 0
//   - enum values that we do not know become 0; in JSON enums are integers, names are refused (as OTLP demands)
//   - a number point without a value gets the flag "no recorded value"
//   - unknown fields are ignored; JSON keys are lowerCamelCase only
//   - repeated attribute keys are kept as sent; readers take the first
Result<model::Batch> decode(model::Signal signal, Format format, std::string body, const DecodeLimits& limits = {});

// The body of a successful answer: partial_success is absent unless something was rejected or there is a warning.
std::string encode_response(model::Signal signal, Format format, uint64_t rejected, std::string_view why);

// An error as google.rpc.Status. Protobuf carries RetryInfo when the error says when to retry; JSON does not (a reader
// without that type could not parse it), there the Retry-After header says it.
std::string encode_status(Format format, const Error& error);

// What a receiver answered, protobuf, for those who send. Bytes that are no such message say nothing.
struct PartialSuccess {
  uint64_t rejected = 0;
  std::string why;
};
PartialSuccess decode_response(std::string_view body);
// google.rpc.Status: its message, and when to try again (RetryInfo; 0: it does not say).
struct Refusal {
  std::string message;
  int64_t retry_after_ms = 0;
};
Refusal decode_status(std::string_view body);

}  // namespace hs::wire::otlp
