#include "chaos/tolerance.h"

#include <re2/re2.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"

namespace hs::chaos {
namespace {

using json::Json;

// Of one pattern; RE2 takes no more steps than this allows, whatever the pattern is.
constexpr int64_t regex_memory_max = 1024 * 1024;

tl::unexpected<Error> bad(std::string message) { return fail(Code::invalid_argument, "a tolerance: " + message); }

// What a scalar, a list or a range is compared with.
const Json& status_or_itself(const Json& result) {
  const Json* status = json::find(result, "status");
  return status != nullptr ? *status : result;
}

bool is_range(const Json& list) { return list.size() == 2 && list[0].is_number() && list[1].is_number(); }

// nlohmann takes 1 == true and 1 == 1.0 apart only by half: numbers are equal as numbers, nothing else crosses types.
bool same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a == b;
  return a.type() == b.type() && a == b;
}

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : json::dump(value); }

Result<std::shared_ptr<const RE2>> parse_regex(const Json& written) {
  const auto pattern = json::text(written, "pattern");
  if (!pattern) return bad("regex needs a pattern");
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_memory_max);
  auto regex = std::make_shared<const RE2>(re2::StringPiece(pattern->data(), pattern->size()), options);
  if (!regex->ok()) return bad(fmt::format("the pattern is wrong: {}", regex->error()));
  return regex;
}

}  // namespace

Result<Tolerance> Tolerance::parse(const Json& written) {
  Tolerance out;
  if (written.is_null()) return bad("null is none; leave it out");
  if (written.is_array()) {
    if (written.empty()) return bad("an empty list allows nothing");
    out.kind_ = is_range(written) ? Kind::range : Kind::one_of;
    out.value_ = written;
    if (out.kind_ == Kind::range) {
      out.low_ = written[0].get<double>();
      out.high_ = written[1].get<double>();
    }
    return out;
  }
  if (!written.is_object()) {
    out.value_ = written;
    return out;
  }
  const std::string_view type = json::text(written, "type").value_or("");
  out.target_ = json::text(written, "target").value_or("");
  if (type == "regex") {
    out.kind_ = Kind::regex;
    HS_ASSIGN(out.regex_, parse_regex(written));
  } else if (type == "jsonpath") {
    out.kind_ = Kind::jsonpath;
    HS_ASSIGN(out.path_, JsonPath::parse(json::text(written, "path").value_or("")));
    out.count_ = json::integer(written, "count");
    if (const Json* expect = json::find(written, "expect")) out.value_ = *expect;
  } else if (type == "range") {
    const Json* range = json::find(written, "range");
    if (range == nullptr || !range->is_array() || !is_range(*range)) return bad("range takes [low, high]");
    out.kind_ = Kind::range;
    out.low_ = (*range)[0].get<double>();
    out.high_ = (*range)[1].get<double>();
  } else if (type == "probe") {
    return bad("type probe is not supported; make it a probe of the hypothesis");
  } else {
    return bad(fmt::format("unknown type '{}'; known: regex, jsonpath, range", printable(type, 64)));
  }
  return out;
}

bool Tolerance::meets(const Json& result) const {
  const Json* member = target_.empty() ? nullptr : json::find(result, target_);
  if (!target_.empty() && member == nullptr) return false;
  const Json& at = member != nullptr ? *member : result;
  switch (kind_) {
    case Kind::scalar:
      return same(value_, status_or_itself(at));
    case Kind::one_of:
      return std::any_of(value_.begin(), value_.end(), [&](const Json& v) { return same(v, status_or_itself(at)); });
    case Kind::range: {
      const Json& number = status_or_itself(at);
      return number.is_number() && number.get<double>() >= low_ && number.get<double>() <= high_;
    }
    case Kind::regex:
      return RE2::PartialMatch(text_of(at), *regex_);
    case Kind::jsonpath:
      break;
  }
  if (!at.is_string()) return meets_path(at);
  const auto document = json::parse(at.get<std::string>(), "the result");
  return document && meets_path(*document);
}

bool Tolerance::meets_path(const Json& looked_at) const {
  const auto found = path_->find(looked_at);
  if (count_) return static_cast<int64_t>(found.size()) == *count_;
  if (value_.is_null()) return !found.empty();
  if (found.size() == 1 && same(*found[0], value_)) return true;
  if (!value_.is_array() || value_.size() != found.size()) return false;
  return std::equal(found.begin(), found.end(), value_.begin(),
                    [](const Json* a, const Json& b) { return same(*a, b); });
}

}  // namespace hs::chaos
