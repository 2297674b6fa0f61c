#include "promql/matcher.h"

#include <re2/re2.h>

#include "promql/quote.h"

namespace hs::promql {
namespace {

// A pattern's program may take this much: a pattern that needs more is refused when it is compiled.
constexpr int64_t regex_memory_bytes = 8 << 20;

// The text that Go's regexp package, RE2's sister, has for the same error.
std::string go_text(const re2::RE2& re) {
  const std::string& own = re.error();
  const std::string_view what = [&]() -> std::string_view {
    switch (re.error_code()) {
      case re2::RE2::ErrorBadEscape:
        return "invalid escape sequence";
      case re2::RE2::ErrorBadCharClass:
        return "invalid character class";
      case re2::RE2::ErrorBadCharRange:
        return "invalid character class range";
      case re2::RE2::ErrorMissingBracket:
        return "missing closing ]";
      case re2::RE2::ErrorMissingParen:
        return "missing closing )";
      case re2::RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
      case re2::RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
      case re2::RE2::ErrorRepeatSize:
        return "invalid repeat count";
      case re2::RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
      case re2::RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
      case re2::RE2::ErrorBadUTF8:
        return "invalid UTF-8";
      case re2::RE2::ErrorBadNamedCapture:
        return "invalid named capture";
      case re2::RE2::ErrorPatternTooLarge:
        return "expression too large";
      default:
        return own.starts_with("unexpected )") ? "unexpected )" : "internal regexp error";
    }
  }();
  std::string text = "error parsing regexp: " + std::string(what);
  if (re.error_code() == re2::RE2::ErrorTrailingBackslash) return text + ": ``";
  return text + ": `" + re.error_arg() + "`";
}

}  // namespace

struct Matcher::Regex {
  re2::RE2 re;
  Regex(const std::string& pattern, const re2::RE2::Options& options) : re(pattern, options) {}
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
  options.set_dot_nl(true);
  auto regex = std::make_shared<Regex>(out.value_, options);
  if (!regex->re.ok()) return fail(Code::invalid_argument, go_text(regex->re));
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
