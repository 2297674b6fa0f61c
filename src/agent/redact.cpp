#include "agent/redact.h"

#include <algorithm>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/text.h"

namespace hs::agent {
namespace {

// Of one pattern's automaton; a handful of patterns together stay small beside the agent's 64 MiB.
constexpr int64_t pattern_memory_bytes = 1 << 20;

struct BuiltIn {
  std::string_view name, regex;
};
constexpr BuiltIn built_ins[] = {
    // ISO/IEC 7812 numbers, also in groups; Luhn's sum decides.
    {"credit_card", R"(\b[2-6](?:[ -]?[0-9]){12,18}\b)"},
    {"email", R"([A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})"},
    // RFC 6750
    {"bearer", R"((?i)\bbearer\s+([A-Za-z0-9._~+/-]{8,}=*))"},
    // RFC 7519: two parts of base64url that begin as JSON objects do, and a signature
    {"jwt", R"(\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)"},
    // RFC 3986, 3.2.1
    {"url_password", R"([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:([^\s/?#@]+)@)"},
    {"url_secret",
     R"((?i)[?&;](?:password|passwd|pwd|secret|token|access_token|refresh_token|api_?key|signature|sig)=([^&;\s#"']+))"},
    // RFC 7468, cut off ones too
    {"private_key", R"(-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z))"},
    {"aws_access_key", R"(\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"},
};

bool passes_luhn(std::string_view text) {
  int sum = 0;
  bool twice = false;
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < '0' || text[i] > '9') continue;
    const int digit = (text[i] - '0') * (twice ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
    twice = !twice;
  }
  return sum % 10 == 0;
}

bool matches(const std::vector<std::string>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(), [key](std::string_view one) {
    return one.ends_with('*') ? key.starts_with(one.substr(0, one.size() - 1)) : key == one;
  });
}

}  // namespace

struct Redactor::Pattern {
  Pattern(std::string pattern_name, std::string_view pattern, const RE2::Options& options)
      : name(std::move(pattern_name)), regex(re2::StringPiece(pattern.data(), pattern.size()), options) {}

  // Replaces in `text`; how often.
  uint64_t replace(std::string& text) const {
    const re2::StringPiece all(text);
    re2::StringPiece found[2];
    const int groups = regex.NumberOfCapturingGroups() > 0 ? 2 : 1;
    std::string out;
    uint64_t times = 0;
    size_t at = 0, copied = 0;
    while (at < text.size() && regex.Match(all, at, text.size(), RE2::UNANCHORED, found, groups)) {
      const re2::StringPiece& secret = groups == 2 && found[1].data() != nullptr ? found[1] : found[0];
      const auto begin = static_cast<size_t>(secret.data() - text.data());
      const auto end = static_cast<size_t>(found[0].data() - text.data()) + found[0].size();
      if (!luhn || passes_luhn({secret.data(), secret.size()})) {
        out.append(text, copied, begin - copied);
        out += replacement;
        copied = begin + secret.size();
        ++times;
      }
      at = std::max(end, at + 1);
    }
    if (times == 0) return 0;
    out.append(text, copied);
    text = std::move(out);
    count.fetch_add(times, std::memory_order_relaxed);
    return times;
  }

  const std::string name;
  const RE2 regex;
  const std::string replacement = fmt::format("[redacted:{}]", name);
  const bool luhn = name == "credit_card";
  mutable std::atomic<uint64_t> count{0};
};

Redactor::Redactor() = default;
Redactor::~Redactor() = default;

Status Redactor::add(const std::string& name, std::string_view regex, bool built_in) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(pattern_memory_bytes);
  // Byte by byte: invalid UTF-8 in the middle of a secret must not end the match.
  if (built_in) options.set_encoding(RE2::Options::EncodingLatin1);
  auto pattern = std::make_unique<Pattern>(name, regex, options);
  const auto refuse = [&](std::string_view why) {
    return fail(Code::invalid_argument, fmt::format("agent.redact.custom: {}: {}", name, why));
  };
  if (!pattern->regex.ok()) return refuse(pattern->regex.error());
  if (RE2::PartialMatch("", pattern->regex)) return refuse("it must not match the empty text");
  if (std::any_of(patterns_.begin(), patterns_.end(), [&](const auto& other) { return other->name == name; }))
    return refuse("there is a pattern of this name already");
  patterns_.push_back(std::move(pattern));
  return {};
}

Result<std::shared_ptr<const Redactor>> Redactor::make(const RedactOptions& options) {
  std::shared_ptr<Redactor> redactor(new Redactor);
  for (const std::string& name : options.patterns) {
    const auto* known =
        std::find_if(std::begin(built_ins), std::end(built_ins), [&](const auto& b) { return b.name == name; });
    if (known == std::end(built_ins)) {
      std::vector<std::string_view> names;
      for (const BuiltIn& b : built_ins) names.push_back(b.name);
      return fail(Code::invalid_argument,
                  fmt::format("agent.redact.patterns: no pattern '{}'; there are {}", name, fmt::join(names, ", ")));
    }
    HS_TRY(redactor->add(name, known->regex, true));
  }
  for (const std::string& item : options.custom) {
    const size_t equals = item.find('=');
    const bool good = equals != std::string::npos && equals > 0 &&
                      item.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == equals;
    if (!good)
      return fail(Code::invalid_argument,
                  fmt::format("agent.redact.custom: '{}': write NAME=REGEX, the name in a-z, 0-9 and _", item));
    HS_TRY(redactor->add(item.substr(0, equals), std::string_view(item).substr(equals + 1), false));
  }
  redactor->drop_ = options.drop_keys;
  redactor->mask_ = options.mask_keys;
  return redactor;
}

bool Redactor::redact(std::string& text) const {
  uint64_t times = 0;
  for (const auto& pattern : patterns_) times += pattern->replace(text);
  return times > 0;
}

wire::otlp::Edits::Attribute Redactor::verdict(std::string_view key) const {
  using Attribute = wire::otlp::Edits::Attribute;
  if (matches(drop_, key)) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return Attribute::drop;
  }
  if (!matches(mask_, key)) return Attribute::keep;
  masked_.fetch_add(1, std::memory_order_relaxed);
  return Attribute::mask;
}

std::vector<Redactor::Count> Redactor::counts() const {
  std::vector<Count> out;
  for (const auto& pattern : patterns_) out.push_back({pattern->name, pattern->count.load(std::memory_order_relaxed)});
  if (!drop_.empty()) out.push_back({"drop_keys", dropped_.load(std::memory_order_relaxed)});
  if (!mask_.empty()) out.push_back({"mask_keys", masked_.load(std::memory_order_relaxed)});
  return out;
}

}  // namespace hs::agent
