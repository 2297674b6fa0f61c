#include "scrape/memory.h"

#include <cstring>

namespace hs::scrape {
namespace {

void put(std::string& out, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out += text;
}

std::string_view take(std::string_view& in) {
  uint32_t size = 0;
  std::memcpy(&size, in.data(), sizeof size);
  const std::string_view out = in.substr(sizeof size, size);
  in.remove_prefix(sizeof size + size);
  return out;
}

}  // namespace

bool SeriesMemory::seen(const Labels& labels, bool histogram, bool tracked) {
  text_.clear();
  for (const model::Attribute& a : labels) put(text_, a.key), put(text_, a.value);
  const auto [at, added] = series_.try_emplace(hash128(text_));
  if (added) at->second.text = text_, at->second.born = round_;
  at->second.round = round_;
  at->second.histogram = histogram;
  at->second.tracked = tracked;
  return added;
}

Labels SeriesMemory::decode(const std::string& text) {
  Labels out;
  std::string_view in = text;
  while (!in.empty()) {
    const std::string_view key = take(in);
    out.push_back({key, take(in)});
  }
  return out;
}

}  // namespace hs::scrape
