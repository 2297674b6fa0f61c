#pragma once
// Which rows belong to one group of an aggregation.

#include <string>
#include <unordered_map>
#include <vector>

#include "promql/labels.h"

namespace hs::promql {

// Numbers groups from 0 on in the order in which they are met. Looks at labels where they lie: only a new group's are
// copied.
class GroupIndex {
 public:
  GroupIndex(const std::vector<std::string>& names, bool without);
  // The group of a row with these labels: a new one has the number of groups known before.
  size_t of(const Labels& labels);
  Labels labels(const Labels& of_row) const { return without_ ? of_row.without(names_) : of_row.only(names_); }

 private:
  bool counts(const Label& label) const;
  uint64_t hash(const Labels& labels) const;
  bool same(const Labels& group, const Labels& row) const;

  std::vector<std::string> names_;  // sorted
  bool without_;
  std::vector<Labels> groups_;
  std::unordered_multimap<uint64_t, size_t> by_hash_;
};

}  // namespace hs::promql
