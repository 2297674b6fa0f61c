#pragma once
// Which series of the two sides of a vector operation belong together.

#include <unordered_map>
#include <vector>

#include "promql/ast.h"
#include "promql/rows.h"

namespace hs::promql {

inline Labels matching_labels(const VectorMatching& matching, const Labels& labels) {
  return matching.on ? labels.only(matching.labels) : labels.without(matching.labels);
}

class Signatures {
 public:
  struct Group {
    std::vector<size_t> left;  // rows, in their order
    std::vector<size_t> right;
  };

  Signatures(const VectorMatching& matching, const Rows& left, const Rows& right) {
    std::unordered_map<Labels, size_t, LabelsHash> index;
    const auto group_of = [&](const Row& row) -> Group& {
      const auto [at, inserted] = index.try_emplace(matching_labels(matching, row.labels), groups_.size());
      if (inserted) groups_.emplace_back();
      return groups_[at->second];
    };
    for (size_t i = 0; i < left.size(); ++i) group_of(left[i]).left.push_back(i);
    for (size_t i = 0; i < right.size(); ++i) group_of(right[i]).right.push_back(i);
  }

  const std::vector<Group>& groups() const { return groups_; }

 private:
  std::vector<Group> groups_;
};

}  // namespace hs::promql
