#pragma once
// Which series a target had at its last scrape: those that it has no more get a stale marker.

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "scrape/relabel.h"

namespace hs::scrape {

// Bounded by what one answer can hold (body_size_limit). Not thread-safe.
class SeriesMemory {
 public:
  void begin() { ++round_; }
  // Forgets what was new since begin(): it was not stored. All others are unseen again.
  void roll_back() {
    std::erase_if(series_, [&](const auto& one) { return one.second.born == round_; });
    ++round_;
  }
  // Labels must be sorted. True: it was not there at the last scrape. `tracked`: its end is to be told.
  bool seen(const Labels& labels, bool histogram, bool tracked);
  // Calls f(labels, histogram) for tracked series that were not seen since begin(), and forgets all that were not.
  template <class F>
  void end(F f) {
    for (auto at = series_.begin(); at != series_.end();) {
      if (at->second.round == round_) {
        ++at;
        continue;
      }
      if (at->second.tracked) f(decode(at->second.text), at->second.histogram);
      at = series_.erase(at);
    }
  }
  size_t size() const { return series_.size(); }

  // When a family was told, and what.
  struct Told {
    uint64_t content = 0;
    int64_t at_ms = 0;
  };
  std::unordered_map<std::string, Told> families;

 private:
  struct Entry {
    std::string text;  // the labels, each text with its length before it
    uint64_t round = 0, born = 0;
    bool histogram = false, tracked = false;
  };
  static Labels decode(const std::string& text);

  std::unordered_map<Hash128, Entry> series_;
  uint64_t round_ = 0;
  std::string text_;
};

}  // namespace hs::scrape
