#include "stream/templates.h"

#include "base/hash.h"
#include "base/text.h"

namespace hs::stream {
namespace {

constexpr std::string_view variable = "<*>";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool varies(std::string_view word) {
  for (const char c : word)
    if ((c >= '0' && c <= '9') || c == '@') return true;
  return false;
}

// "user=bob": the key stays, the value varies.
size_t split_of(std::string_view word) {
  const size_t at = word.find('=');
  return at == std::string_view::npos || at + 1 >= word.size() || at > 32 ? 0 : at + 1;
}

void push_word(std::string_view word, std::vector<std::string_view>& out) {
  if (const size_t value = split_of(word)) {
    out.push_back(word.substr(0, value));
    out.push_back(variable);
  } else {
    out.push_back(varies(word) ? variable : word);
  }
}

void words_of(std::string_view line, std::vector<std::string_view>& out) {
  out.clear();
  size_t at = 0;
  while (at < line.size() && out.size() < Templates::words_max) {
    while (at < line.size() && is_space(line[at])) ++at;
    size_t end = at;
    while (end < line.size() && !is_space(line[end])) ++end;
    if (end > at) push_word(line.substr(at, end - at), out);
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

const Templates::Template* Templates::match(uint64_t service, std::string_view line) {
  thread_local std::vector<std::string_view> words;
  words_of(line.substr(0, line_bytes_max), words);
  if (words.empty()) return nullptr;
  const uint64_t key = leaf_of(service, words);
  const std::vector<uint32_t>* leaf = leaves_.find(key);
  if (Template* found = leaf == nullptr ? nullptr : best_of(*leaf, words)) {
    for (size_t i = 0; i < words.size(); ++i)
      if (found->words[i] != words[i] && found->words[i] != variable) found->words[i] = variable;
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
  all_.push_back(std::move(known));
}

}  // namespace hs::stream
