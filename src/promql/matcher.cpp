#include "promql/matcher.h"

#include <re2/re2.h>

#include "promql/quote.h"

namespace hs::promql {
namespace {

// A pattern's program may take this much: a pattern that needs more is refused when it is compiled.
constexpr int64_t regex_memory_bytes = 8 << 20;

}  // namespace

struct Matcher::Regex {
  re2::RE2 re;
  Regex(const std::string& pattern, const re2::RE2::Options& options) : re("^(?s:" + pattern + ")$", options) {}
};

std::string_view name_of(MatchType type) {
  static constexpr std::string_view names[] = {"=", "!=", "=~", "!~"};
  return names[static_cast<size_t>(type)];
}

Result<Matcher> Matcher::make(MatchType type, std::string name, std::string value) {
  Matcher out;
  out.type_ = type;
  out.name_ = std::move(name);
  out.value_ = std::move(value);
  if (type == MatchType::equal || type == MatchType::not_equal) return out;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(regex_memory_bytes);
  auto regex = std::make_shared<Regex>(out.value_, options);
  if (!regex->re.ok()) return fail(Code::invalid_argument, "error parsing regexp: " + regex->re.error());
  out.regex_ = std::move(regex);
  return out;
}

bool Matcher::matches(std::string_view value) const {
  switch (type_) {
    case MatchType::equal:
      return value == value_;
    case MatchType::not_equal:
      return value != value_;
    case MatchType::regex:
      return re2::RE2::FullMatch({value.data(), value.size()}, regex_->re);
    case MatchType::not_regex:
      return !re2::RE2::FullMatch({value.data(), value.size()}, regex_->re);
  }
  return false;
}

std::string Matcher::text() const {
  const std::string name = plain_label_name(name_) ? name_ : quote(name_);
  return name + std::string(name_of(type_)) + quote(value_);
}

}  // namespace hs::promql
