#include "promql/group_index.h"

#include <algorithm>

#include "base/hash.h"

namespace hs::promql {

GroupIndex::GroupIndex(const std::vector<std::string>& names, bool without) : names_(names), without_(without) {
  std::sort(names_.begin(), names_.end());
}

bool GroupIndex::counts(const Label& label) const {
  const bool named = std::binary_search(names_.begin(), names_.end(), label.name);
  return without_ ? !named && label.name != metric_name_label : named;
}

uint64_t GroupIndex::hash(const Labels& labels) const {
  uint64_t h = 0;
  for (const Label& label : labels)
    if (counts(label)) h = hash64(label.value, hash64(label.name, h));
  return h;
}

// Both are sorted by name, so what counts of the row comes in the order of the group's.
bool GroupIndex::same(const Labels& group, const Labels& row) const {
  auto at = group.begin();
  for (const Label& label : row) {
    if (!counts(label)) continue;
    if (at == group.end() || *at != label) return false;
    ++at;
  }
  return at == group.end();
}

size_t GroupIndex::of(const Labels& labels) {
  const uint64_t h = hash(labels);
  const auto [first, last] = by_hash_.equal_range(h);
  for (auto at = first; at != last; ++at)
    if (same(groups_[at->second], labels)) return at->second;
  by_hash_.emplace(h, groups_.size());
  groups_.push_back(this->labels(labels));
  return groups_.size() - 1;
}

}  // namespace hs::promql
