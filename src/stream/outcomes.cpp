#include "stream/outcomes.h"

#include <algorithm>

namespace hs::stream {

Outcomes::Outcomes(size_t traces_max) : half_max_(std::max<size_t>(traces_max / 2, 16)) {}

Outcomes::Trace& Outcomes::trace(uint64_t key) {
  if (Trace* found = young_.find(key)) return *found;
  if (young_.size() >= half_max_) {
    evicted_ += old_.size();
    rotate();
  }
  Trace& made = young_.at(key);
  if (Trace* before = old_.find(key)) made = std::move(*before);
  return made;
}

void Outcomes::add(uint64_t key, const Evaluated& evaluated) {
  Trace& mine = trace(key);
  const auto same = [&](const Evaluated& e) {
    return e.knob == evaluated.knob && e.revision == evaluated.revision && e.variant == evaluated.variant;
  };
  if (std::any_of(mine.evaluations.begin(), mine.evaluations.end(), same)) return;
  if (mine.evaluations.size() >= evaluations_max) {
    ++evicted_;
    return;
  }
  mine.evaluations.push_back(evaluated);
  for (const Answered& answered : mine.answers) joined.push_back({key, evaluated, answered});
}

void Outcomes::add(uint64_t key, const Answered& answered) {
  Trace& mine = trace(key);
  if (mine.answers.size() >= answers_max) {
    ++evicted_;
    return;
  }
  mine.answers.push_back(answered);
  for (const Evaluated& evaluated : mine.evaluations) joined.push_back({key, evaluated, answered});
}

void Outcomes::rotate() {
  std::swap(young_, old_);
  young_.clear();
}

void Outcomes::clear() {
  young_.clear();
  old_.clear();
  joined.clear();
}

}  // namespace hs::stream
