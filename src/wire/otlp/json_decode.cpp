#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "model/canonical.h"
#include "wire/otlp/json.h"

namespace hs::wire::otlp {
namespace {

using simdjson::error_code;

// What the parser's tape grows with; an upper bound, because text may contain these characters too.
size_t count_tokens(std::string_view body) {
  return static_cast<size_t>(
      std::count_if(body.begin(), body.end(), [](char c) { return c == ',' || c == ':' || c == '[' || c == '{'; }));
}

// The code unit of \uXXXX at `at`, or 0.
uint32_t code_unit(std::string_view body, size_t at) {
  if (at + 6 > body.size() || body[at] != '\\' || body[at + 1] != 'u') return 0;
  const auto raw = from_hex(body.substr(at + 2, 4));
  if (!raw) return 0;
  return static_cast<uint32_t>(static_cast<unsigned char>((*raw)[0])) << 8 | static_cast<unsigned char>((*raw)[1]);
}

bool is_high(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

// JavaScript writes unpaired surrogates as they are: they become \ufffd. Returns how many there were.
uint64_t repair_surrogates(std::string& body) {
  uint64_t repaired = 0;
  for (size_t i = body.find('\\'); i != body.npos; i = body.find('\\', i)) {
    const uint32_t unit = code_unit(body, i);
    if (is_high(unit) && is_low(code_unit(body, i + 6))) {
      i += 12;
    } else if (is_high(unit) || is_low(unit)) {
      body.replace(i, 6, "\\ufffd");
      ++repaired;
      i += 6;
    } else {
      i += 2;
    }
  }
  return repaired;
}

class Document {
 public:
  explicit Document(std::string body) : body_(std::move(body)) {}

  error_code parse(Element& root) {
    const size_t size = body_.size();
    body_.resize(size + simdjson::SIMDJSON_PADDING);
    const error_code error = parser_.parse(body_.data(), size, false).get(root);
    body_.resize(size);
    return error;
  }
  // True when something was repaired: parse again.
  bool repair(error_code error, Builder& b) {
    if (error == simdjson::UTF8_ERROR) {
      body_ = repair_utf8(body_);
      b.note(Note::utf8);
      return true;
    }
    const uint64_t repaired = error == simdjson::STRING_ERROR ? repair_surrogates(body_) : 0;
    b.note(Note::utf8, repaired);
    return repaired != 0;
  }

 private:
  std::string body_;
  simdjson::dom::parser parser_;
};

Status parse(Builder& b, Document& document, Element& root) {
  error_code error = document.parse(root);
  for (int repairs = 0; repairs < 2 && error != simdjson::SUCCESS && document.repair(error, b); ++repairs)
    error = document.parse(root);
  if (error == simdjson::MEMALLOC)
    return fail(Code::resource_exhausted, "no memory to parse the JSON body: send it in several requests", 1000);
  if (error != simdjson::SUCCESS)
    return fail(Code::invalid_argument, fmt::format("the body is no JSON: {}", simdjson::error_message(error)));
  return {};
}

}  // namespace

namespace {

// Reads the whole document by `read`.
template <class Read>
Status read_document(Builder& b, std::string body, Read read) {
  if (count_tokens(body) > b.limits.json_tokens_max)
    return fail(Code::too_large, fmt::format("the JSON body has more than {} values: send it in several requests",
                                             b.limits.json_tokens_max));
  Document document(std::move(body));
  Element root;
  HS_TRY(parse(b, document, root));
  if (!root.is_object()) return fail(Code::invalid_argument, "the body is no JSON object");
  JsonReader reader(b);
  read(reader, root);
  if (!reader.failed()) return {};
  return fail(Code::invalid_argument, fmt::format("the body is no OTLP/JSON request for {}: {}",
                                                  model::name_of(b.batch.signal), reader.error()));
}

}  // namespace

Result<model::Batch> decode_json(Builder& b, std::string body) {
  HS_TRY(read_document(b, std::move(body), [&b](JsonReader& reader, Element root) {
    switch (b.batch.signal) {
      case model::Signal::traces:
        return read_traces(reader, root);
      case model::Signal::logs:
        return read_logs(reader, root);
      case model::Signal::metrics:
        return read_metrics(reader, root);
    }
  }));
  return b.finish();
}

Result<std::string> transcode_json(Builder& b, std::string body) {
  std::string out;
  HS_TRY(
      read_document(b, std::move(body), [&out](JsonReader& reader, Element root) { out = transcode(reader, root); }));
  return out;
}

}  // namespace hs::wire::otlp
