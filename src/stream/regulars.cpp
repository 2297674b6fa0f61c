#include "stream/regulars.h"

#include <utility>

#include "base/hash.h"

namespace hs::stream {

bool Regulars::see(uint64_t operation, uint64_t subject, const Ending& ending, UnixNanos at) {
  if (at - began_ > generation_ns || now_.size() >= subjects_max) {
    std::swap(now_, before_);
    now_.clear();
    began_ = at;
  }
  const uint64_t key = mix(operation, subject);
  Seen* known = now_.find(key);
  if (known == nullptr) {
    const Seen* older = before_.find(key);
    const Seen made = older == nullptr ? Seen{.since = at} : *older;
    known = &(now_.at(key) = made);
  }
  const bool regular = known->good > 0 && known->good >= good_per_denied * known->denied && at - known->since >= age_ns;
  if (ending.denied)
    known->denied += 1;
  else if (!ending.error && !ending.limited)
    known->good += 1;
  return regular;
}

void Regulars::clear() {
  now_.clear();
  before_.clear();
}

}  // namespace hs::stream
