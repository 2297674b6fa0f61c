#pragma once
// Series in memory as a Source: what unit tests of rules are evaluated over, and what a group wrote a moment ago.

#include <unordered_map>
#include <vector>

#include "promql/source.h"
#include "promql/value.h"

namespace hs::rules {

class Memory final : public promql::Source {
 public:
  // Samples of a series come in the order of time; one that is not newer than the last is left out.
  void add(const promql::Sample& sample);
  Result<promql::Selection> select(const promql::Select& select) const override;
  bool empty() const { return series_.empty(); }

 private:
  std::vector<promql::Series> series_;
  std::unordered_map<promql::Labels, size_t, promql::LabelsHash> index_;
};

// `base`, and over it what was written since: one series of both when the labels are the same, the newer value at the
// same instant. What both refer to must outlive it.
class Overlay final : public promql::Source {
 public:
  Overlay(const promql::Source& base, const Memory& newer) : base_(base), newer_(newer) {}
  Result<promql::Selection> select(const promql::Select& select) const override;

 private:
  const promql::Source& base_;
  const Memory& newer_;
};

}  // namespace hs::rules
