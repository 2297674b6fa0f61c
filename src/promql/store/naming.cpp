#include "promql/store/naming.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace hs::promql::store {
namespace {

using Unit = std::pair<std::string_view, std::string_view>;

constexpr std::array<Unit, 27> units = {
    {{"d", "days"},          {"h", "hours"},        {"min", "minutes"},   {"s", "seconds"},      {"ms", "milliseconds"},
     {"us", "microseconds"}, {"ns", "nanoseconds"}, {"By", "bytes"},      {"KiBy", "kibibytes"}, {"MiBy", "mebibytes"},
     {"GiBy", "gibibytes"},  {"TiBy", "tibibytes"}, {"KBy", "kilobytes"}, {"MBy", "megabytes"},  {"GBy", "gigabytes"},
     {"TBy", "terabytes"},   {"m", "meters"},       {"V", "volts"},       {"A", "amperes"},      {"J", "joules"},
     {"W", "watts"},         {"g", "grams"},        {"Cel", "celsius"},   {"Hz", "hertz"},       {"1", ""},
     {"%", "percent"},       {"kBy", "kilobytes"}}};
constexpr std::array<Unit, 7> per_units = {
    {{"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"}, {"w", "week"}, {"mo", "month"}, {"y", "year"}}};

bool is_plain(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

template <size_t n>
std::string_view word_of(std::string_view unit, const std::array<Unit, n>& table) {
  const auto at = std::find_if(table.begin(), table.end(), [&](const Unit& u) { return u.first == unit; });
  return at == table.end() ? unit : at->second;
}

// Words between whatever is no letter, digit or colon.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (is_plain(c) || c == ':')
      words.back().push_back(c);
    else if (!words.back().empty())
      words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : "_") + word;
  return out;
}

struct UnitWords {
  std::string main, per;  // "bytes", "second"; "" when there is none
};

// "By/s" is bytes per second; annotations in braces are no units.
UnitWords unit_words(std::string_view unit, bool escape) {
  const size_t slash = unit.find('/');
  const auto part = [&](std::string_view text, const auto& table) {
    text = trimmed(text);
    if (text.empty() || text.find_first_of("{}") != text.npos) return std::string();
    const std::string_view word = word_of(text, table);
    return escape ? joined(words_of(word)) : std::string(word);
  };
  UnitWords out;
  out.main = part(unit.substr(0, slash), units);
  if (slash != unit.npos) out.per = part(unit.substr(slash + 1), per_units);
  return out;
}

void move_to_end(std::vector<std::string>& words, const std::string& word) {
  std::erase(words, word);
  words.push_back(word);
}

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_counter(model::MetricKind kind, bool monotonic) { return kind == model::MetricKind::sum && monotonic; }

std::string escaped_with_suffixes(std::string_view name, std::string_view unit, model::MetricKind kind,
                                  bool monotonic) {
  std::vector<std::string> words = words_of(name);
  const UnitWords unit_word = unit_words(unit, true);
  if (!unit_word.main.empty() && !contains(words, unit_word.main)) words.push_back(unit_word.main);
  if (!unit_word.per.empty() && !contains(words, unit_word.per)) {
    words.emplace_back("per");
    words.push_back(unit_word.per);
  }
  if (is_counter(kind, monotonic)) move_to_end(words, "total");
  if (unit == "1" && kind == model::MetricKind::gauge) move_to_end(words, "ratio");
  return joined(words);
}

void append_suffix(std::string& name, std::string_view suffix) {
  if (suffix.empty() || name.ends_with(suffix)) return;
  name += '_';
  name += suffix;
}

std::string utf8_with_suffixes(std::string_view name, std::string_view unit, model::MetricKind kind, bool monotonic) {
  const UnitWords unit_word = unit_words(unit, false);
  std::string out(name);
  if (is_counter(kind, monotonic) && out.ends_with("_total")) out.resize(out.size() - 6);
  append_suffix(out, unit_word.main);
  if (!unit_word.per.empty()) append_suffix(out, "per_" + unit_word.per);
  if (is_counter(kind, monotonic)) append_suffix(out, "total");
  if (unit == "1" && kind == model::MetricKind::gauge) append_suffix(out, "ratio");
  return out;
}

}  // namespace

Naming naming_of(std::string_view strategy) {
  return {.escape = strategy.starts_with("UnderscoreEscaping"), .suffixes = strategy.ends_with("WithSuffixes")};
}

std::string metric_name(const Naming& naming, std::string_view name, std::string_view unit, model::MetricKind kind,
                        bool monotonic) {
  if (!naming.escape && !naming.suffixes) return std::string(name);
  if (!naming.escape) return utf8_with_suffixes(name, unit, kind, monotonic);
  std::string out = naming.suffixes ? escaped_with_suffixes(name, unit, kind, monotonic) : joined(words_of(name));
  if (!out.empty() && is_digit(out.front())) out.insert(out.begin(), '_');
  return out;
}

std::string label_name(const Naming& naming, std::string_view name) {
  std::string out(name);
  if (!naming.escape || name.empty()) return out;
  for (char& c : out)
    if (!is_plain(c)) c = '_';
  if (is_digit(out.front())) return "key_" + out;
  if (out.starts_with('_') && !out.starts_with("__")) return "key" + out;
  return out;
}

}  // namespace hs::promql::store
