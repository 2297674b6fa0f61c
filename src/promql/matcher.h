#pragma once
// One condition on a label. Regular expressions are RE2's, always anchored at both ends; an absent label is "".

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hs::promql {

enum class MatchType : uint8_t { equal, not_equal, regex, not_regex };

std::string_view name_of(MatchType type);  // = != =~ !~

class Matcher {
 public:
  // Fails with the text of Go's regexp package when `value` is no regular expression.
  static Result<Matcher> make(MatchType type, std::string name, std::string value);

  bool matches(std::string_view value) const;
  bool matches_empty() const { return matches(""); }
  MatchType type() const { return type_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }  // unanchored, as written
  // name="value" as Prometheus prints it: names that are no plain label names are quoted.
  std::string text() const;

 private:
  struct Regex;
  MatchType type_ = MatchType::equal;
  std::string name_;
  std::string value_;
  std::shared_ptr<const Regex> regex_;  // immutable, shared by copies; thread-safe
};

}  // namespace hs::promql
