#include "limits/census.h"

#include "base/hash.h"

namespace hs::limits {
namespace {

constexpr uint32_t metrics_max = 1 << 20, services_max = 1 << 16;  // what Series has room for; the budget ends before
constexpr size_t labels_per_metric_max = 64, labels_max = 4096;
constexpr std::string_view others_name = "(others)";

}  // namespace

Groups::Groups(Budget& budget, uint32_t most) : budget_(budget), most_(most) {
  groups_.push_back(std::make_unique<Group>());
  groups_[others]->name = others_name;
}

Groups::~Groups() {
  for (const auto& group : groups_)
    if (group) budget_.sketches -= group->labels.size();
  budget_.names -= by_name_.size();
}

uint32_t Groups::index_of(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  const bool full = free_.empty() && groups_.size() >= most_;
  if (full || budget_.names >= Budget::names_max) return others;
  ++budget_.names;
  uint32_t index = static_cast<uint32_t>(groups_.size());
  if (free_.empty()) {
    groups_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  groups_[index] = std::make_unique<Group>();
  groups_[index]->name = name;
  by_name_.emplace(name, index);
  return index;
}

void Groups::drop_empty() {
  for (auto it = by_name_.begin(); it != by_name_.end();) {
    std::unique_ptr<Group>& group = groups_[it->second];
    if (group->series > 0) {
      ++it;
      continue;
    }
    budget_.sketches -= group->labels.size();
    --budget_.names;
    group.reset();
    free_.push_back(it->second);
    it = by_name_.erase(it);
  }
}

Census::Census(Budget& budget) : metrics(budget, metrics_max), services(budget, services_max), budget_(budget) {}

Census::~Census() { budget_.sketches -= labels_.size(); }

void Census::look(std::map<std::string, Distinct, std::less<>>& labels, const model::Attribute& a, uint64_t period,
                  size_t most) {
  auto found = labels.find(a.key);
  if (found == labels.end()) {
    if (labels.size() >= most || budget_.sketches >= Budget::sketches_max) return;
    ++budget_.sketches;
    found = labels.try_emplace(std::string(a.key)).first;
  }
  found->second.add(hash64(a.value, static_cast<uint64_t>(a.type)), period);
}

void Census::look(uint32_t metric, const model::Attribute* begin, const model::Attribute* end, uint64_t period) {
  for (const model::Attribute* a = begin; a != end; ++a) {
    look(labels_, *a, period, labels_max);
    if (metric != Groups::others) look(metrics.at(metric).labels, *a, period, labels_per_metric_max);
  }
}

}  // namespace hs::limits
