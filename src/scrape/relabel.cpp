#include "scrape/relabel.h"

#include <re2/re2.h>

#include <algorithm>

#include <fmt/format.h>

#include "security/md5.h"

namespace hs::scrape {
namespace {

using config::RelabelAction;
using model::Attribute;

constexpr size_t text_bytes_max = 64 << 10;  // of what a replacement makes: rules could double a label again and again

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

struct Groups {
  const re2::RE2& re;
  std::vector<re2::StringPiece> found;

  std::string_view named(std::string_view name) const {
    size_t index = 0;
    const bool number =
        !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && name.size() < 6) {
      for (const char c : name) index = index * 10 + static_cast<size_t>(c - '0');
    } else {
      const auto at = re.NamedCapturingGroups().find(std::string(name));
      if (at == re.NamedCapturingGroups().end()) return {};
      index = static_cast<size_t>(at->second);
    }
    if (index >= found.size() || found[index].data() == nullptr) return {};
    return {found[index].data(), found[index].size()};
  }
};

// Go's Regexp.Expand: $1, $name (as many letters, digits and underscores as there are), ${name}, $$.
std::string expand(std::string_view pattern, const Groups& groups) {
  std::string out;
  while (!pattern.empty() && out.size() <= text_bytes_max) {
    const size_t dollar = std::min(pattern.find('$'), pattern.size());
    out += pattern.substr(0, dollar);
    pattern.remove_prefix(dollar);
    if (pattern.empty()) break;
    if (pattern.starts_with("$$")) {
      out += '$';
      pattern.remove_prefix(2);
      continue;
    }
    const bool braced = pattern.starts_with("${");
    const std::string_view rest = pattern.substr(braced ? 2 : 1);
    const auto end = static_cast<size_t>(std::find_if_not(rest.begin(), rest.end(), is_word) - rest.begin());
    const bool closed = !braced || (end < rest.size() && rest[end] == '}');
    if (end == 0 || !closed) {
      out += '$';
      pattern.remove_prefix(1);
      continue;
    }
    out += groups.named(rest.substr(0, end));
    pattern = rest.substr(end + (braced ? 1 : 0));
  }
  if (out.size() > text_bytes_max) out.resize(text_bytes_max);
  return out;
}

std::string with_case(std::string_view text, bool upper) {
  std::string out(text);
  for (char& c : out) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!upper && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace

std::string_view value_of(const Labels& labels, std::string_view name) {
  const auto at = std::find_if(labels.begin(), labels.end(), [&](const Attribute& a) { return a.key == name; });
  return at == labels.end() ? std::string_view() : at->value;
}

void set_label(Labels& labels, std::string_view name, std::string_view value) {
  const auto at = std::find_if(labels.begin(), labels.end(), [&](const Attribute& a) { return a.key == name; });
  if (value.empty()) {
    if (at != labels.end()) labels.erase(at);
  } else if (at == labels.end()) {
    labels.push_back({name, value});
  } else {
    at->value = value;
  }
}

struct Relabeler::Rule {
  config::RelabelRule config;
  re2::RE2 re;

  explicit Rule(const config::RelabelRule& given)
      : config(given), re("^(?s:" + given.regex + ")$", re2::RE2::CannedOptions::Quiet) {}

  bool match(std::string_view text, Groups* groups = nullptr) const {
    const re2::StringPiece piece(text.data(), text.size());
    const int count = groups == nullptr ? 0 : re.NumberOfCapturingGroups() + 1;
    if (groups != nullptr) groups->found.resize(static_cast<size_t>(count));
    return re.Match(piece, 0, text.size(), re2::RE2::ANCHOR_BOTH, groups == nullptr ? nullptr : groups->found.data(),
                    count);
  }

  std::string_view source(const Labels& labels, model::Arena& arena) const {
    if (config.source_labels.size() == 1) return value_of(labels, config.source_labels[0]);
    std::string joined;
    for (size_t i = 0; i < config.source_labels.size(); ++i) {
      if (i > 0) joined += config.separator;
      joined += value_of(labels, config.source_labels[i]);
    }
    return arena.copy(joined);
  }

  bool apply(Labels& labels, model::Arena& arena) const {
    using enum RelabelAction;
    switch (config.action) {
      case replace:
        return apply_replace(labels, arena), true;
      case keep:
        return match(source(labels, arena));
      case drop:
        return !match(source(labels, arena));
      case keepequal:
        return source(labels, arena) == value_of(labels, config.target_label);
      case dropequal:
        return source(labels, arena) != value_of(labels, config.target_label);
      case hashmod:
        return set_label(labels, config.target_label,
                         arena.copy(std::to_string(security::md5_low64(source(labels, arena)) % config.modulus))),
               true;
      case labelmap:
        return apply_labelmap(labels, arena), true;
      case labeldrop:
        return std::erase_if(labels, [&](const Attribute& a) { return match(a.key); }), true;
      case labelkeep:
        return std::erase_if(labels, [&](const Attribute& a) { return !match(a.key); }), true;
      case lowercase:
      case uppercase:
        return set_label(labels, config.target_label,
                         arena.copy(with_case(source(labels, arena), config.action == uppercase))),
               true;
    }
    return true;
  }

  void apply_replace(Labels& labels, model::Arena& arena) const {
    Groups groups{re, {}};
    if (!match(source(labels, arena), &groups)) return;
    const std::string target = expand(config.target_label, groups);
    if (!target.empty()) set_label(labels, arena.copy(target), arena.copy(expand(config.replacement, groups)));
  }

  void apply_labelmap(Labels& labels, model::Arena& arena) const {
    Groups groups{re, {}};
    const Labels before = labels;
    for (const Attribute& a : before)
      if (match(a.key, &groups)) set_label(labels, arena.copy(expand(config.replacement, groups)), a.value);
  }
};

Result<Relabeler> Relabeler::make(const std::vector<config::RelabelRule>& rules) {
  Relabeler out;
  for (const config::RelabelRule& given : rules) {
    auto rule = std::make_shared<const Rule>(given);
    if (!rule->re.ok())
      return fail(Code::invalid_argument, fmt::format("relabelling: regex '{}': {}", given.regex, rule->re.error()));
    out.rules_.push_back(std::move(rule));
  }
  return out;
}

bool Relabeler::apply(Labels& labels, model::Arena& arena) const {
  return std::all_of(rules_.begin(), rules_.end(), [&](const auto& rule) { return rule->apply(labels, arena); });
}

}  // namespace hs::scrape
