#include "stream/templates.h"

#include <array>

#include "base/hash.h"
#include "base/text.h"

namespace hs::stream {
namespace {

constexpr std::string_view variable = "<*>";

// What a line's characters tell, looked up: they are looked at one by one.
enum Kind : uint8_t { plain = 0, space = 1, varying = 2, equals = 4 };
constexpr std::array<uint8_t, 256> kinds = [] {
  std::array<uint8_t, 256> out{};
  for (const unsigned char c : {' ', '\t', '\n', '\r'}) out[c] = space;
  for (unsigned char c = '0'; c <= '9'; ++c) out[c] = varying;
  out['@'] = varying;
  out['='] = equals;
  return out;
}();
uint8_t kind_of(char c) { return kinds[static_cast<unsigned char>(c)]; }

// "user=bob": the key stays, the value varies.
size_t split_of(std::string_view word) {
  const size_t at = word.find('=');
  return at == std::string_view::npos || at + 1 >= word.size() || at > 32 ? 0 : at + 1;
}

// `holds`: the kinds of its characters.
void push_word(std::string_view word, uint8_t holds, std::vector<std::string_view>& out) {
  if (const size_t value = (holds & equals) != 0 ? split_of(word) : 0) {
    out.push_back(word.substr(0, value));
    out.push_back(variable);
  } else {
    out.push_back((holds & varying) != 0 ? variable : word);
  }
}

void words_of(std::string_view line, std::vector<std::string_view>& out) {
  out.clear();
  size_t at = 0;
  while (at < line.size() && out.size() < Templates::words_max) {
    while (at < line.size() && kind_of(line[at]) == space) ++at;
    size_t end = at;
    uint8_t holds = plain;
    for (; end < line.size(); ++end) {
      const uint8_t kind = kind_of(line[end]);
      if (kind == space) break;
      holds |= kind;
    }
    if (end > at) push_word(line.substr(at, end - at), holds, out);
    at = end;
  }
  if (at < line.size()) out.push_back(variable);
}

uint64_t leaf_of(uint64_t service, const std::vector<std::string_view>& words) {
  uint64_t key = mix(service, words.size());
  for (size_t i = 0; i < 2 && i < words.size(); ++i) key = mix(key, hash64(words[i]));
  return key;
}

}  // namespace

std::string Templates::Template::text() const {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty() && out.back() != '=') out += ' ';
    out += word;
  }
  return out;
}

void Templates::clear() {
  all_.clear();
  leaves_.clear();
  per_service_.clear();
}

Templates::Template* Templates::best_of(const std::vector<uint32_t>& leaf, const std::vector<std::string_view>& words) {
  Template* best = nullptr;
  size_t most = 0;
  for (const uint32_t index : leaf) {
    Template& candidate = all_[index];
    if (candidate.words.size() != words.size()) continue;  // of a file that says otherwise
    size_t equal = 0;
    for (size_t i = 0; i < words.size(); ++i) equal += candidate.words[i] == words[i];
    if (equal > most) most = equal, best = &candidate;
  }
  return static_cast<double>(most) >= similar_at * static_cast<double>(words.size()) ? best : nullptr;
}

// Words that differ are variables from now on.
void Templates::generalise(Template& known, const std::vector<std::string_view>& words) {
  bool changed = false;
  for (size_t i = 0; i < words.size(); ++i) {
    if (known.words[i] == words[i] || known.words[i] == variable) continue;
    known.words[i] = variable;
    changed = true;
  }
  if (changed) known.pattern = printable(known.text(), pattern_bytes_max);
}

const Templates::Template* Templates::match(uint64_t service, std::string_view line) {
  thread_local std::vector<std::string_view> words;
  words_of(line.substr(0, line_bytes_max), words);
  if (words.empty()) return nullptr;
  const uint64_t key = leaf_of(service, words);
  const std::vector<uint32_t>* leaf = leaves_.find(key);
  if (Template* found = leaf == nullptr ? nullptr : best_of(*leaf, words)) {
    generalise(*found, words);
    return found;
  }
  if (!has_room(service, key)) {
    ++refused_;
    return nullptr;
  }
  Template made{.service = service, .leaf = key};
  for (const std::string_view word : words) made.words.push_back(printable(word, 64));
  made.id = hash64(made.text(), service);
  restore(std::move(made));
  return &all_.back();
}

bool Templates::has_room(uint64_t service, uint64_t leaf) {
  const std::vector<uint32_t>* known = leaves_.find(leaf);
  return (known == nullptr || known->size() < leaf_max) && per_service_.at(service) < per_service_max &&
         all_.size() < total_max;
}

void Templates::restore(Template known) {
  if (!has_room(known.service, known.leaf)) return;
  ++per_service_.at(known.service);
  leaves_.at(known.leaf).push_back(static_cast<uint32_t>(all_.size()));
  known.pattern = printable(known.text(), pattern_bytes_max);
  all_.push_back(std::move(known));
}

}  // namespace hs::stream
