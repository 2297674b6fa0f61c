#pragma once
// When a probe's result is good enough: Chaos Toolkit's tolerances. Pure.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "chaos/jsonpath.h"

namespace re2 {
class RE2;
}

namespace hs::chaos {

// A scalar must be equal (strictly: 1 is not true, "1" is not 1). A list of two numbers is a range, both ends included;
// any other list names the values allowed. Objects: {"type": "regex", pattern}, {"type": "jsonpath", path, count?,
// expect?}, {"type": "range", range: [lo, hi]}, each with an optional "target" ("body", "status", ...), the member of
// the result that is looked at. A result that is an object with a "status" counts by it where a scalar, a list or a
// range is asked for. {"type": "probe"} is refused.
class Tolerance {
 public:
  static Result<Tolerance> parse(const json::Json& written);
  bool meets(const json::Json& result) const;

 private:
  enum class Kind : uint8_t { scalar, range, one_of, regex, jsonpath };
  bool meets_path(const json::Json& looked_at) const;

  Kind kind_ = Kind::scalar;
  std::string target_;
  json::Json value_;  // scalar: the value; one_of: the list; jsonpath: what is expected, null for nothing special
  double low_ = 0, high_ = 0;
  std::shared_ptr<const re2::RE2> regex_;  // shared by copies: it is immutable and costly
  std::optional<JsonPath> path_;
  std::optional<int64_t> count_;
};

}  // namespace hs::chaos
