#include "stream/names.h"

#include "base/hash.h"
#include "base/text.h"

namespace hs::stream {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_word(char c) { return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_'; }

// A word that names one thing: only digits, or hexadecimal with a digit and long enough not to be a word.
bool looks_like_id(std::string_view word) {
  size_t digits = 0;
  for (const char c : word) {
    if (!is_hex(c)) return false;
    digits += is_digit(c);
  }
  return digits == word.size() || (digits > 0 && word.size() >= 6);
}

}  // namespace

std::string without_ids(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size();) {
    size_t end = i;
    while (end < name.size() && is_word(name[end])) ++end;
    if (end == i) {
      out += name[i++];
      continue;
    }
    const std::string_view word = name.substr(i, end - i);
    out += looks_like_id(word) ? std::string_view("<*>") : word;
    i = end;
  }
  return out;
}

Names::Names(size_t names_max) : names_max_(names_max) { clear(); }

void Names::clear() {
  ids_.clear();
  texts_.assign({"", "other"});
  hashes_.assign({hash64(""), hash64("other")});
}

NameId Names::id(std::string_view text) {
  if (text.empty()) return no_name;
  const uint64_t hash = hash64(text);
  if (const NameId* known = ids_.find(hash)) return *known;
  if (full()) {
    ++refused_;
    return other_name;
  }
  const auto id = static_cast<NameId>(texts_.size());
  texts_.push_back(printable(text, name_bytes_max));
  hashes_.push_back(hash);
  return ids_.at(hash) = id;
}

NameId Operations::id(NameId service, std::string_view name, int64_t second) {
  Service& mine = services_.at(service + 1);
  const uint64_t hash = hash64(name);
  if (Slot* known = mine.slots.find(hash)) {
    known->seen = second;
    return known->name;
  }
  if (mine.slots.size() >= per_service_max_ / 2) {  // names with ids in them fill up first: fold those
    const std::string folded = without_ids(name);
    if (folded != name) return id(service, folded, second);
  }
  if (mine.slots.size() >= per_service_max_ && second - mine.swept >= sweep_every_s) sweep(mine, second);
  if (mine.slots.size() >= per_service_max_) {
    ++refused_;
    return other_name;
  }
  const NameId made = names_.id(name);
  mine.slots.at(hash) = {made, second};
  return made;
}

void Operations::sweep(Service& service, int64_t second) {
  FlatTable<Slot> kept;
  service.slots.each([&](uint64_t hash, const Slot& slot) {
    if (second - slot.seen < idle_s) kept.at(hash) = slot;
  });
  service.slots = std::move(kept);
  service.swept = second;
}

void Operations::clear() { services_.clear(); }

}  // namespace hs::stream
